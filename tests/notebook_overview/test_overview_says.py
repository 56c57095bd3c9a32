"""What an overview says of a store: what is wrong, where and since when, or that all is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from overview_driver import NOW, Shown, ago, frame, state, step

import inngest_nb as inb
from inngest_nb import WorkflowState


def shown(*states: WorkflowState, **given: Any) -> Shown:
    return Shown(inb.overview(frame(states), **given))


# Nothing, or nothing wrong


def test_of_an_empty_store_it_says_that_nothing_ran() -> None:
    seen = shown()
    assert seen.headline == "○ Nothing ran in the last 24 h"
    assert (seen.lines, seen.tables) == ([], {})
    assert seen.counts == {"Started": "0", "Ended": "0", "Failed": "0", "Still open": "0"}
    assert "<svg" not in seen.html


def test_when_nothing_is_wrong_it_says_so_plainly() -> None:
    seen = shown(*(state(f"order-{number}") for number in range(3)))
    well = "✓ All is well: nothing failed, nothing is stuck, nothing is waiting for a person"
    assert (seen.headline, seen.lines) == (well, [])
    assert seen.counts["Started"] == "3 ▲ none before"
    assert list(seen.tables) == ["Workflows"]
    assert well in seen.plain


def test_one_workflow_that_failed_is_told_with_its_error_and_its_time() -> None:
    seen = shown(state("order-17", "failed", error="no money"))
    assert seen.headline == "✕ 1 failed"
    assert seen.lines == [
        "✕ 1 failed: 100% of those that ended, none in the previous 24 h. "
        "It is order, “no money”, since 15:21"
    ]
    assert seen.tables["Failures"] == [
        {
            "Failed": "1",
            "Share": "100%",
            "Before": "none",
            "Workflow": "order",
            "Error": "no money",
            "When": "15:21",
        }
    ]


def test_a_failure_without_an_error_is_told_as_that() -> None:
    seen = shown(state("order-17", "failed"))
    assert seen.lines[0].endswith("It is order, no error text, since 15:21")
    assert seen.tables["Failures"][0]["Error"] == "no error text"


def test_all_failed() -> None:
    many = [state(f"order-{number}", "failed", error=f"no {number}") for number in range(20)]
    seen = shown(*many)
    assert seen.headline == "✕ 20 failed"
    assert "All of them: order, “no …”, since 15:21" in seen.lines[0]
    assert seen.bars().keys() == {"inb-bad"}


# What failed


def failed(count: int, name: str, hours: float, error: str = "boom") -> list[WorkflowState]:
    return [
        state(f"{name}-{hours:.0f}{number:03}", "failed", began=ago(hours=hours), error=error)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("now", "before", "said", "mark"),
    [
        (28, 25, "12% more than in the previous 24 h", "▲ 12%"),
        (22, 25, "12% fewer than in the previous 24 h", "▼ 12%"),
        (25, 25, "as many as in the previous 24 h", "as before"),
        (60, 25, "2.4 times as many as in the previous 24 h", "▲ 2.4\u00d7"),
        (400, 20, "20 times as many as in the previous 24 h", "▲ 20\u00d7"),
        (2, 1, "1 in the previous 24 h", "▲ 1 before"),
        (3, 0, "none in the previous 24 h", "▲ none before"),
    ],
)
def test_failures_are_compared_with_the_span_before(
    now: int, before: int, said: str, mark: str
) -> None:
    seen = shown(*failed(now, "order", 2), *failed(before, "order", 30))
    assert f"100% of those that ended, {said}." in seen.lines[0]
    assert seen.counts["Failed"] == f"{now:,} {mark}, 100% of those that ended"


def test_a_group_tells_how_often_it_was_seen_before_or_that_it_is_new() -> None:
    old = failed(3, "order", 2, "card 17 declined") + failed(12, "order", 30, "card 18 declined")
    seen = shown(*old, *failed(3, "import", 3, "row 1 is wrong"), *failed(1, "mail", 4, "full"))
    assert [(row["Workflow"], row["Before"]) for row in seen.tables["Failures"]] == [
        ("order", "12"),
        ("import", "none"),
        ("mail", "none"),
    ]
    assert (
        "3 of them: order, “card … declined”, last seen 14:21 (12 in the previous 24 h)"
        in seen.lines[0]
    )
    assert seen.lines[1] == (
        "✕ 2 groups of failures are new; the largest (3 times): import, “row 1 is wrong”, since 13:21"
    )


def test_more_groups_than_have_room_are_counted() -> None:
    many = [each for kind in "abcdefghij" for each in failed(2, "order", 2, f"error {kind * 3}")]
    seen = shown(*many)
    assert len(seen.tables["Failures"]) == 6
    assert "20 in 10 groups" in seen.text
    assert "… 4 more groups with 8 failures" in seen.text


# What is stuck, and what waits


def stuck(workflow_id: str, name: str, since: datetime) -> WorkflowState:
    return state(workflow_id, "running", began=since, ended=since, history=step(name, since))


def test_what_is_stuck_is_told_with_its_step_and_since_when() -> None:
    seen = shown(
        stuck("order-1", "charge_card", ago(hours=2)),
        stuck("order-2", "charge_card", ago(days=3)),
        stuck("import-1", "load", ago(hours=2)),
        stuck("import-2", "load", ago(minutes=59)),
    )
    assert seen.headline == "✕ 3 are stuck"
    assert seen.lines == [
        "✕ 3 are stuck: not updated for 1 h. 2 of them: order in charge_card, waiting for an "
        "activity (for 3 d, since Nov 26, 16:20)"
    ]
    assert seen.tables["Stuck"] == [
        {"Stuck": "2", "Workflow": "order", "In step": "charge_card", "Waits for": "activity",
         "Longest": "3 d, since Nov 26, 16:20"},
        {"Stuck": "1", "Workflow": "import", "In step": "load", "Waits for": "activity",
         "Longest": "2 h, since 14:20"},
    ]  # fmt: skip
    assert "Stuck 3 not updated for 1 h" in seen.text
    assert seen.counts["Still open"] == "4"


def test_how_long_without_an_update_is_stuck_can_be_told() -> None:
    one = stuck("order-1", "charge_card", ago(hours=2))
    for given in ("150min", 9_000, timedelta(hours=2.5)):
        assert shown(one, stuck_after=given).headline.startswith("✓ All is well")
    seen = shown(one, stuck_after="90min")
    assert "not updated for 1 h 30 min" in seen.lines[0]
    assert 'df.wf.stuck(longer_than="90min")' in seen.calls


def waiting(kind: str, signal: str, *since: datetime) -> pd.DataFrame:
    """Rows of runs that wait since then, with what they wait for."""
    states = [
        state(f"approval-{number}", "running", began=begin, ended=begin)
        for number, begin in enumerate(since)
    ]
    rows = frame(states)
    return rows.assign(waiting_for=kind, signal=signal or None)


def test_who_waits_for_a_person_is_told_and_is_not_stuck() -> None:
    rows = waiting("signal", "approve", ago(days=2), ago(minutes=5))
    seen = Shown(inb.overview(rows))
    assert seen.headline == (
        "✓ All is well: nothing failed, nothing is stuck, 2 are waiting for a person"
    )
    assert seen.lines == [
        "◔ 2 are waiting for a person; the longest: approval-0, for the signal approve, "
        "since Nov 27, 16:20"
    ]
    assert seen.tables["Waiting for a person"] == [
        {"Waiting": "2", "For the signal": "approve", "Workflow": "approval",
         "Longest": "2 d, since Nov 27, 16:20"}
    ]  # fmt: skip


def test_the_only_one_that_waits_for_a_person_is_told_as_one() -> None:
    seen = Shown(inb.overview(waiting("signal", "", ago(minutes=5))))
    assert seen.headline.endswith("nothing is stuck, 1 is waiting for a person")
    assert seen.lines == ["◔ 1 is waiting for a person: approval-0, for a signal, since 16:15"]


def test_who_sleeps_on_a_timer_is_counted_and_neither_stuck_nor_waiting() -> None:
    seen = Shown(inb.overview(waiting("timer", "", ago(days=2), ago(minutes=5))))
    assert seen.headline.startswith("✓ All is well")
    assert seen.counts["Still open"] == "2 2 waiting for a timer"
    assert not {"Stuck", "Waiting for a person"} & seen.tables.keys()


# What could not be read


def test_what_cannot_be_read_is_wrong_and_named() -> None:
    rows = frame([state("order-1")])
    rows.attrs["unreadable"] = {"order-2": "no JSON", "order-3": "no JSON"}
    seen = Shown(inb.overview(rows))
    assert seen.headline == "✕ 2 cannot be read"
    assert seen.lines[0].startswith("✕ 2 workflows are left out, because what is stored cannot be")
    assert "order-2 (no JSON), order-3 (no JSON)" in seen.lines[0]


def test_rows_that_could_not_be_read_count_as_that_and_as_nothing_else() -> None:
    rows = frame([state("order-1"), state("order-2")])
    rows["error_reading"] = pd.Series([None, "no JSON"], dtype="str")
    seen = Shown(inb.overview(rows))
    assert seen.headline == "✕ 1 cannot be read"
    assert seen.counts["Started"] == "1 ▲ none before"


# Times that are odd


def test_times_that_are_missing_or_ahead_are_told_and_spoil_nothing() -> None:
    ahead = NOW + timedelta(minutes=5)
    seen = shown(
        state("order-1", began=None, ended=None),
        state("order-2", began=None, ended=ago(hours=1)),
        state("order-3", began=ahead, ended=ahead),
        state("order-4", began=datetime(9999, 12, 31, tzinfo=UTC), ended=ago(hours=1)),
        state("order-5", "running", began=None, ended=None),
    )
    assert "2 workflows began in the future: a clock is wrong." in seen.text
    assert "1 workflow left out: neither the start nor the end is known." in seen.text
    assert seen.counts["Started"].startswith("2 ")
    assert seen.counts["Ended"].startswith("3 ")
    assert seen.counts["Still open"] == "1"
    assert seen.tips() == ["Nov 29, 16:00: 2 started: 2 completed"]


def test_an_unknown_status_and_a_last_update_are_no_end() -> None:
    seen = shown(state("order-1", "lost"), state("order-2", "lost", began=None, ended=ago(hours=1)))
    assert seen.counts["Started"].startswith("1 ")
    assert seen.counts["Ended"] == seen.counts["Still open"] == "0"
    assert seen.tips() == ["Nov 29, 15:00: 1 started: 1 with an unknown status"]
    assert "1 workflow left out: neither the start nor the end is known." in seen.text


def test_statuses_that_nobody_knows_are_counted() -> None:
    seen = shown(state("order-1", "terminated"), state("order-2", ""), state("order-3"))
    assert "2 workflows with an unknown status: 1 terminated, 1 not set." in seen.text


@pytest.mark.parametrize("since", ["24h", "1d", timedelta(days=1), ago(days=1)])
def test_a_span_is_told_in_any_way(since: Any) -> None:
    seen = shown(state("order-1"), state("order-2", began=ago(hours=30)), since=since)
    assert seen.counts["Started"] == "1 as before"
    assert "the last 24 h as of 2026-11-29 16:20:00 UTC" in seen.text


def test_a_longer_span_has_wider_bars_and_names_days() -> None:
    seen = shown(
        *(state(f"order-{day}", began=ago(days=day + 0.1)) for day in range(7)), since="7d"
    )
    assert "the last 7 d" in seen.text
    assert "Starts per 6 h, at most 1" in seen.text
    assert len(seen.tips()) == 7
    assert shown(state("order-1"), since="4000d").tips() == ["Oct 26: 1 started: 1 completed"]


# Wrong arguments


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"since": "yesterday"}, "since must be how long ago, such as '24h'"),
        ({"since": None}, "since must be how long ago, such as '24h', or a time, got None"),
        ({"since": datetime(2026, 1, 1)}, "no time zone"),
        ({"since": NOW + timedelta(hours=1)}, "since must be in the past"),
        ({"stuck_after": "long"}, "stuck_after must be seconds, a timedelta or text"),
        ({"stuck_after": -1}, "stuck_after must not be negative, got -1"),
    ],
)
def test_a_wrong_argument_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        inb.overview(frame([state("order-1")]), **given)


def test_what_is_no_source_is_refused() -> None:
    rows = frame([state("order-1")])
    with pytest.raises(ValueError, match="missing columns: error, step"):
        inb.overview(rows.drop(columns=["error", "step"]))
    with pytest.raises(TypeError, match="a frame is made from a store or from states, got int"):
        inb.overview(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"inb\.RunStore\(api\) makes a store of its runs"):
        inb.overview(inb.InngestAPI("http://127.0.0.1:1"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got a DataFrame, which does not change"):
        inb.overview(rows, live=True)
