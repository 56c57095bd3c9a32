"""`df.wf.failures()`: which runs and steps fail alike, where, how often and since when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from insight_frames import at, run, runs, step, steps

import inngest_nb as inb

TIME = "datetime64[us, UTC]"
GROUPS = {
    "app": "str",
    "function": "str",
    "step": "str",
    "error": "str",
    "count": "Int64",
    "share": "float64",
    "first_seen": TIME,
    "last_seen": TIME,
    "example": "str",
}
MANY = [
    run("a", "failed", error="timeout after 30 s", ended=10),
    run("b", "failed", error="timeout after 45 s", ended=30),
    run("c", "failed", error="card declined", ended=20),
    run("d"),
    run("e", "running"),
    run("f", "canceled"),
    run("g", "failed", function="ship", error="timeout after 5 s", ended=5),
]


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def where(groups: pd.DataFrame) -> list[tuple[Any, ...]]:
    some = groups[["function", "step", "error", "count"]].astype(object)
    return [tuple(None if pd.isna(value) else value for value in row) for row in some.to_numpy()]


# Runs


def test_a_group_is_a_function_and_what_its_errors_have_in_common() -> None:
    groups = runs(*MANY).wf.failures()
    assert where(groups) == [
        ("pay", None, "timeout after … s", 2),
        ("pay", None, "card declined", 1),
        ("ship", None, "timeout after … s", 1),
    ]
    assert dtypes(groups) == GROUPS
    first = groups.iloc[0]
    assert (first["first_seen"], first["last_seen"], first["example"]) == (at(10), at(30), "b")


def test_the_share_is_of_the_runs_of_that_function_that_came_to_a_result() -> None:
    groups = runs(*MANY).wf.failures()
    assert list(groups["share"]) == [2 / 4, 1 / 4, 1 / 1]


def test_functions_of_two_apps_with_the_same_name_are_two() -> None:
    rows = runs(*(run(app, "failed", app=app, error="x") for app in ("shop", "lab")))
    assert sorted(rows.wf.failures()["app"]) == ["lab", "shop"]


def test_a_run_that_is_there_twice_counts_once() -> None:
    rows = runs(*MANY, *MANY)
    pd.testing.assert_frame_equal(rows.wf.failures(), runs(*MANY).wf.failures())


def test_failures_without_an_error_are_a_group_too() -> None:
    assert where(runs(run("a", "failed")).wf.failures()) == [("pay", None, None, 1)]


def test_where_no_errors_were_read_it_is_said_how_to_have_them() -> None:
    with pytest.raises(AttributeError, match="outputs=True.*traces=inb.trace_frame"):
        runs(*MANY).drop(columns="error").wf.failures()


# The step, by traces


def failed_run(run_id: str, **more: Any) -> pd.DataFrame:
    return runs(run(run_id, "failed", **more))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            [
                step("a", "charge", "failed", error="boom"),
                step("a", "Finalization", "failed", error="boom"),
            ],
            "charge",
            id="its error ended the function",
        ),
        pytest.param(
            [
                step("a", "charge", "failed", error="declined"),
                step("a", "apologise"),
                step("a", "Finalization", "failed", error="boom"),
            ],
            "Finalization",
            id="its error was caught, and the function had one of its own",
        ),
        pytest.param(
            [
                step("a", "charge", "failed", error="boom", queued=0),
                step("a", "ship", "failed", error="late", queued=5),
                step("a", "Finalization", "failed", error="boom", queued=9),
            ],
            "charge",
            id="the later one was caught",
        ),
        pytest.param([step("a", "charge", "failed", error="boom")], "charge", id="no more is told"),
        pytest.param([step("b", "charge", "failed", error="boom")], None, id="of another run"),
        pytest.param(
            [step("a", "charge", "failed"), step("a", "Finalization", "failed")],
            "charge",
            id="no errors are told",
        ),
    ],
)
def test_the_step_is_the_one_with_whose_error_the_run_ended(
    told: list[Any], expected: str | None
) -> None:
    groups = failed_run("a", error="boom").wf.failures(traces=steps(*told))
    assert where(groups) == [("pay", expected, "boom", 1)]


def test_traces_tell_the_errors_where_outputs_were_not_read() -> None:
    rows = failed_run("a").drop(columns="error")
    traces = steps(step("a", "Finalization", "failed", error="boom"))
    assert where(rows.wf.failures(traces=traces)) == [("pay", "Finalization", "boom", 1)]


# Steps


def test_steps_that_failed_are_grouped_also_where_their_error_was_caught() -> None:
    rows = steps(
        step("a", "charge", "failed", error="declined 17"),
        step("a", "Finalization"),
        step("b", "charge", "failed", error="declined 18"),
        step("b", "Finalization", "failed", error="declined 18"),
        step("c", "Finalization", "failed", error="boom"),
        step("d", "Finalization"),
    )
    groups = rows.wf.failures()
    assert where(groups) == [
        (None, "charge", "declined …", 2),
        (None, "Finalization", "boom", 1),
    ]
    assert list(groups["share"]) == [2 / 4, 1 / 4]
    known = rows.wf.failures(runs=runs(*(run(name) for name in "abcdefgh")))
    assert list(known["function"]) == ["pay", "pay"]
    assert list(known["share"]) == [2 / 8, 1 / 8]


def test_a_step_that_waits_for_its_next_attempt_has_not_failed_yet() -> None:
    rows = steps(step("a", "charge", "failed", error="boom"))
    assert rows.wf.failures().empty
    assert rows.wf.failures(runs=runs(run("a", "running"))).empty
    assert len(rows.wf.failures(runs=runs(run("a", "canceled")))) == 1


def test_a_step_that_failed_twice_in_a_run_counts_once() -> None:
    twice = [step("a", "charge", "failed", error=f"declined {n}") for n in range(2)]
    groups = steps(*twice, step("a", "Finalization")).wf.failures()
    assert where(groups) == [(None, "charge", "declined …", 1)]
    assert list(groups["share"]) == [1]


# Whatever the frame


def test_an_empty_frame_has_the_same_columns() -> None:
    for none in (
        runs().wf.failures(),
        runs().wf.failures(traces=steps()),
        runs(run("a")).wf.failures(),
        steps().wf.failures(),
        steps().wf.failures(runs=runs()),
    ):
        assert (len(none), dtypes(none)) == (0, GROUPS)


def test_a_frame_from_a_file_gives_the_same(tmp_path: Path) -> None:
    traces = steps(
        step("a", "charge", "failed", error="timeout after 30 s"),
        step("a", "Finalization", "failed", error="timeout after 30 s"),
    )
    read = []
    for name, frame in (("runs", runs(*MANY)), ("steps", traces)):
        frame.to_csv(tmp_path / name, index=False)
        read.append(pd.read_csv(tmp_path / name))
    pd.testing.assert_frame_equal(
        read[0].wf.failures(traces=read[1]), runs(*MANY).wf.failures(traces=traces)
    )


def test_what_names_runs_may_be_the_index_and_indices_may_repeat() -> None:
    rows = runs(*MANY)
    for same in (rows.set_index("run_id"), rows.set_index(["app", "function"])):
        pd.testing.assert_frame_equal(same.wf.failures(), rows.wf.failures())
    assert len(pd.concat([rows, rows]).wf.failures()) == 3


@pytest.mark.parametrize("text", [*HOSTILE_STRINGS, "nul\0 back\u202ewards"])
def test_hostile_text_is_only_text(text: str) -> None:
    rows = runs(run("a", "failed", function=text, error=text))
    groups = rows.wf.failures(traces=steps(step("a", text, "failed", error=text)))
    assert groups.loc[0, ["function", "step"]].tolist() == [text, text]
    assert not {"\0", "\u202e"} & set(groups.loc[0, "error"])


def test_the_frame_stays_as_it_was_and_the_answer_knows_where_it_came_from() -> None:
    rows = runs(*MANY)
    rows.attrs["fetched_at"] = "2026-11-23T00:01:00+00:00"
    before = rows.copy()
    assert rows.wf.failures().attrs == rows.attrs
    pd.testing.assert_frame_equal(rows, before)


@pytest.mark.parametrize(
    ("frame", "given", "message"),
    [
        (runs(), {"runs": runs()}, "use traces="),
        (steps(), {"traces": steps()}, "use runs="),
        (runs(), {"traces": "a"}, "traces must be a frame of steps, .* got str"),
        (steps(), {"runs": "a"}, "runs must be a frame of runs, .* got str"),
    ],
)
def test_what_tells_of_the_other_kind_must_be_its_frame(
    frame: pd.DataFrame, given: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        frame.wf.failures(**given)


def test_workflows_and_events_have_errors_only() -> None:
    for make in (inb.frame, inb.activity_frame, inb.history_frame):
        with pytest.raises(AttributeError, match=r"failures\(\) needs .*errors\(\) works here"):
            make([]).wf.failures()


def test_a_column_that_was_left_out_is_named() -> None:
    with pytest.raises(AttributeError, match="left out: function"):
        runs().drop(columns="function").wf.failures()
    with pytest.raises(AttributeError, match="left out: kind"):
        runs().wf.failures(traces=steps().drop(columns="kind"))
