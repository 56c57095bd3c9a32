"""A database file whose bytes were changed: what is damaged is named, the rest is served."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from appended_parts import done, event, part, whole

import inngest_nb as inb
from inngest_nb import InngestStore, SqliteStore, StateServer, WorkflowState, WorkflowStore, wire
from inngest_nb.errors import StoreDecodeError, StoreFileError
from inngest_nb.store import States

MARK = "a text that nobody would miss a letter of, which is why nobody would notice"


@contextlib.contextmanager
def in_the_file(path: Path) -> Iterator[WorkflowStore]:
    with SqliteStore(path) as store:
        yield store


@contextlib.contextmanager
def over_http(path: Path) -> Iterator[WorkflowStore]:
    with StateServer(path, port=0) as server, InngestStore(server.url) as store:
        yield store


OPENED = pytest.mark.parametrize("opened", [in_the_file, over_http])


def flip(path: Path, text: bytes) -> None:
    """Change one letter of a text, wherever it stands in the file."""
    content = bytearray(path.read_bytes())
    place = content.index(text)
    content[place + 3] ^= 1
    path.write_bytes(content)


def filled(path: Path, count: int = 4) -> dict[str, WorkflowState]:
    with SqliteStore(path) as store:
        names = [f"run-{number}" for number in range(count)]
        done(store, *(whole(n, input=f"{n[4:]}: {MARK}") for n in names))
        done(store, *(part(n, [1, 2], error=f"part {n[4:]}: {MARK}") for n in names))
        return {state.workflow_id: state for state in store.list()}


@OPENED
@pytest.mark.parametrize("text", [b'"1: a text', b"part 1: a text"], ids=["document", "part"])
def test_a_changed_byte_is_noticed_named_and_spoils_no_other(
    tmp_path: Path, opened: Callable[[Path], Any], text: bytes
) -> None:
    path = tmp_path / "s.db"
    sound = filled(path)
    flip(path, text)

    with opened(path) as store:
        with pytest.raises(StoreDecodeError, match="'run-1' cannot be read: damaged") as refused:
            store.load("run-1")
        assert refused.value.workflow_id == "run-1"
        assert "delete('run-1')" in refused.value.__notes__[0]
        listed = store.fetch()
        assert isinstance(listed, States)
        assert sorted(state.workflow_id for state in listed) == ["run-0", "run-2", "run-3"]
        assert [*listed.unreadable] == ["run-1"]
        assert "checksum" in listed.unreadable["run-1"]
        assert store.load("run-2") == sound["run-2"]
        store.save(sound["run-1"].replace(error="saved again"), force=True)
        again = store.load("run-1")
        assert again is not None
        assert again.error == "saved again"
        store.delete("run-1")
        assert len(store.fetch()) == 3


def test_a_client_of_the_plain_contract_gets_an_error_and_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    filled(path)
    flip(path, b'"1: a text')
    with StateServer(path, port=0) as server:
        answer = httpx.get(f"{server.url}/v1/workflows/run-1")
        assert answer.status_code == 500
        assert "'run-1' cannot be read" in answer.json()["error"]
        assert httpx.get(f"{server.url}/v1/workflows/run-2").status_code == 200


@OPENED
def test_a_document_that_is_gone_or_anothers_is_noticed(
    tmp_path: Path, opened: Callable[[Path], Any]
) -> None:
    path = tmp_path / "s.db"
    filled(path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM checked_documents WHERE number = 1")
        database.execute("UPDATE checked_documents SET number = 9 WHERE number = 2")
        database.execute("UPDATE checked_documents SET number = 2 WHERE number = 3")
        database.execute("UPDATE checked_documents SET number = 3 WHERE number = 9")
    with opened(path) as store:
        listed = store.fetch()
        assert [state.workflow_id for state in listed] == ["run-3"]
        assert sorted(listed.unreadable) == ["run-0", "run-1", "run-2"]
        assert "missing" in listed.unreadable["run-0"]


@OPENED
@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM checked_documents WHERE number = 2",
        "UPDATE checked_documents SET checksum = 1 WHERE number = 2",
        "UPDATE workflows SET status = CAST(x'ff' AS TEXT) WHERE number = 2",
        "UPDATE workflows SET owner = CAST(x'ff' AS TEXT) WHERE number = 2",
        "UPDATE workflows SET updated_us = 'then' WHERE number = 2",
        "UPDATE workflows SET parts_checksum = 1 WHERE number = 2",
    ],
)
def test_what_is_damaged_can_be_saved_over(
    tmp_path: Path, opened: Callable[[Path], Any], damage: str
) -> None:
    path = tmp_path / "s.db"
    sound = filled(path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(damage)
    with opened(path) as store:
        store.save(sound["run-1"], force=True)
        assert store.load("run-1") == sound["run-1"]
        assert len(store.fetch()) == 4


def test_a_document_that_was_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    sound = filled(path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM workflows WHERE workflow_id = 'run-3'")
        database.execute("DELETE FROM parts WHERE workflow = 4")
    with SqliteStore(path) as store:
        store.save(WorkflowState(workflow_id="new"))
        assert store.load("new") == WorkflowState(workflow_id="new")
        store.save(sound["run-3"], force=True)
        assert store.load("run-3") == sound["run-3"]


@pytest.mark.parametrize("seed", range(8))
def test_of_a_file_with_200_changed_bytes_nothing_wrong_is_served(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "s.db"
    sound = filled(path, 300)
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for place in chance.sample(range(4096, len(content)), 200):
        content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)

    served = 0
    with contextlib.suppress(StoreFileError), SqliteStore(path) as store:  # it may be past reading
        for name, state in sound.items():
            with contextlib.suppress(StoreDecodeError, StoreFileError):
                if (found := store.load(name)) is not None:
                    assert wire.encode(found) == wire.encode(state)
                    served += 1
        assert served > 100
        for found in store.list():
            assert wire.encode(found) == wire.encode(sound[found.workflow_id])


def test_a_version_without_checksums_may_still_write_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    sound = filled(path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        document = wire.encode(WorkflowState(workflow_id="run-1", error="by the other version"))
        database.execute("UPDATE documents SET body = ? WHERE number = 2", (document,))
        database.execute("DELETE FROM parts WHERE workflow = 2")
        added = wire.encode_part([event(3)])
        database.execute("INSERT INTO parts (workflow, body) VALUES (3, ?)", (added,))
    with SqliteStore(path) as store:
        changed, longer = store.load("run-1"), store.load("run-2")
        assert changed is not None
        assert changed.error == "by the other version"
        assert longer is not None
        assert longer.history == (*sound["run-2"].history, event(3))


@pytest.mark.parametrize("error", ["", "edited"])
def test_a_document_that_is_saved_again_has_a_checksum_too(tmp_path: Path, error: str) -> None:
    path = tmp_path / "s.db"
    filled(path)
    with SqliteStore(path) as store:
        for _ in range(2):
            done(store, whole("run-1", input=f"1: {MARK}", error=error))
    (sound,) = (one for one in inb.doctor(path=path).findings if one.subject == "file")
    assert "all match their checksums" in sound.words


@pytest.mark.parametrize("is_open", [False, True])
def test_doctor_lists_what_is_damaged_and_changes_nothing(tmp_path: Path, is_open: bool) -> None:
    path = tmp_path / "s.db"
    filled(path)
    (sound,) = (one for one in inb.doctor(path=path).findings if one.subject == "file")
    assert (sound.level, "4 workflows, all readable" in sound.words) == ("ok", True)

    flip(path, b'"1: a text')
    flip(path, b"part 3: a text")
    before = path.read_bytes()
    with SqliteStore(path) if is_open else contextlib.nullcontext():
        checkup = inb.doctor(path=path)
    damaged = [one for one in checkup.findings if one.subject == "workflow"]
    assert [one.words.partition(":")[0] for one in damaged] == ["'run-1'", "'run-3'"]
    assert all(one.level == "to do" and "checksum" in one.words for one in damaged)
    assert path.read_bytes() == before


def test_doctor_says_of_a_file_that_is_not_ours_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(b"lorem ipsum " * 500)
    (finding,) = (one for one in inb.doctor(path=path).findings if one.subject == "file")
    assert (finding.level, "not a database" in finding.words) == ("to do", True)
