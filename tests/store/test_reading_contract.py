"""What every store that can list promises to its readers, also one that can only be read."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from inngest_nb import RunStore, WorkflowState
from inngest_nb.store import Head

NEVER = datetime.min.replace(tzinfo=UTC)


def ids(listed: Any) -> list[str]:
    return [one.workflow_id for one in listed]


def without_payloads(state: WorkflowState) -> Any:
    """What is the same of a run everywhere; lists of a real Inngest round large numbers."""
    times = state.created_at, state.updated_at
    kinds = [(event.type, event.timestamp, event.activity_name) for event in state.history]
    return state.workflow_id, state.run_id, str(state.status), state.error, times, kinds


def test_there_are_many_with_several_statuses(filled_store: Any) -> None:
    counts = Counter(str(state.status) for state in filled_store.list())
    assert counts.total() >= 40
    assert counts["completed"] > counts["failed"] > 1 < counts["running"]


def test_a_workflow_is_loaded_as_it_was_listed(filled_store: Any) -> None:
    for listed in filled_store.fetch():
        loaded = filled_store.load(listed.workflow_id)
        assert without_payloads(loaded) == without_payloads(listed)
        assert loaded.input == listed.input


def test_an_id_that_nobody_has_is_none(filled_store: Any) -> None:
    for unknown in ("nobody", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "a/b?c=d#e", "Grüße", "x" * 4096):
        assert filled_store.load(unknown) is None
    for listed in ids(filled_store.list())[:3]:
        assert filled_store.load(listed.swapcase()) is None
        assert filled_store.load(f" {listed}") is None


def test_an_id_that_cannot_travel_is_refused(filled_store: Any) -> None:
    for workflow_id in ("", ".", "..", "x" * 4097, "\ud800"):
        with pytest.raises(ValueError, match="workflow id"):
            filled_store.load(workflow_id)


def test_lists_are_newest_first_then_by_id(filled_store: Any) -> None:
    listed = filled_store.list()
    ordered = sorted(listed, key=lambda state: state.workflow_id)
    ordered.sort(key=lambda state: state.updated_at or NEVER, reverse=True)
    assert ids(listed) == ids(ordered) == ids(filled_store.fetch())
    assert len(set(ids(listed))) == len(listed)


@pytest.mark.parametrize("status", [None, "completed", "failed", "running", "no such status"])
def test_lists_are_narrowed_by_status_and_limit(filled_store: Any, status: str | None) -> None:
    everything = filled_store.fetch()
    wanted = [state for state in everything if status in (None, state.status)]
    for limit in (0, 1, 2, 3, 7, 100):
        expected = ids(wanted[: limit or None])
        assert ids(filled_store.fetch(status, limit)) == expected
        assert ids(filled_store.list(status=status, limit=limit)) == expected
        assert ids(filled_store.heads(status, limit)) == expected
        assert filled_store.refresh(status, limit) == len(expected)
        filled_store.refresh()


def test_heads_say_what_the_states_say(filled_store: Any) -> None:
    states = [Head.of(each) for each in filled_store.fetch()]
    if isinstance(filled_store, RunStore):  # its heads are read without the traces
        traced = {
            "error": "",
            "events": 0,
            "activities": 0,
            "retries": 0,
            "step": "",
            "waiting_for": "",
        }
        states = [head._replace(**traced) for head in states]
        heads = [head._replace(**traced) for head in filled_store.heads()]
    else:
        heads = [head._replace(number=0) for head in filled_store.heads()]
    assert heads == states


def test_odd_filters_are_refused(filled_store: Any) -> None:
    for read in (filled_store.list, filled_store.fetch, filled_store.heads):
        with pytest.raises(ValueError, match="limit"):
            read(limit=-1)
        with pytest.raises(TypeError, match="status"):
            read(status=7)


def test_a_listed_state_does_not_change_with_what_the_caller_holds(filled_store: Any) -> None:
    (mine,) = filled_store.list(limit=1)
    mine.input["added"] = "later"
    assert "added" not in filled_store.list(limit=1)[0].input
    assert "added" not in filled_store.load(mine.workflow_id).input
