"""`df.wf`: summary, running, failed, errors and durations of a frame."""

import copy
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from form_driver import Reading
from frame_states import NOON, after, go_states, history, state
from hostile_strings import HOSTILE_STRINGS
from hypothesis import given
from hypothesis import strategies as st

import inngest_nb as inb
from inngest_nb import samples

NOW = after(0)


def took(name: str, seconds: float, status: str = "completed", **more: object) -> inb.WorkflowState:
    return state(name, status, created_at=NOON, updated_at=after(seconds), **more)


def failures(*errors: str) -> pd.DataFrame:
    states = [
        took(f"order-{place}", place, "failed", error=error) for place, error in enumerate(errors)
    ]
    return inb.frame(reversed(states)).wf.errors()


FRAMES = [inb.frame, inb.activity_frame, inb.history_frame]


# On which frames


@pytest.mark.parametrize("make", FRAMES)
def test_it_is_there_on_each_of_the_frames(make: object) -> None:
    assert "summary()" in repr(make(go_states()).wf)


def test_it_is_not_there_where_the_columns_are_not() -> None:
    with pytest.raises(AttributeError, match="columns status, outcome, type"):
        _ = pd.DataFrame({"run_id": ["r"]}).wf
    assert not hasattr(pd.DataFrame(), "wf")


def test_a_missing_column_is_named_by_the_method_that_needs_it() -> None:
    with pytest.raises(AttributeError, match="left out: error"):
        inb.frame(go_states()).drop(columns="error").wf.errors()


@pytest.mark.parametrize("make", FRAMES)
def test_no_question_changes_the_frame(make: object) -> None:
    frame = make(samples.states(60, now=NOW), **({"payloads": True} if make != FRAMES[1] else {}))
    frame.attrs["nested"] = ["as it was"]
    before, attrs = copy.deepcopy(frame), copy.deepcopy(frame.attrs)
    for answer in (frame.wf.summary(), frame.wf.errors(), frame.wf.durations()):
        answer.iloc[:, 0] = answer.iloc[0, 0]
        answer.attrs["nested"].append("overwritten")
    if make != inb.history_frame:
        answer = frame.wf.running(0)
        answer["run_id"] = "overwritten"
        answer.attrs["source"] = "overwritten"
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == attrs


@pytest.mark.parametrize("make", FRAMES)
def test_answers_have_the_same_dtypes_for_an_empty_frame(make: object) -> None:
    full, empty = make(samples.states(300, now=NOW)), make([])
    for ask in ("summary", "errors", "durations"):
        some, none = getattr(full.wf, ask)(), getattr(empty.wf, ask)()
        assert list(none.dtypes.astype(str)) == list(some.dtypes.astype(str))
        assert list(none.columns) == list(some.columns)
        assert len(some) > 0
    assert len(empty.wf.errors()) == 0


def test_answers_remember_where_the_rows_came_from() -> None:
    frame = inb.frame(go_states())
    for answer in (frame.wf.summary(), frame.wf.errors(), frame.wf.durations(), frame.wf.running()):
        assert answer.attrs["fetched_at"] == frame.attrs["fetched_at"]


# summary


def test_a_summary_counts_every_status_and_shows_zeros() -> None:
    frame = inb.frame([took("a", 1), took("b", 3), took("c", 9, "failed"), took("d", 1, "paused")])
    summary = frame.wf.summary()
    assert summary["count"].to_dict() == {
        "running": 0,
        "completed": 2,
        "failed": 1,
        "canceled": 0,
        "paused": 1,
    }
    assert summary["share"].tolist() == [0, 0.5, 0.25, 0, 0.25]
    assert summary.loc["completed", ["p50", "p90", "max"]].tolist() == [
        timedelta(seconds=2),
        timedelta(seconds=2.8),
        timedelta(seconds=3),
    ]
    assert summary.loc["running", ["p50", "p90", "max"]].isna().all()


def test_rows_without_a_status_are_counted_too() -> None:
    summary = inb.frame(go_states()).wf.summary()
    assert summary["count"].tolist() == [21, 6, 5, 6, 1]
    assert pd.isna(summary.index[-1])


def test_a_summary_understands_a_column_that_became_text() -> None:
    one, other = inb.frame(took("a", 1)), inb.frame(took("b", 1, "paused"))
    joined = pd.concat([one, other])
    assert joined["status"].dtype != "category"
    assert joined.wf.summary()["count"].tolist() == [0, 1, 0, 0, 1]


