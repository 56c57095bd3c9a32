"""The recorded executor requests of a real server and the answers to them, run by run."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import defaultdict
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from inngest_engine import InngestEngine
from recorded_flows import hashed
from recorded_lab import Pace

_FILE = Path(__file__).parent / "data" / "inngest" / "executor" / "serve.jsonl"
_ULID = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")
# What differs from one run to the next.
_MOMENTARY = ("at", "stack", "ts", "_inngest")


class Recorded(NamedTuple):
    """A request, and its answer."""

    name: str
    function: str
    step: str
    body: dict[str, Any]
    response: dict[str, Any]

    @property
    def run_id(self) -> str:
        return str(self.body["ctx"]["run_id"])


@cache
def recorded() -> tuple[Recorded, ...]:
    """Return all of them, in the order of their answers."""
    lines = map(json.loads, _FILE.read_text().splitlines())
    return tuple(
        Recorded(
            line["name"],
            line["request"]["query"]["fnId"],
            line["request"]["query"]["stepId"],
            line["request"]["body"],
            line["response"],
        )
        for line in lines
    )


@cache
def recorded_runs() -> dict[str, list[Recorded]]:
    """Return the requests of each run, by its function, and its number if there are several."""
    by_id: dict[str, list[Recorded]] = defaultdict(list)
    for each in recorded():
        by_id[each.run_id].append(each)
    runs: dict[str, list[Recorded]] = {}
    for found in by_id.values():
        name = found[0].function
        runs[name if name not in runs else f"{name} again"] = _as_taken(found)
    return runs


def _as_taken(found: list[Recorded]) -> list[Recorded]:
    """Put answers that came at about the same time in the order in which the server took them."""
    stack = longest_stack(found)
    ordered: list[Recorded] = []
    for _, group in itertools.groupby(found, lambda each: each.step == "step"):
        together = [*group]
        if together[0].step in stack:
            together.sort(key=lambda each: stack.index(each.step))
        ordered += together
    return ordered


def longest_stack(found: list[Recorded]) -> list[str]:
    """Return the steps that a run has done, in the order of their answers."""
    stacks: list[list[str]] = [each.body["ctx"]["stack"]["stack"] for each in found]
    return max(stacks, key=len)


def lasting(value: Any) -> Any:
    """Return a value without what differs from one run to the next: ids, times, stacks."""
    if isinstance(value, dict):
        return {k: "…" if k in _MOMENTARY else lasting(v) for k, v in value.items()}
    if isinstance(value, list):
        return [lasting(item) for item in value]
    return _ULID.sub("ULID", value) if isinstance(value, str) else value


def paced(engine: InngestEngine) -> Pace:
    """Return what makes steps take so long that they are answered in the recorded order."""
    ranks: dict[tuple[str, str], int] = {}
    for requests in recorded_runs().values():
        function, stack = requests[0].function, longest_stack(requests)
        ranks |= {(function, step): rank for rank, step in enumerate(stack)}

    async def pace(run_id: str, name: str) -> None:
        function = engine.executor.runs[run_id].function.slug
        # One that was answered after the end of its run is in no stack.
        rank = ranks.get((function, hashed(name)), 3_000)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        at = engine.clock.now() + timedelta(milliseconds=10 * rank)
        engine.clock.call_at(at, lambda: loop.call_soon_threadsafe(done.set_result, None))
        await done

    return pace


async def at_once(run_id: str, name: str) -> None:
    """Let a step take no time."""
