"""Events of equal ids: unknown keys go with the event they came with, or are dropped, never mixed."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from inngest_nb import HistoryEvent, WorkflowState, wire

WHEN = "2026-03-01T12:00:00.123456789Z"


def loaded(*events: dict[str, Any]) -> WorkflowState:
    return wire.decode(json.dumps({"WorkflowID": "x", "History": list(events)}).encode())


def event(name: str, mine: str | None, **more: Any) -> dict[str, Any]:
    return {"Type": "activity_completed", "ActivityName": name, "Mine": mine} | more


def unknown_keys(state: WorkflowState) -> list[Any]:
    history = json.loads(wire.encode(state))["History"]
    return [(one["ActivityName"], one.get("Mine")) for one in history]


@pytest.mark.parametrize("order", [*itertools.permutations(range(3)), (1,), (2, 0), (1, 2), (0, 1)])
def test_events_that_were_moved_or_removed_keep_their_own(order: tuple[int, ...]) -> None:
    state = loaded(event("a", "A"), event("b", "B"), event("c", "C"))
    kept = tuple(state.history[place] for place in order)
    assert unknown_keys(state.replace(history=kept)) == [("abc"[p], "ABC"[p]) for p in order]


def test_an_event_that_is_added_gets_nobodys() -> None:
    state = loaded(event("a", "A"), event("b", "B"))
    first, second = state.history
    added = HistoryEvent(type=first.type, activity_name="new")
    for history in ((added, first, second), (first, added, second), (first, second, added)):
        written = dict(unknown_keys(state.replace(history=history)))
        assert written == {"a": "A", "b": "B", "new": None}
    assert unknown_keys(state.replace(history=(first, added))) == [("a", "A"), ("new", None)]


def test_an_event_that_was_edited_in_its_place_keeps_its_own() -> None:
    state = loaded(event("a", "A", Timestamp=WHEN), event("a", "B", Timestamp=WHEN, Error="old"))
    first, second = state.history
    edited = state.replace(history=(first, second.replace(error="new")))
    assert unknown_keys(edited) == [("a", "A"), ("a", "B")]
    assert wire.encode(edited).count(WHEN.encode()) == 2  # to the nanosecond
    moved = state.replace(history=(second, first.replace(error="new")))
    assert unknown_keys(moved) == [("a", "B"), ("a", None)]


def test_events_that_say_the_same_stay_apart_only_while_all_are_there() -> None:
    state = loaded(event("a", "A"), event("a", "B"), event("b", "C"))
    one, other, last = state.history
    added = HistoryEvent(id=7, activity_name="new")
    assert unknown_keys(state.replace(history=(one, other, last, added))) == [
        ("a", "A"),
        ("a", "B"),
        ("b", "C"),
        ("new", None),
    ]
    assert unknown_keys(state.replace(history=(other, last))) == [("a", None), ("b", "C")]


def test_events_of_which_nothing_differs_keep_what_they_share() -> None:
    state = loaded(event("a", "A"), event("a", "A"))
    assert unknown_keys(state.replace(history=state.history[:1])) == [("a", "A")]
    assert unknown_keys(state.replace(history=state.history[:1] * 3)) == [("a", "A")] * 3


def test_an_edited_event_with_an_id_of_its_own_keeps_its_own_wherever_it_is() -> None:
    state = loaded(event("a", "A", ID=1), event("b", "B", ID=2))
    first, second = state.history
    assert unknown_keys(state.replace(history=(second.replace(activity_name="c"), first))) == [
        ("c", "B"),
        ("a", "A"),
    ]


def test_a_long_history_without_ids_is_written_in_a_moment() -> None:
    state = loaded(*(event(str(number), str(number)) for number in range(20_000)))
    written = unknown_keys(state.replace(history=state.history[1:]))
    assert written == [(str(number), str(number)) for number in range(1, 20_000)]
