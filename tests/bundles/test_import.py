"""A bundle is copied into a store of any kind; what is there stays unless that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from frame_states import state
from small_servers import plain_server

import inngest_nb as inb
from inngest_nb import (
    AsyncInngestStore,
    InngestStore,
    MemoryStore,
    SqliteStore,
    StateServer,
    StoreFileError,
    WorkflowStore,
    wire,
)

STATES = [state(f"order-{number}", input={"n": number}) for number in range(300)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("import") / "incident.db"
    inb.export([*STATES, state("order-x", "running")], path)
    return path


@pytest.fixture(params=["memory", "file", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkflowStore]:
    with ExitStack() as stack:
        makers: dict[str, Callable[[], Any]] = {
            "memory": MemoryStore,
            "file": lambda: SqliteStore(tmp_path / "s.db"),
            "server": lambda: InngestStore(
                stack.enter_context(StateServer(tmp_path / "s.db", port=0)).url
            ),
        }
        yield stack.enter_context(makers[request.param]())


def test_all_workflows_of_a_bundle_are_added_byte_for_byte(path: Path, store: Any) -> None:
    imported = inb.import_bundle(path, store)
    assert (imported.added, imported.replaced, imported.left, imported.open) == (301, 0, 0, 1)
    assert str(imported) == "301 workflows added"
    with inb.open_bundle(path) as bundle:
        for one in bundle.list():
            found = store.load(one.workflow_id)
            assert wire.encode(found) == wire.encode(one)
    assert len(store.list()) == 301


def test_what_the_store_has_stays_unless_it_is_to_be_replaced(path: Path, store: Any) -> None:
    store.save(state("order-7", "failed", error="mine"))
    imported = inb.import_bundle(path, store)
    assert (imported.added, imported.replaced, imported.left) == (300, 0, 1)
    assert str(imported) == (
        "300 workflows added; 1 left as they are, because their ids are stored already"
    )
    assert store.load("order-7").error == "mine"
    imported = inb.import_bundle(path, store, overwrite=True)
    assert (imported.added, imported.replaced, imported.left) == (0, 301, 0)
    assert str(imported) == "0 workflows added; 301 replaced"
    assert store.load("order-7").input == {"n": 7}


def test_what_was_imported_can_be_changed(path: Path, store: Any) -> None:
    inb.import_bundle(path, store)
    loaded = store.load("order-3")
    store.save(loaded.replace(error="looked at"))
    assert store.load("order-3").error == "looked at"


def test_a_plain_server_gets_one_workflow_after_the_other(tmp_path: Path) -> None:
    inb.export(STATES[:5], tmp_path / "a.db")
    with plain_server() as server, InngestStore(server.url) as store:
        store.save(state("order-2", error="mine"))
        imported = inb.import_bundle(tmp_path / "a.db", store)
        assert (imported.added, imported.replaced, imported.left) == (4, 0, 1)
        assert len(server.documents) == 5
        assert b"mine" in server.documents["order-2"]
        imported = inb.import_bundle(tmp_path / "a.db", store, overwrite=True)
        assert (imported.added, imported.replaced, imported.left) == (0, 5, 0)
        assert server.documents["order-2"] == wire.encode(STATES[2])


def test_an_open_bundle_can_be_imported_and_stays_open(path: Path) -> None:
    with inb.open_bundle(path) as bundle:
        assert inb.import_bundle(bundle, MemoryStore()).added == 301
        assert bundle.load("order-1")


def test_what_is_no_bundle_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"x" * 200)
    store = MemoryStore()
    with pytest.raises(StoreFileError, match="is not a bundle"):
        inb.import_bundle(tmp_path / "x.db", store)
    assert store.list() == []


@pytest.mark.parametrize("store", [None, "state.db", MemoryStore, AsyncInngestStore("http://h:1")])
def test_a_wrong_target_is_told(path: Path, store: Any) -> None:
    with pytest.raises(TypeError, match="import_bundle needs a store|cannot await"):
        inb.import_bundle(path, store)
