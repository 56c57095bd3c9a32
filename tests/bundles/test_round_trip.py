"""Workflows go into a bundle and come out of it as they were, from every kind of store."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from awkward_ids import AWKWARD_IDS
from conftest import GO_DOCUMENTS
from frame_states import go_states, state
from small_servers import plain_server
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import (
    AsyncInngestStore,
    InngestAPI,
    InngestStore,
    MemoryStore,
    RunStore,
    SqliteStore,
    StateServer,
    StoreFileError,
    WorkflowState,
    wire,
)
from inngest_nb.store import search_for

ODD = b'{ "WorkflowID": "odd-1","Extra":{"b":1.50, "a":123456789012345678901234567890},"Status":"queued","Input":{"x":1e2,"x":2}, "UpdatedAt":"2025-07-14T12:00:00.123456789+02:00"}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "incident.db"


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for document in (*GO_DOCUMENTS, ODD):
        store.save(wire.decode(document))
    return store


def documents(store: Any) -> dict[str, bytes]:
    return {one.workflow_id: wire.encode(one) for one in store.fetch()}


def only_file(path: Path) -> bool:
    return os.listdir(path.parent) == [path.name]


def test_documents_come_back_byte_for_byte_in_the_order_of_the_store(
    store: MemoryStore, path: Path
) -> None:
    info = inb.export(store, path)
    with inb.open_bundle(path) as bundle:
        assert documents(bundle) == documents(store)
        assert ODD in documents(bundle).values()
        assert [one.workflow_id for one in bundle.list()] == [
            one.workflow_id for one in store.list()
        ]
        assert bundle.info == info
    assert only_file(path)


def test_what_a_store_knows_beside_the_document_comes_along(path: Path) -> None:
    now = datetime(2024, 5, 1, tzinfo=UTC)
    there = WorkflowState(workflow_id="order-1", status="completed", updated_at=now)
    seen = now - timedelta(minutes=5)
    inb.export([there.replace(first_saved_at=seen)], path)
    with inb.open_bundle(path) as bundle:
        (found,) = bundle.list()
        assert found.first_saved_at == seen
        assert inb.frame(bundle)["duration"][0] == timedelta(minutes=5)
        assert [head.workflow_id for head in bundle.heads()] == ["order-1"]


def test_a_bundle_has_a_head_of_each_workflow_so_that_frames_read_no_documents(
    store: MemoryStore, path: Path
) -> None:
    inb.export(store, path)
    with closing(sqlite3.connect(path)) as database:
        (heads,) = database.execute("SELECT count(*) FROM heads WHERE flaw = ''").fetchone()
        ((indexed, newest),) = database.execute(
            "SELECT indexed, (SELECT max(number) FROM changes) FROM about"
        )
    assert heads == len(store.list())
    assert indexed == newest
    with inb.open_bundle(path) as bundle:
        found = bundle.find(search_for("failed", 0))
        assert {head.workflow_id for head in found.heads} == {
            one.workflow_id for one in store.list("failed")
        }


def test_a_bundle_is_as_small_as_it_can_be(path: Path) -> None:
    inb.export([state(f"{number * 7919 % 1000:04d}") for number in range(1000)], path)
    size = path.stat().st_size
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        database.execute("VACUUM")
    assert path.stat().st_size == size


def test_two_exports_of_the_same_differ_only_in_what_they_say_of_themselves(
    store: MemoryStore, tmp_path: Path
) -> None:
    for name in ("a.db", "b.db"):
        inb.export(store, tmp_path / name)
    rows = []
    for name in ("a.db", "b.db"):
        with closing(sqlite3.connect(tmp_path / name)) as database:
            rows.append(
                [
                    database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
                    for table in ("workflows", "documents", "heads")
                ]
            )
    assert rows[0] == rows[1]


def test_ids_of_all_kinds_are_kept(path: Path) -> None:
    inb.export([state(awkward) for awkward in AWKWARD_IDS], path)
    with inb.open_bundle(path) as bundle:
        for awkward in AWKWARD_IDS:
            found = bundle.load(awkward)
            assert found is not None
            assert found.workflow_id == awkward
        assert bundle.load("order-99") is None


def test_a_bundle_says_who_made_it_when_from_which_store_and_what_is_in_it(
    store: MemoryStore, path: Path
) -> None:
    before = datetime.now(UTC)
    info = inb.export(store, path, status=["failed", "completed"], limit=10, author="ann")
    assert before <= info.exported_at <= datetime.now(UTC)
    assert (info.author, info.source) == ("ann", "MemoryStore()")
    assert info.filter == {"status": ["completed", "failed"], "limit": 10}
    with inb.open_bundle(path) as bundle:
        found = bundle.list()
    assert info.workflows == len(found) == 10
    assert info.events == sum(len(one.history) for one in found)
    statuses = [str(one.status) for one in found]
    assert info.statuses == {word: statuses.count(word) for word in sorted(set(statuses))}
    assert (info.size, info.path) == (path.stat().st_size, str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for shown in (repr(info), info._repr_html_()):
        for part in ("10 workflows", "ann", "MemoryStore()", "limit=10", info.checksum):
            assert part in shown
    assert repr(bundle) == f"Bundle({path.name!r})"
    assert bundle._repr_html_() == info._repr_html_()


def test_the_user_is_named_without_the_machine_unless_an_author_is_given(path: Path) -> None:
    assert inb.export([state()], path).author == getpass.getuser()
    assert inb.export([state()], path, author="", overwrite=True).author == ""


def test_what_a_bundle_says_is_shown_with_hostile_text_made_harmless(path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>\x1b[2J\u202e"
    info = inb.export([state(status=hostile)], path, author=hostile)
    html, text = info._repr_html_(), repr(info)
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    for shown in (html, text):
        assert "\x1b" not in shown
        assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"status": "failed"}, {"b"}),
        ({"since": "2025-07-14T13:30:00Z"}, {"c"}),
        ({"until": "2025-07-14T13:30:00Z"}, {"a", "b"}),
        ({"where": "input.total > 10"}, {"b", "c"}),
        ({"where": "input.total = 123456789012345678901"}, {"c"}),
        ({"where": "events >= 1"}, set()),
        ({"prefix": "a"}, {"a"}),
        ({"error": "DECLINED"}, {"b"}),
        ({"longer_than": "30min"}, {"b"}),
        ({"workflow": ["b", "c"]}, {"b", "c"}),
        ({"text": "card B"}, {"b"}),
        ({"limit": 1}, {"c"}),
        ({"sort": "updated_at", "limit": 2}, {"a", "b"}),
        ({"status": "failed", "limit": 1}, {"b"}),
    ],
)
@pytest.mark.parametrize("given", ["store", "states"])
def test_a_search_chooses_the_workflows(
    path: Path, search: dict[str, Any], expected: set[str], given: str
) -> None:
    noon = datetime(2025, 7, 14, 12, tzinfo=UTC)
    store = MemoryStore()
    for hour, (name, total) in enumerate([("a", 1), ("b", 20), ("c", 123456789012345678901)]):
        at = noon + timedelta(hours=hour)
        store.save(
            WorkflowState(
                workflow_id=name,
                status="failed" if name == "b" else "completed",
                error="card declined" if name == "b" else "",
                input={"total": total},
                created_at=at - timedelta(hours=1 if name == "b" else 0),
                updated_at=at,
            )
        )
    source: Any = store if given == "store" else store.list()
    if expected:
        info = inb.export(source, path, **search)
    else:
        with pytest.warns(UserWarning, match="the bundle is empty"):
            info = inb.export(source, path, **search)
    with inb.open_bundle(path) as bundle:
        assert {one.workflow_id for one in bundle.list()} == expected
    assert json.loads(json.dumps(info.filter)) == info.filter
    assert set(search) <= set(info.filter)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"where": "input.total >"}, "where: "),
        ({"where": "amount > 1"}, "amount"),
        ({"limit": -1}, "limit is 0 for all"),
        ({"sort": "size"}, "sort must be a column"),
        ({"by": "saved", "since": "2h"}, "by must be one of"),
    ],
)
def test_a_wrong_search_is_an_error_at_the_call(
    path: Path, search: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        inb.export(MemoryStore(), path, **search)
    assert os.listdir(path.parent) == []


def test_a_server_that_lists_gives_all_that_it_keeps(
    state_server: StateServer, tmp_path: Path
) -> None:
    folder = tmp_path / "bundles"
    folder.mkdir()
    with InngestStore(state_server.url) as store, InngestStore(state_server.url) as other:
        for one in go_states():
            store.save(one)
        info = inb.export(other, folder / "a.db")
        with inb.open_bundle(folder / "a.db") as bundle:
            assert documents(bundle) == documents(store)
        assert info.source == repr(other)
        inb.export(other, folder / "a.db", where="status = 'failed'", limit=2, overwrite=True)
        with inb.open_bundle(folder / "a.db") as bundle:
            assert [one.workflow_id for one in bundle.list()] == [
                one.workflow_id for one in store.list("failed", 2)
            ]
    assert only_file(folder / "a.db")


def test_a_plain_server_gives_what_its_client_has_and_a_warning(path: Path) -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        store.save(state("order-1"))
        with pytest.warns(UserWarning, match="cannot list what its server keeps") as warned:
            inb.export(store, path)
        assert warned[0].filename == __file__
    with inb.open_bundle(path) as bundle:
        assert [one.workflow_id for one in bundle.list()] == ["order-1"]


def test_the_runs_of_a_real_inngest_become_a_bundle(path: Path) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        runs = RunStore(api)
        info = inb.export(runs, path, status="failed", limit=2)
        expected = {one.workflow_id: wire.encode(one) for one in runs.fetch("failed", 2)}
    assert info.workflows == 2
    with inb.open_bundle(path) as bundle:
        assert documents(bundle) == expected


def test_one_state_and_states_of_any_kind_of_collection_can_be_exported(path: Path) -> None:
    assert inb.export(state(), path).workflows == 1
    states = (state(f"order-{number}") for number in range(3))
    info = inb.export(states, path, overwrite=True)
    assert (info.workflows, info.source) == (3, None)


@pytest.mark.parametrize(
    "source", [None, 7, "order-1", [state(), None], {"a": 1}, WorkflowState, b"x"]
)
def test_what_is_neither_a_store_nor_states_is_refused(path: Path, source: Any) -> None:
    with pytest.raises(TypeError, match="export takes a store or states"):
        inb.export(source, path)


def test_an_async_store_is_refused_with_what_to_do(path: Path) -> None:
    with pytest.raises(TypeError, match="cannot await AsyncInngestStore"):
        inb.export(AsyncInngestStore("http://127.0.0.1:9"), path)  # type: ignore[arg-type]


def test_the_same_workflow_twice_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="'order-1' is given twice"):
        inb.export([state(), state()], path)
    assert os.listdir(path.parent) == []


def test_what_cannot_be_read_is_left_out_counted_and_named(tmp_path: Path) -> None:
    file, path = tmp_path / "state.db", tmp_path / "incident.db"
    with SqliteStore(file) as store:
        for name in ("order-1", "order-2"):
            store.save(state(name))
    with sqlite3.connect(file) as database:
        database.execute(
            "UPDATE checked_documents SET body = x'7b', checksum = NULL WHERE number = 1"
        )
    database.close()
    with SqliteStore(file) as store, pytest.warns(UserWarning, match="order-1") as warned:
        info = inb.export(store, path)
    assert warned[0].filename == __file__
    assert (info.workflows, info.left_out) == (1, 1)
    assert "1 that could not be read" in repr(info)


def test_an_existing_bundle_is_replaced_only_when_that_is_asked_for(path: Path) -> None:
    inb.export([state("order-1")], path)
    with pytest.raises(StoreFileError, match="exists already"):
        inb.export([state("order-2")], path)
    with inb.open_bundle(path) as bundle:
        assert bundle.load("order-1")
    inb.export([state("order-2")], path, overwrite=True)
    with inb.open_bundle(path) as bundle:
        assert bundle.load("order-1") is None
        assert bundle.load("order-2")


def test_nothing_but_a_bundle_is_ever_replaced(tmp_path: Path) -> None:
    file, note = tmp_path / "state.db", tmp_path / "note.txt"
    note.write_text("keep me")
    with SqliteStore(file) as store:
        store.save(state())
        for path in (file, note):
            before = path.read_bytes()
            with pytest.raises(StoreFileError, match="not a bundle, so it was not overwritten"):
                inb.export(store, path, overwrite=True)
            assert path.read_bytes() == before
        with pytest.raises(StoreFileError, match="is a folder"):
            inb.export(store, tmp_path, overwrite=True)
        with pytest.raises(StoreFileError, match="cannot write .*nowhere"):
            inb.export(store, tmp_path / "nowhere" / "a.db")


def test_a_failure_on_the_way_leaves_the_old_bundle_and_nothing_beside_it(path: Path) -> None:
    inb.export([state("order-1")], path)
    before = path.read_bytes()
    bad = state("order-2", input=float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        inb.export([state("order-1"), bad], path, overwrite=True)
    assert path.read_bytes() == before
    assert only_file(path)


KILLED = """
import os, sys
import inngest_nb as inb
from inngest_nb import WorkflowState, wire
def states():
    for number in range(2000):
        yield WorkflowState(workflow_id=f"order-{number}", input="x" * 100)
