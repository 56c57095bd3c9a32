"""Searches for activities and events: whose they are, in the order of listings, however stored."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inngest_nb import EventType, HistoryEvent, WorkflowState
from inngest_nb.history import ActivityRow, EventRow, activities_of
from inngest_nb.query import Search
from inngest_nb.store import ACTIVITIES, EVENTS, Head, newest_first
from inngest_nb.store.heads import LONGEST_KEPT, sort_newest_first
from inngest_nb.store.tables import _sqlite

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHOSE = Head._fields[: Head._fields.index("flaw") + 1]


def state_of(number: int) -> WorkflowState:
    """One in seven has more events than a store keeps twice; one in five was saved with others."""
    calls = 60 if number % 7 == 0 else number % 4
    events = [
        HistoryEvent(
            id=place + 1,
            type=kind,
            timestamp=NOON + timedelta(seconds=place),
            activity_name=f"activity {place // 2} {'of a long run' * (calls == 60)}",
        )
        for place, kind in enumerate(
            [EventType.ACTIVITY_STARTED, EventType.ACTIVITY_COMPLETED] * calls
        )
    ]
    return WorkflowState(
        workflow_id=f"{'order' if number % 2 else 'refund'}-{number:03}",
        run_id=f"run-{number}",
        status="failed" if number % 3 == 0 else "completed",  # type: ignore[arg-type]
        error="no stock" if number % 3 == 0 else "",
        updated_at=NOON + timedelta(minutes=number - number % 5),
        history=events,
    )


@pytest.fixture
def filled(listing_store: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a store of which a file keeps most heads, but not those of the last changes."""
    monkeypatch.setattr(_sqlite, "_WORTH_KEEPING", 10)
    numbers = [*range(40)]
    random.Random(4).shuffle(numbers)
    for number in numbers:
        listing_store.save(state_of(number))
    assert len(listing_store.heads()) == 40
    for number in (3, 7, 41):
        listing_store.save(state_of(number))
    return listing_store


SEARCHES: list[dict[str, Any]] = [
    {},
    {"limit": 7},
    {"status": "failed", "prefix": "order"},
    {"since": NOON + timedelta(minutes=20), "limit": 9},
    {"by": "created", "since": NOON, "sort": "-updated_at"},
    {"workflow": "refund", "sort": "workflow_id"},
    {"error": "stock", "limit": 5},
    {"text": "refund"},
    {"where": "events > 5"},
    {"where": "input is missing", "sort": "-retries"},
]


@pytest.mark.parametrize("asked", SEARCHES, ids=str)
def test_activities_and_events_are_those_of_the_workflows_found(
    filled: Any, asked: dict[str, Any]
) -> None:
    search = Search.of(now=datetime.now(UTC), **asked)
    plain, found = filled.find(search), filled.find(search, (ACTIVITIES, EVENTS))

    assert len(plain.heads) > 1
    assert found.total == plain.total
    assert [whose(head) for head in found.heads] == [whose(head) for head in plain.heads]
    for head, activities, events in zip(found.heads, *found.fields, strict=True):
        state = state_of(int(head.workflow_id[-3:]))
        rows = [ActivityRow.of(each) for each in activities_of(state.history)]
        assert msgspec.json.decode(activities, type=list[ActivityRow]) == rows
        assert msgspec.json.decode(events, type=list[EventRow]) == [
            EventRow.of(event) for event in state.history
        ]


def whose(head: Head) -> list[Any]:
    return [getattr(head, name) for name in WHOSE if name != "number"]


def test_some_are_longer_than_what_is_kept_twice() -> None:
    events = [EventRow.of(event) for event in state_of(0).history]
    assert len(msgspec.json.encode(events)) > LONGEST_KEPT


@given(st.lists(st.tuples(st.integers(0, 5), st.text("ab", max_size=3))))
def test_heads_are_sorted_as_their_key_says(given_: list[tuple[int, str]]) -> None:
    heads = [Head(0, key, updated_us=us) for us, key in given_]
    expected = sorted(heads, key=newest_first)
    sort_newest_first(heads)
    assert heads == expected
