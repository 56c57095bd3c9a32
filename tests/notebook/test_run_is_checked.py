"""`run` replays what has just ended, and warns of code that would do something else."""

from __future__ import annotations

import itertools
import threading
import warnings
from typing import Any

import pytest

import inngest_nb as inb
from inngest_nb.notebook.live import ReplayWarning, _recheck

pytestmark = pytest.mark.filterwarnings("error::inngest_nb.notebook.live.ReplayWarning")


@pytest.fixture
def _to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the check take the time that it needs, which on a busy machine is more than a moment."""
    monkeypatch.setattr(_recheck, "_SECONDS", 30)


def keep(given: Any) -> Any:
    return given


@pytest.mark.usefixtures("_to_its_end")
def test_a_run_whose_code_counts_its_lives_is_warned_of_with_event_and_line() -> None:
    lives = itertools.count(1)

    async def counts(ctx: inb.AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(keep, next(lives))

    with pytest.warns(ReplayWarning, match=r"history at event 2 \(activity_started\)") as told:
        run = inb.run(counts)
    assert run.result() == 1
    (warning,) = told.list
    assert (
        "with input 1. Code: call 1 is activity 'keep' with input 2 (test_run_is_checked.py:"
        in (str(warning.message))
    )
    assert str(warning.message).startswith("this workflow would not survive a crash: ")
    assert warning.filename == __file__


@pytest.mark.usefixtures("_to_its_end")
def test_nothing_is_done_printed_or_saved_again(capsys: pytest.CaptureFixture[str]) -> None:
    done = []

    def act(given: int) -> int:
        done.append(given)
        return given

    async def prints(ctx: inb.AsyncWorkflowContext) -> Any:
        print("in the code")  # noqa: T201
        return await ctx.execute_activity(act, 1)

    def prints_plainly(ctx: inb.WorkflowContext) -> Any:
        print("in the code")  # noqa: T201
        return ctx.execute_activity(act, 2)

    with inb.MemoryStore() as store:
        for number, fn in enumerate((prints, prints_plainly)):
            run = inb.run(fn, id=f"run-{number}", store=store)
            stored = store.load(run.id)
            assert stored is not None
            assert stored.history == run.state.history
            assert stored.etag == run.state.etag or stored.status == "completed"
    assert done == [1, 2]
    assert capsys.readouterr().out.count("in the code") == 2


@pytest.mark.usefixtures("_to_its_end")
def test_a_run_that_fails_or_is_fine_is_not_warned_of() -> None:
    async def fails(ctx: inb.AsyncWorkflowContext) -> None:
        await ctx.execute_activity(keep, 1)
        raise ValueError("no")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert inb.run(fails).status == "failed"
        assert inb.run(inb.samples.fan_out, {"speed": 1000}).status == "completed"


def test_code_that_blocks_delays_the_cell_by_a_moment_only() -> None:
    lives, go_on, through = itertools.count(1), threading.Event(), threading.Event()

    def blocks(ctx: inb.WorkflowContext) -> int:
        if next(lives) > 1:
            go_on.wait(30)
            through.set()
        return 1

    inb.run(blocks)
    assert not through.is_set()
    go_on.set()