def test_a_summary_of_activities_counts_outcomes_and_of_events_types() -> None:
    states = go_states()
    outcomes = inb.activity_frame(states).wf.summary()["count"]
    assert (outcomes["completed"], outcomes["abandoned"]) == (43, 10)
    types = inb.history_frame(states).wf.summary()
    assert types.loc["timer_fired", "count"] == 22
    assert types.loc["timer_fired", "p50"] == timedelta(seconds=1.5)
    assert len(types) == 10


# running


def running_since(*seconds: float | None) -> pd.DataFrame:
    """Give a frame of runs that began so many seconds before it was made."""
    frame = inb.frame([state(str(place), "running") for place, _ in enumerate(seconds)])
    return frame.assign(duration=pd.array(pd.to_timedelta(seconds, unit="s").as_unit("us")))


def test_running_gives_the_longest_first() -> None:
    frame = pd.concat([running_since(5, None, 7200), inb.frame(took("done", 9))])
    assert list(frame.wf.running()["workflow_id"]) == ["2", "0", "1"]


@pytest.mark.parametrize(
    "longer_than",
    [
        timedelta(hours=2),
        "2h",
        "2 hours",
        "7200",
        7200,
        7200.0,
        np.float64(7200),
        np.timedelta64(2, "h"),
        pd.Timedelta("2h"),
    ],
)
def test_longer_than_is_a_timedelta_or_text_or_seconds(longer_than: object) -> None:
    frame = running_since(7199, 7200, 7201, None)
    assert list(frame.wf.running(longer_than)["workflow_id"]) == ["2"]
    assert list(frame.wf.running(longer_than=longer_than)["workflow_id"]) == ["2"]


@pytest.mark.parametrize("longer_than", ["soon", "", [], object(), float("inf"), float("nan")])
def test_a_bad_duration_is_refused_with_examples(longer_than: object) -> None:
    with pytest.raises(ValueError, match="timedelta or text such as '2h'"):
        running_since(1).wf.running(longer_than)


def test_running_activities_are_found_and_events_do_not_run() -> None:
    workflow = state(status="running", history=history(("activity_started", "charge", 0)))
    assert list(inb.activity_frame(workflow).wf.running("1 day")["activity"]) == ["charge"]
    with pytest.raises(AttributeError, match="needs frame"):
        inb.history_frame(workflow).wf.running()


# errors


@pytest.mark.parametrize(
    ("errors", "group"),
    [
        (["timeout after 30 s", "timeout after 30 s"], "timeout after 30 s"),
        (["timeout after 30 s", "timeout after 45 s"], "timeout after … s"),
        (["timeout after 30s", "timeout after 1.5s"], "timeout after …"),
        (["HTTP 503 from 'a-1'", "HTTP 503 from 'b'"], "HTTP 503 from …"),
        (["HTTP 503 from 'a'", "HTTP 500 from 'a'"], "HTTP … from 'a'"),
        (["no order-000123", "no order-000124"], "no …"),
        (['bad "x y" in row 3', 'bad "" in row 4'], "bad … in row …"),
        (["at 10.0.0.1:80", "at 10.0.0.2:8080"], "at …"),
        (
            [
                "lock 6f1c2ab0-9d3e-4c55-8a10-0123456789ab",
                "lock abcdefab-cdef-4bcd-8efa-bcdefabcdefa",
            ],
            "lock …",
        ),
        (["since 2025-07-14T09:08:07Z", "since 2025-07-14T09:08:07.25+02:00"], "since …"),
        (["can't read user's row 1", "can't read user's row 2"], "can't read user's row …"),
        (["no mail to ann@shop.example", "no mail to bob@mail.example"], "no mail to …"),
        (["GET https://a.example/x: 500", "GET http://b.example:80: 500"], "GET …: 500"),
        (["at 2001:db8::1", "at fe80::7a:1"], "at …"),
        (["<Cart at 0x7f3a>", "<Cart at 0x7f3b>"], "<Cart at …>"),
    ],
)
def test_errors_that_differ_in_numbers_ids_and_quotes_are_one_group(
    errors: list[str], group: str
) -> None:
    found = failures(*errors)
    assert found["error"].tolist() == [group]
    assert found["count"].tolist() == [2]


@pytest.mark.parametrize(
    "errors",
    [
        ["card declined", "card expired"],
        ["card declined", "card declined "],
        ["timeout", "timeout after 30 s"],
        ["row 1 of a", "row 1 of b"],
        ["can't open a's file", "can't open b's file"],
        ["can't open the users' file", "can't move the users' file"],
        ["GET https://a.example/x failed", "PUT https://a.example/x failed"],
    ],
)
def test_errors_that_differ_in_words_are_two_groups(errors: list[str]) -> None:
    assert sorted(failures(*errors)["error"]) == sorted(errors)


