"""A state that was loaded is saved over the version it came from, and over no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from small_servers import plain_server, reply, scripted_server
from small_workflows import waits_for_ever

from inngest_nb import (
    Executor,
    HistoryEvent,
    InngestStore,
    MemoryStore,
    Signal,
    SqliteStore,
    StateServer,
    WorkflowState,
    WorkflowStore,
    fork,
    wire,
)
from inngest_nb.errors import StoreConflictError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
X = WorkflowState(workflow_id="x", run_id="r", status="running", updated_at=NOON)  # type: ignore[arg-type]


def loaded(store: WorkflowStore, workflow_id: str = "x") -> WorkflowState:
    state = store.load(workflow_id)
    assert state is not None
    return state


def events(count: int) -> tuple[HistoryEvent, ...]:
    return tuple(
        HistoryEvent(id=n, type="signal_received", timestamp=NOON)  # type: ignore[arg-type]
        for n in range(1, count + 1)
    )


def test_a_loaded_state_is_not_saved_over_a_newer_version(listing_store: WorkflowStore) -> None:
    store = listing_store
    store.save(X)
    mine, theirs = loaded(store), loaded(store)
    store.save(
        theirs.replace(
            status="completed", history=events(3), updated_at=NOON + timedelta(minutes=2)
        )
    )

    with pytest.raises(StoreConflictError) as conflict:
        store.save(mine.replace(status="failed"))

    assert (conflict.value.operation, conflict.value.workflow_id) == ("save", "x")
    for words in (
        "'x' has changed in the store",
        "status running → completed",
        "0 → 3 events",
        "updated 2026-03-01 12:00:00.000+00:00 → 2026-03-01 12:02:00.000+00:00",
        "Load it again",
        "save(state, force=True)",
    ):
        assert words in str(conflict.value)
    assert loaded(store).status == "completed"
    store.save(loaded(store).replace(status="failed"))
    assert (loaded(store).status, len(loaded(store).history)) == ("failed", 3)


def test_fetched_and_listed_states_are_of_a_version_too(listing_store: WorkflowStore) -> None:
    store = listing_store
    store.save(X)
    store.refresh()
    (fetched,), (listed,) = store.fetch(), store.list()
    store.save(fetched.replace(error="first"))
    for state in (fetched, listed):
        with pytest.raises(StoreConflictError, match="different error"):
            store.save(state.replace(error="second"))
    (listed,) = store.list()
    store.save(listed.replace(error="third"))
    assert loaded(store).error == "third"


def test_force_saves_over_whatever_is_there(listing_store: WorkflowStore) -> None:
    store = listing_store
    store.save(X)
    mine = loaded(store)
    store.save(loaded(store).replace(result=1))
    store.save(mine.replace(result=2), force=True)
    assert loaded(store).result == 2
    store.delete("x")
    with pytest.raises(StoreConflictError, match=r"deleted.*force=True"):
        store.save(mine)
    store.save(mine, force=True)
    assert loaded(store) == mine


def test_a_state_that_was_not_loaded_is_saved_over_whatever_is_there(store: WorkflowStore) -> None:
    for status in ("running", "failed", "completed"):
        store.save(X.replace(status=status))
        assert loaded(store).status == status


def test_saving_the_same_again_is_harmless(listing_store: WorkflowStore) -> None:
    store = listing_store
    store.save(X)
    edited = loaded(store).replace(error="edited")
    store.save(edited)
    store.save(edited)  # perhaps the answer to the first was lost
    assert loaded(store).error == "edited"
    assert [state.error for state in store.list()] == ["edited"]


def test_a_copy_under_another_id_is_a_new_workflow(listing_store: WorkflowStore) -> None:
    store = listing_store
    store.save(X.replace(history=events(2)))
    store.save(loaded(store).replace(workflow_id="copy"))
    assert loaded(store, "copy").history == loaded(store).history


def test_a_plain_server_gets_no_conditions_and_is_written_over() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        store.save(X)
        mine = loaded(store)
        store.save(loaded(store).replace(error="theirs"))
        store.save(mine.replace(error="mine"))
        assert loaded(store).error == "mine"
        for _, _, headers in server.seen:
            assert not [name for name in headers if name.lower().startswith(("if-", "idem"))]


def test_a_save_whose_answer_was_lost_is_repeated_under_the_same_name() -> None:
    document = wire.encode(X)
    with scripted_server(reply(200, document, ETag='"e1"'), b"", reply(204)) as server:
        with InngestStore(server.url) as store:
            store.save(loaded(store).replace(error="edited"))
        _, first, second = server.requests
        assert first == second
        assert b'if-match: "e1"' in first.lower()
        assert b'idempotency-key: "' in first.lower()


def test_a_save_that_arrived_without_an_answer_is_no_conflict_later() -> None:
    """Another attempt, minutes later, has another name; but what is stored is what it brings."""
    edited = wire.decode(wire.encode(X)).replace(error="edited")
    answers = [
        reply(200, wire.encode(X), ETag='"e1"'),
        reply(412, b'{"error":"was changed"}'),
        reply(200, wire.encode(edited), ETag='"e2"'),
    ]
    with scripted_server(*answers) as server, InngestStore(server.url) as store:
        store.save(loaded(store).replace(error="edited"))
        (listed,) = store.list()
        assert (listed.error, listed.etag) == ("edited", "e2")


@pytest.mark.parametrize(
    "etag", ['W/"weak"', '"*"', '"é"', '"two words"', "bare", '"' + "x" * 300 + '"']
)
def test_an_etag_that_cannot_be_asked_for_is_none(etag: str) -> None:
    answers = reply(200, wire.encode(X), ETag=etag), reply(204)
    with scripted_server(*answers) as server, InngestStore(server.url) as store:
        state = loaded(store)
        assert state.etag == ""
        store.save(state)
        assert b"if-match" not in server.requests[1].lower()


@pytest.mark.parametrize("where", ["memory", "sqlite", "http"])
def test_a_person_cannot_erase_what_a_live_run_recorded_meanwhile(
    tmp_path: Path, where: str
) -> None:
    server = StateServer(tmp_path / "server.db", port=0)
    with server, InngestStore(server.url) as http, SqliteStore(tmp_path / "s.db") as sqlite:
        stores: dict[str, Any] = {"memory": MemoryStore(), "sqlite": sqlite, "http": http}
        store = stores[where]
        with Executor(store) as executor:
            handle = executor.execute(waits_for_ever, id="live")
            executor.signal("live", Signal("one"))
            state = loaded(store, "live")
            executor.signal("live", Signal("two"))
            with pytest.raises(StoreConflictError, match="events"):
                store.save(state.replace(status="failed"))
            executor.signal("live", Signal("three"))
            names = [event.signal_name for event in loaded(store, "live").history]
            assert [name for name in names if name] == ["one", "two", "three"]
            mine = handle.state
            executor.cancel("live")
            with pytest.raises(StoreConflictError, match="canceled, 5 events"):
                store.save(mine.replace(error="mine"))
            store.save(handle.state.replace(error="ours"))
            assert loaded(store, "live").error == "ours"
            forked = fork(loaded(store, "live"), at=1)
            store.save(forked)
            assert loaded(store, forked.workflow_id).forked_from