import inngest_nb.bundles._writing as writing
fsync = os.fsync
def dies(handle):  # when all is written and only the new name is missing
    os._exit(9)
os.fsync = dies
inb.export(states(), sys.argv[1], overwrite=True)
"""


def test_a_process_that_dies_leaves_the_old_bundle(path: Path) -> None:
    inb.export([state("order-1")], path)
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == 9
    assert path.read_bytes() == before
    with inb.open_bundle(path) as bundle:
        assert bundle.load("order-1")


def test_a_bundle_can_be_exported_from_a_bundle(store: MemoryStore, tmp_path: Path) -> None:
    inb.export(store, tmp_path / "a.db")
    with inb.open_bundle(tmp_path / "a.db") as bundle:
        inb.export(bundle, tmp_path / "b.db", status="failed")
    with inb.open_bundle(tmp_path / "b.db") as bundle:
        failed = {one.workflow_id: wire.encode(one) for one in store.fetch("failed")}
        assert documents(bundle) == failed


def test_the_checksum_is_that_of_the_file_with_its_digits_as_zeros(path: Path) -> None:
    info = inb.export([state(input="x" * 3_000_000)], path)  # longer than what is read at once
    content = path.read_bytes()
    digits = info.checksum.encode()
    assert content.count(digits) == 1
    blank = content.replace(digits, bytes(len(digits)))
    assert hashlib.sha256(blank).hexdigest() == info.checksum


def test_a_run_goes_into_a_bundle_with_its_steps(path: Path, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "state.db") as store:
        with inb.Executor(store) as executor:  # its history is stored in parts
            handle = executor.execute(inb.samples.order, input={"order": 42}, id="order-42")
            handle.result(timeout=60)
        inb.export(store, path)
        expected = documents(store)
    with inb.open_bundle(path) as bundle:
        assert documents(bundle) == expected