def test_a_group_tells_how_many_when_and_an_example() -> None:
    found = failures("card declined", "timeout after 1 s", "timeout after 2 s", "timeout after 3 s")
    assert found.to_dict("records") == [
        {
            "error": "timeout after … s",
            "count": 3,
            "share": 0.75,
            "first_seen": after(1),
            "last_seen": after(3),
            "example": "order-3",
        },
        {
            "error": "card declined",
            "count": 1,
            "share": 0.25,
            "first_seen": after(0),
            "last_seen": after(0),
            "example": "order-0",
        },
    ]


def test_failures_without_an_error_are_a_group_too() -> None:
    found = failures("", "", "card declined")
    assert found["count"].tolist() == [2, 1]
    assert pd.isna(found.loc[0, "error"])
    assert found.loc[0, "example"] == "order-1"


def test_only_failures_are_counted() -> None:
    states = [took("a", 1, "canceled", error="stopped"), took("b", 1, error="odd"), took("c", 1)]
    assert inb.frame(states).wf.errors().empty


def test_activities_and_events_that_failed_are_grouped_too() -> None:
    events = history(
        ("activity_started", "charge", 0),
        ("activity_failed", "charge", 1, {"error": "card declined 1"}),
        ("activity_started", "charge", 2),
        ("activity_failed", "charge", 3, {"error": "card declined 2"}),
        ("workflow_failed", "", 4, {"error": "card declined 2"}),
    )
    workflow = state(status="failed", history=events)
    assert inb.activity_frame(workflow).wf.errors()["error"].tolist() == ["card declined 2"]
    assert inb.history_frame(workflow).wf.errors()["count"].tolist() == [3]


@given(st.lists(st.text("a1 '\"`…:-\n\0", max_size=12), max_size=6))
def test_no_failure_is_lost_whatever_its_text(errors: list[str]) -> None:
    found = failures(*errors)
    assert found["count"].sum() == len(errors)
    assert found["share"].sum() == pytest.approx(1 if errors else 0)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 500_000,
        "'" * 500_000,
        "' a" * 200_000,
        "1." * 300_000,
        "a@" * 200_000,
        "a://!" * 100_000,
    ],
)
def test_long_errors_take_no_time_to_group(text: str) -> None:
    started = pd.Timestamp.now("UTC")
    assert failures(text, text + "!")["count"].sum() == 2
    assert pd.Timestamp.now("UTC") - started < timedelta(seconds=10)


# durations


def test_durations_are_percentiles_by_status() -> None:
    frame = inb.frame([took(str(n), n) for n in range(101)])
    row = frame.wf.durations().loc["completed"]
    assert row["count"] == 101
    assert row.drop("count").to_dict() == {
        "min": timedelta(0),
        "p50": timedelta(seconds=50),
        "p90": timedelta(seconds=90),
        "p95": timedelta(seconds=95),
        "p99": timedelta(seconds=99),
        "max": timedelta(seconds=100),
    }


def test_unknown_durations_are_not_counted() -> None:
    frame = inb.frame([took("a", 1), state("b")])
    assert frame.wf.durations().loc["completed", "count"] == 1


def test_durations_of_activities_are_by_activity_and_of_those_that_ended() -> None:
    events = history(
        ("activity_started", "charge", 0),
        ("activity_completed", "charge", 2),
        ("activity_started", "ship", 3),
        ("activity_failed", "ship", 7),
        ("activity_started", "charge", 8),
    )
    found = inb.activity_frame(state(status="running", history=events)).wf.durations()
    assert found["count"].to_dict() == {"charge": 1, "ship": 1}
    assert found["max"].to_dict() == {"charge": timedelta(seconds=2), "ship": timedelta(seconds=4)}


def test_durations_of_thousands_of_years_are_no_problem() -> None:
    long = [took(str(n), 0).replace(created_at=NOON.replace(year=2)) for n in range(1000)]
    assert inb.frame(long).wf.durations().loc["completed", "p99"].days > 365 * 2000


# failed


def test_failed_gives_the_rows_the_last_failure_first() -> None:
    rows = inb.frame([took("a", 1, "failed"), took("b", 2), took("c", 3, "failed")])
    failed = rows.wf.failed()
    assert list(failed["workflow_id"]) == ["c", "a"]
    assert list(failed.columns) == list(rows.columns)
    assert failed.attrs == rows.attrs


