"""The numbers of an overview are those that a loop over the states counts."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from overview_driver import NOW, Shown, frame, state

import inngest_nb as inb
from inngest_nb import WorkflowState
from inngest_nb.history import OPEN, times_of, workflow_of

# Around the edges of both spans, before them, and a little ahead of the present.
TIMES = st.one_of(
    st.none(),
    st.integers(-50 * 60, 5).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    st.sampled_from([NOW - timedelta(hours=24), NOW - timedelta(hours=48), NOW]),
)
STATES = st.lists(
    st.builds(
        lambda name, number, status, began, ended, error: state(
            f"{name}-{number}",
            status,
            began=began,
            ended=max(began, ended) if began and ended else ended,
            error=error if status == "failed" else "",
        ),
        st.sampled_from(["order", "import", "mail"]),
        st.integers(0, 10_000),
        st.sampled_from(["completed", "failed", "failed", "running", "canceled", "lost", ""]),
        TIMES,
        TIMES,
        st.sampled_from(["no money", "row 7 is wrong", "row 8 is wrong", ""]),
    ),
    max_size=30,
    unique_by=lambda each: each.workflow_id,
)
SINCE, BEFORE = NOW - timedelta(hours=24), NOW - timedelta(hours=48)


def ended(one: WorkflowState) -> datetime | None:
    """When a workflow ended, as far as anything tells."""
    return times_of(one).ended


def number(text: str) -> int:
    found = re.match(r"[\d,]+", text)
    assert found is not None
    return int(found[0].replace(",", ""))


def in_span(time: datetime | None) -> bool:
    return time is not None and time >= SINCE


def in_span_before(time: datetime | None) -> bool:
    return time is not None and BEFORE <= time < SINCE


@settings(max_examples=40)
@given(STATES)
def test_an_overview_counts_what_a_loop_over_the_states_does(states: list[WorkflowState]) -> None:
    seen = Shown(inb.overview(frame(states)))
    check_counts(states, seen)
    check_tables(states, seen)
    check_bars(states, seen)


def check_counts(states: list[WorkflowState], seen: Shown) -> None:
    over = [one for one in states if in_span(ended(one))]
    failed = [one for one in over if one.status == "failed"]
    assert {label: number(said) for label, said in seen.counts.items()} == {
        "Started": sum(in_span(one.created_at) for one in states),
        "Ended": len(over),
        "Failed": len(failed),
        "Still open": sum(one.status in OPEN for one in states),
    }
    failed_before = [one for one in states if one.status == "failed" and in_span_before(ended(one))]
    if failed and len(failed) != len(failed_before):
        few = f"{len(failed_before) or 'none'} before"
        assert few in seen.counts["Failed"] or len(failed_before) >= 10


def check_tables(states: list[WorkflowState], seen: Shown) -> None:
    over = [one for one in states if in_span(ended(one))]
    names = Counter(workflow_of(one) for one in over)
    failed = Counter(workflow_of(one) for one in over if one.status == "failed")
    told = seen.tables.get("Workflows", [])
    assert {row["Workflow"]: int(row["Ended"]) for row in told} == names
    assert {row["Workflow"]: int(row["Failed"] or 0) for row in told} == {
        name: failed[name] for name in names
    }
    groups = seen.tables.get("Failures", [])
    counts = [int(row["Failed"]) for row in groups]
    assert counts == sorted(counts, reverse=True)
    rest = re.search(r"with (\d+) failures?", seen.text)
    assert sum(counts) + (int(rest[1]) if rest else 0) == failed.total()


def check_bars(states: list[WorkflowState], seen: Shown) -> None:
    said = [re.findall(r"([\d,]+) (started|failed|completed|canceled)", tip) for tip in seen.tips()]
    drawn: Counter[str] = Counter()
    for count, what in (pair for pairs in said for pair in pairs):
        drawn[what] += int(count)
    began = Counter(str(one.status) for one in states if in_span(one.created_at))
    assert drawn["started"] == began.total()
    assert [drawn[word] for word in ("failed", "completed", "canceled")] == [
        began[word] for word in ("failed", "completed", "canceled")
    ]
    for heights in seen.bars().values():
        assert min(heights) >= 2
