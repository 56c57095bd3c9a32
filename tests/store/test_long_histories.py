"""A workflow that has grown longer than one request may be can be edited all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from appended_parts import done, event

from inngest_nb import InngestStore, StateServer, WorkflowState, Write, wire
from inngest_nb.errors import StoreConflictError, StoreStatusError
from inngest_nb.store.writes import MAX_BODY_BYTES

X = WorkflowState(workflow_id="x", status="running", input={"order": 1})  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[InngestStore]:
    """A store with a workflow whose history has more bytes than a request."""
    with StateServer(tmp_path / "s.db", port=0) as server, InngestStore(server.url) as store:
        store.save(X)
        for number in range(1, 6):
            long = event(number).replace(result="x" * 3_700_000)
            done(store, Write("x", wire.encode_part([long]), False))
        yield store


def loaded(store: InngestStore) -> WorkflowState:
    state = store.load("x")
    assert state is not None
    assert len(wire.encode(state)) > MAX_BODY_BYTES
    return state


def test_it_is_saved_by_what_was_edited(store: InngestStore) -> None:
    before = loaded(store)
    edited = before.replace(
        status="failed", error="by hand", input=None, history=(*before.history, event(6))
    )
    store.save(edited)
    assert loaded(store) == edited
    assert store.list() == [edited]
    assert [state.status for state in store.fetch(status="failed")] == ["failed"]
    store.save(loaded(store))  # nothing was edited
    assert loaded(store) == edited

    with pytest.raises(StoreConflictError, match="since this state was loaded"):
        store.save(before.replace(error="too late"))
    assert loaded(store) == edited


def test_what_only_a_whole_save_could_do_is_refused_and_changes_nothing(
    store: InngestStore,
) -> None:
    before = loaded(store)
    for history in (before.history[1:], (event(9), *before.history)):
        with pytest.raises(StoreStatusError, match="413"):
            store.save(before.replace(history=history, input="x" * 5_000_000))
    assert loaded(store) == before