# Only what is used is asked for


def test_only_the_columns_that_are_used_are_needed() -> None:
    rows = inb.frame([took("a", 1, "failed", error="x 1"), took("b", 2, "failed", error="x 2")])
    assert rows.set_index("run_id").wf.errors()["count"].tolist() == [2]
    indexed = rows.set_index("workflow_id").drop(columns="run_id")
    assert indexed.wf.errors()["example"].tolist() == ["b"]
    assert len(rows[["status", "updated_at"]].wf.failed()) == 2
    assert rows[["status", "duration"]].wf.summary()["count"].sum() == 2
    with pytest.raises(AttributeError, match="left out: duration"):
        rows[["status"]].wf.summary()


# The readable table


def test_the_readable_table_is_short_and_has_errors_last_and_whole() -> None:
    error = "card declined: " + "no funds, " * 30
    rows = inb.frame(
        [took("order-1", 62), took("order-2", 1, "failed", error=error), state("order-3", "queued")]
    )
    html = Reading(rows.wf._repr_html_())
    text = " ".join(html.text.split())
    assert "✓ completed order-1 Jul 14 12:00:00 1 min 2 s" in text
    assert "created_at (UTC, 2025)" in text
    assert error.strip() in text
    assert "3 workflows, as of 20" in text
    assert "NaN" not in text
    assert "NaT" not in text
    lines = repr(rows.wf).splitlines()
    assert lines[0].split()[0] == "status"
    assert lines[0].split()[-1] == "error"
    assert lines[1].startswith("✓ completed")
    assert lines[2].endswith(error.strip())


@pytest.mark.parametrize("make", FRAMES)
def test_a_readable_table_is_bounded_and_says_so(make: Callable[..., pd.DataFrame]) -> None:
    long = "<&\u202e\n" * 50_000
    events = history(*[("activity_failed", long, n, {"error": long}) for n in range(3)])
    states = [took(f"{n}{long}", 1, "failed", error=long, history=events) for n in range(50)]
    rows = make(states)
    assert len(rows.wf._repr_html_()) < 60_000
    assert len(repr(rows.wf)) < 30_000
    assert f"The first 20 of {len(rows):,} " in repr(rows.wf)
    assert "more characters" in repr(rows.wf)


@pytest.mark.parametrize("text", [*HOSTILE_STRINGS, "nul\0 esc\x1b[31m back\u202ewards"])
def test_hostile_text_in_a_readable_table_is_shown_and_does_nothing(text: str) -> None:
    rows = inb.frame(state(text, text, error=text, created_at=NOON)).rename(
        columns={"events": text}
    )
    html, plain = rows.wf._repr_html_(), repr(rows.wf)
    tags = {tag[0].lstrip("/") for tag in Reading(html).shape}
    assert tags == {"style", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    for shown in (html, plain):
        assert not {"\0", "\x1b", "\u202e"} & set(shown)
    assert rows.loc[0, "error"] == text  # the data stays as it is


def test_error_groups_show_what_cannot_be_seen() -> None:
    groups = failures("stop\u202e 1 \x1b[31m\nnext", "stop\u202e 2 \x1b[31m\nnext")
    assert groups["error"].tolist() == ["stop\\u202e … \\x1b[31m\nnext"]


def test_a_readable_table_says_what_its_frame_lacks() -> None:
    store = samples.fill(inb.MemoryStore(), 9)
    assert "older ones left out by limit=" in repr(inb.frame(store, limit=3).wf)
    assert repr(inb.frame([]).wf).startswith("0 workflows, as of ")
    assert inb.frame([]).wf._repr_html_()


# Wherever a frame comes from


@pytest.mark.parametrize(
    "imports",
    ["import pandas", "import pandas.api", "import inngest_nb.frames, pandas"],
)
def test_df_wf_is_there_in_a_fresh_process(imports: str, tmp_path: Path) -> None:
    inb.frame(samples.states(20, now=NOW)).to_pickle(tmp_path / "rows.pkl")
    script = f"""
import sys
import importlib.util
import inngest_nb
early = "pandas" in sys.modules
importlib.util.find_spec("pandas")  # which imports nothing
{imports}
rows = pandas.read_pickle({str(tmp_path / "rows.pkl")!r})
print(early, rows.wf.summary()["count"].sum(), pandas.DataFrame.wf is not None)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script.removeprefix("\n")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False 20 True\n"
