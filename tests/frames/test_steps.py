"""`df.wf` on steps: which are slow, which wait for a worker, and which only pass when retried."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from insight_frames import run, runs, step, steps

import inngest_nb as inb

STEP = dict.fromkeys(("app", "function", "step", "kind"), "str")
SPREAD = STEP | {"count": "Int64"}
SPREAD |= dict.fromkeys(("p50", "p95", "max"), "timedelta64[us]") | {"example": "str"}
SAVED = STEP | {"retried": "Int64", "saved": "Int64", "share": "float64", "attempts": "Int64"}
SAVED |= {"last_seen": "datetime64[us, UTC]", "example": "str"}
QUESTIONS = {"slowest": SPREAD, "queue_delay": SPREAD, "saved_by_retry": SAVED}


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def seconds(spans: Any) -> list[float]:
    return [span.total_seconds() for span in spans]


MANY = [
    *(step(f"r{n}", "charge", ended=n) for n in range(101)),
    step("r0", "ship", "failed", ended=96),
    step("r0", "Finalization", ended=2),
    step("r0", "nap", kind="sleep", ended=9_000),
    step("r0", "approval", kind="wait", ended=9_000),
    step("r0", "open", "running", ended=None, queued=0),
    step("r0", "late", "canceled", ended=9_000),
]


# Slow


def test_the_slowest_steps_come_first_and_pauses_are_not_slow() -> None:
    found = steps(*MANY).wf.slowest()
    assert found["step"].tolist() == ["ship", "charge", "Finalization"]
    charge = found.iloc[1]
    assert (charge["count"], charge["kind"], charge["example"]) == (101, "step", "r100")
    assert seconds(charge[["p50", "p95", "max"]]) == [50, 95, 100]
    assert dtypes(found) == SPREAD


def test_it_gives_as_many_as_are_asked_for() -> None:
    assert steps(*MANY).wf.slowest(1)["step"].tolist() == ["ship"]


@pytest.mark.parametrize("n", [0, -1, True, "3", None])
def test_what_is_no_number_of_steps_is_refused(n: Any) -> None:
    with pytest.raises(ValueError, match="n must be a number of steps above 0, such as 10"):
        steps(*MANY).wf.slowest(n)


def test_runs_tell_the_functions_so_that_the_same_name_is_two_steps() -> None:
    rows = steps(step("a", "charge", ended=1), step("b", "charge", ended=2))
    assert rows.wf.slowest()["count"].tolist() == [2]
    known = rows.wf.slowest(runs=runs(run("a", function="pay"), run("b", function="ship")))
    assert known["function"].tolist() == ["ship", "pay"]
    assert known["app"].tolist() == ["shop", "shop"]


# Waiting for a worker


def test_the_queue_delay_is_until_the_first_attempt_or_until_now() -> None:
    found = steps(
        step("a", "charge", queued=0, started=3),
        step("b", "charge", queued=0, started=1),
        step("c", "ship", "queued", queued=0, ended=60),
        step("d", "nap", kind="sleep", queued=0, started=99),
        step("e", "child", kind="invoke", queued=0, started=99),
    ).wf.queue_delay()
    assert found["step"].tolist() == ["ship", "charge"]
    assert seconds(found["max"]) == [60, 3]
    assert seconds(found["p50"]) == [60, 2]
    assert found["example"].tolist() == ["c", "a"]


def test_it_is_told_by_the_times_where_the_column_was_left_out() -> None:
    rows = steps(step("a", "charge", queued=0, started=3)).drop(columns="queue_delay")
    assert seconds(rows.wf.queue_delay()["max"]) == [3]
    with pytest.raises(AttributeError, match="left out: started_at"):
        rows.drop(columns="started_at").wf.queue_delay()


# Retried


RETRIED = [
    step("a", "charge", attempts=3, ended=10),
    step("a", "Finalization"),
    step("b", "charge", attempts=2, ended=20),
    step("b", "Finalization"),
    step("c", "charge", "failed", attempts=4, ended=30),
    step("c", "Finalization", "failed"),
    step("d", "charge", attempts=2),  # and then the run failed of something else
    step("d", "Finalization", "failed"),
    step("e", "charge", attempts=2),  # and the run goes on
    step("e", "nap", "waiting", kind="sleep"),
    step("e", "executor.nonstep", kind="function"),  # as traces of runs that sleep may show it
    step("f", "charge"),
    step("f", "Finalization"),
    step("g", "Finalization", attempts=2, ended=5),
]


def test_a_retry_saved_a_run_that_then_completed() -> None:
    found = steps(*RETRIED).wf.saved_by_retry()
    told = found.drop(columns=["app", "function", "last_seen"])
    assert told.astype(object).to_numpy().tolist() == [
        ["charge", "step", 4, 2, 2 / 4, 3, "b"],
        ["Finalization", "function", 1, 1, 1, 2, "g"],
    ]
    assert found["last_seen"][0] - found["last_seen"][1] == timedelta(seconds=25)
    assert dtypes(found) == SAVED


def test_runs_tell_how_they_ended() -> None:
    told = runs(*(run(name, "completed" if name in "de" else "failed") for name in "abcdefg"))
    charge = steps(*RETRIED).wf.saved_by_retry(runs=told).set_index("step").loc["charge"]
    assert (charge["retried"], charge["saved"]) == (5, 2)
    assert charge["function"] == "pay"


def test_retries_that_never_helped_are_there_too() -> None:
    found = steps(
        step("a", "charge", "failed", attempts=4), step("a", "Finalization", "failed")
    ).wf.saved_by_retry()
    assert found[["retried", "saved", "share"]].to_numpy().tolist() == [[1, 0, 0]]
    assert found[["attempts", "example"]].isna().all(axis=None)


# Whatever the frame


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_empty_frame_has_the_same_columns(question: str) -> None:
    for given in ({}, {"runs": runs()}):
        none = getattr(steps().wf, question)(**given)
        assert (len(none), dtypes(none)) == (0, QUESTIONS[question])


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_frame_from_a_file_gives_the_same(question: str, tmp_path: Path) -> None:
    rows = steps(*MANY, *RETRIED)
    rows.to_csv(tmp_path / "steps", index=False)
    again = pd.read_csv(tmp_path / "steps")
    pd.testing.assert_frame_equal(getattr(again.wf, question)(), getattr(rows.wf, question)())


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_only_text(text: str, question: str) -> None:
    rows = steps(step("a", text, attempts=2), step("a", "Finalization"))
    found = getattr(rows.wf, question)(runs=runs(run("a", function=text)))
    assert {text} == set(found["function"])
    assert text in set(found["step"])


@pytest.mark.parametrize("question", ["queue_delay", "saved_by_retry"])
def test_only_steps_answer(question: str) -> None:
    with pytest.raises(AttributeError, match=rf"{question}\(\) needs the steps of runs: use it on"):
        getattr(runs().wf, question)()
    with pytest.raises(AttributeError, match=rf"{question}\(\) needs the steps of runs: use it on"):
        getattr(inb.activity_frame([]).wf, question)()


@pytest.mark.parametrize("question", QUESTIONS)
def test_runs_that_are_no_frame_are_refused(question: str) -> None:
    with pytest.raises(ValueError, match="runs must be a frame of runs"):
        getattr(steps().wf, question)(runs="r1")


def test_the_readable_text_names_what_can_be_asked() -> None:
    assert "slowest(), queue_delay(), saved_by_retry(), plot" in repr(steps().wf)
    assert 'failures(), rate("1h"), plot' in repr(runs().wf)
    assert "failures" not in repr(inb.frame([]).wf)
