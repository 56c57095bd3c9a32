"""What forms offer to choose from: heads, for which no document is read."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from form_driver import choose, press, type_into, words
from long_runs import counted, save_long_runs

import inngest_nb as inb
from inngest_nb import InngestStore, MemoryStore, SqliteStore, StateServer, WorkflowState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED = WorkflowState(workflow_id="order-7", run_id="run-1", status="failed", error="no stock")
RUNNING = WorkflowState(workflow_id="order-8", run_id="run-2", status="running")

each_form = pytest.mark.parametrize("make", [inb.save_form, inb.delete_form, inb.signal_form])


@each_form
def test_what_is_offered_is_a_few_bytes_of_long_runs(make: Any, state_server: StateServer) -> None:
    with counted(state_server.url) as (store, traffic):
        save_long_runs(store, 50, 2_000)
        traffic.received = 0
        form = make(store)
        form.wait()
        assert len(form.workflow_id.options) == (25 if make is inb.signal_form else 50)
        assert 1_000 < traffic.received < 10_000
        form.close()


def in_the_file(path: Path) -> Any:
    return SqliteStore(path)


@contextlib.contextmanager
def over_http(path: Path) -> Any:
    with StateServer(path, port=0) as server, InngestStore(server.url) as store:
        yield store


@each_form
@pytest.mark.parametrize("opened", [in_the_file, over_http])
def test_a_workflow_that_cannot_be_read_is_offered_and_said_to_be_damaged_when_chosen(
    make: Any, opened: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = tmp_path / "s.db"
    with SqliteStore(path) as filling:
        filling.save(RUNNING)
        filling.save(RUNNING.replace(workflow_id="<b>bad</b>"))
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE checked_documents SET checksum = 1 WHERE number = "
            "(SELECT number FROM workflows WHERE workflow_id <> 'order-8')"
        )
    with opened(path) as store:
        form = make(store)
        form.wait()
        assert sorted(form.workflow_id.options) == ["<b>bad</b>", "order-8"]
        type_into(form, form.workflow_id, "order-8")
        assert "run-2" in words(form.summary)
        type_into(form, form.workflow_id, "<b>bad</b>")
        trouble = form.load_trouble if make is inb.save_form else form.trouble
        assert "stored workflow '<b>bad</b>' cannot be read" in words(trouble)
        assert "<b>bad" not in trouble.markup
        form.close()


class NotingStore(MemoryStore):
    """A store that notes each time that documents are read from it."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []

    def fetch(self, status: str | None = None, limit: int = 0) -> Any:
        self.read.append(limit)
        return super().fetch(status, limit)


def choices(form: Any) -> list[str]:
    return [value for _, value in form.list.options]


def test_a_search_reads_no_document() -> None:
    store = NotingStore()
    for number in range(400):
        store.save(FAILED.replace(workflow_id=f"order-{number}", error="", updated_at=NOON))
    store.save(FAILED.replace(workflow_id="late", updated_at=None))
    form = inb.delete_form(store)
    form.wait()
    assert "late" not in form.workflow_id.options

    for typed in ("late failed", "stock", "late run-1"):
        type_into(form, form.filter, typed)
        assert choices(form) == ["late"]
        assert form.list.options[0][0] == "late  ·  failed ✕  ·  not set  ·  no stock"
    type_into(form, form.filter, "nobody")
    assert choices(form) == []
    type_into(form, form.filter, "stock")
    press(form, form.refresh)
    assert choices(form) == ["late"]
    assert store.read == []
    choose(form, form.list, "late")
    assert "no stock" in words(form.summary)
    form.close()


class SomebodysStore:
    """A store that has the contract's verbs and nothing else."""

    def __init__(self) -> None:
        self._states = {each.workflow_id: each for each in (FAILED, RUNNING)}

    def save(self, state: WorkflowState, *, force: bool = False) -> None:
        self._states[state.workflow_id] = state

    def load(self, workflow_id: str) -> WorkflowState | None:
        return self._states.get(workflow_id)

    def delete(self, workflow_id: str) -> None:
        self._states.pop(workflow_id, None)

    def list(self, status: str | None = None, limit: int = 0) -> list[WorkflowState]:
        found = [each for each in self._states.values() if status in (None, each.status)]
        return found[:limit] if limit else found


def test_a_store_that_knows_no_heads_is_listed() -> None:
    form = inb.delete_form(SomebodysStore())  # type: ignore[arg-type]
    form.wait()
    assert choices(form) == ["order-7", "order-8"]
    type_into(form, form.filter, "stock")
    assert choices(form) == ["order-7"]
    form.close()


def test_what_a_listing_left_out_is_offered_and_can_be_searched(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with SqliteStore(path) as store:
        store.save(FAILED)
        store.save(RUNNING)
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE checked_documents SET body = 'lorem' WHERE number = 1")
        form = inb.delete_form(store)
        type_into(form, form.filter, "cannot be read")
        assert choices(form) == ["order-7"]
        form.close()
