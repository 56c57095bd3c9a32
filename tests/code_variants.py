"""Workflows that are written as a line of steps, async and plain, and histories to try them on.

Run as a script, it records the histories of `ORDER` anew. Those of Go programs are written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from manual_clock import ManualClock

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    MemoryStore,
    Signal,
    WorkflowContext,
    WorkflowState,
    wire,
)
from inngest_nb.state import UNSET

FOLDER = Path(__file__).parent / "engine" / "histories"
# A number is a sleep, "signal x" waits for one, "version x" asks which and does `x` if it is not
# the old one, "raise" raises an error; any other word is an activity.
Steps = tuple[str | float, ...]
ORDER: Steps = ("reserve", 3600.0, "charge", "signal go", "ship")


def activity(name: str, log: list[str]) -> Callable[..., Any]:
    def work(given: Any) -> str:
        log.append(name)
        return f"{name} done"

    work.__name__ = name
    return work


def _calls(ctx: Any, steps: Steps, log: list[str]) -> Iterator[Any]:
    for step in steps:
        word, _, name = str(step).partition(" ")
        if isinstance(step, float):
            yield ctx.sleep(step)
        elif word == "signal":
            yield ctx.receive_signal(name)
        elif word == "raise":
            raise ValueError("no more")
        elif word != "version":
            yield ctx.execute_activity(activity(word, log))
        elif ctx.version(name):
            yield ctx.execute_activity(activity(name, log))


def workflow(kind: str, steps: Steps, log: list[str] | None = None) -> Callable[..., Any]:
    """Return code of a kind, async or plain; `log` gets the activities that are really done."""
    done = [] if log is None else log

    async def order(ctx: AsyncWorkflowContext) -> list[Any]:
        return [await call for call in _calls(ctx, steps, done)]

    def plain_order(ctx: WorkflowContext) -> list[Any]:
        return list(_calls(ctx, steps, done))

    return plain_order if kind == "plain" else order


def history(name: str) -> WorkflowState:
    """Return the recorded history of that name."""
    return wire.decode((FOLDER / f"{name}.json").read_bytes())


def record() -> None:
    """Write what is stored of a run that waits for its signal, and after its end."""
    clock = ManualClock()
    with MemoryStore() as store, Executor(store, clock=clock) as executor:
        handle = executor.execute(workflow("async", ORDER), id="w")
        clock.advance(3600)
        while not handle.waiting_for:
            continue
        _write(handle.state, "waiting")
        executor.signal("w", Signal("go", {"by": "ann"}))
        handle.result(60)
        _write(handle.state, "completed")


def _write(state: WorkflowState, name: str) -> None:
    ours = dict.fromkeys(("owner", "fence", "lease_until"), UNSET)
    document = wire.encode(state.replace(run_id="recorded", **ours))
    (FOLDER / f"{name}.json").write_bytes(document + b"\n")


if __name__ == "__main__":
    record()
