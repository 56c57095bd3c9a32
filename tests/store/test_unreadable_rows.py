"""A stored document that cannot be read is named and left out, and takes no other with it."""

from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

import inngest_nb as inb
from inngest_nb import InngestStore, SqliteStore, StateServer, WorkflowState, WorkflowStore
from inngest_nb.engine import Workflows
from inngest_nb.errors import StoreDecodeError
from inngest_nb.store import States, Write
from inngest_nb.store.writes import SoundWrite


def with_input(text: bytes) -> bytes:
    return b'{"WorkflowID":"bad","Status":"running","Input":%s}' % text


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


DOCUMENTS: dict[str, bytes] = {
    "nested 503": with_input(nested(503)),
    "nested 985": with_input(nested(985)),
    "nested 20,000": with_input(nested(20_000)),
    "a number out of range": with_input(b"1e400"),
    "4,400 digits": with_input(b"7" * 4_400),
    "an endless duration": b'{"WorkflowID":"bad","History":[{"Duration":1%s}]}' % (b"0" * 40),
    "half of a document": with_input(b'{"a":1')[:-1],
    "no document": b"\x00\xff lorem",
    "nothing": b"",
    "a wrong type": b'{"WorkflowID":"bad","Error":5}',
    "half of a pair": with_input(b'"\\ud800"'),
}
PARTS: dict[str, bytes] = {
    "nested 985": b'{"History":[{"Result":%s}]}' % nested(985),
    "nested 20,000": b'{"History":[{"Result":%s}]}' % nested(20_000),
    "no part": b"lorem",
    "a wrong type": b'{"History":[{"SignalName":42}]}',
}
UNREADABLE: dict[str, tuple[bytes, bytes | None]] = {
    **{name: (document, None) for name, document in DOCUMENTS.items()},
    **{f"part: {name}": (with_input(b"1"), part) for name, part in PARTS.items()},
}


def poison(
    store: Any, folder: Path, document: bytes | str, part: bytes | None = None, name: str = "bad"
) -> None:
    """Put bytes under an id that no door would let in."""
    file = folder / "states.db"
    if isinstance(document, bytes):
        document = document.replace(b'"bad"', b'"%s"' % name.encode())
    store.save(WorkflowState(workflow_id=name, status="running"))  # type: ignore[arg-type]
    if not file.exists():  # in memory
        writes = [Write(name, document, True, "running", 1, "etag")]  # type: ignore[arg-type]
        writes += [SoundWrite(name, part, False, "running", 2, "etag-2")] if part else []
        store._table.apply(writes)
        return
    with sqlite3.connect(file) as database:
        found = database.execute("SELECT number FROM workflows WHERE workflow_id = ?", (name,))
        (number,) = found.fetchone()
        database.execute("UPDATE documents SET body = ? WHERE number = ?", (document, number))
        if part:
            database.execute("INSERT INTO parts (workflow, body) VALUES (?, ?)", (number, part))
    database.close()


def ids(states: Any) -> list[str]:
    return sorted(state.workflow_id for state in states)


def test_unreadable_rows_are_named_and_spoil_no_listing(
    listing_store: WorkflowStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = listing_store
    for name in ("a", "b"):
        store.save(WorkflowState(workflow_id=name, status="running"))  # type: ignore[arg-type]
    for name, (document, part) in UNREADABLE.items():
        poison(store, tmp_path, document, part, name)

    for states in (store.fetch(), store.fetch(status="running"), store.fetch(limit=50)):
        assert isinstance(states, States)
        assert ids(states) == ["a", "b"]
        assert states.unreadable.keys() == UNREADABLE.keys()
        assert all("invalid document" in why for why in states.unreadable.values())
    for record in caplog.records:
        assert (
            record.name != "inngest_nb.store"
            or "left out 15 stored workflows that cannot be read: " in record.getMessage()
        )
    assert store.refresh() == 2 + len(UNREADABLE)
    listed = store.list()
    assert isinstance(listed, States)
    assert ids(listed) == ["a", "b"]
    assert listed.unreadable.keys() == UNREADABLE.keys()

    for name in UNREADABLE:
        with pytest.raises(StoreDecodeError, match="invalid document") as refused:
            store.load(name)
        assert refused.value.workflow_id == name
        store.delete(name)
        assert store.load(name) is None
    assert len(store.fetch()) == 2


def test_one_unreadable_row_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SqliteStore(tmp_path / "states.db") as store:
        store.save(WorkflowState(workflow_id="good"))
        poison(store, tmp_path, with_input(b"1e999"))
        for _ in range(3):
            assert ids(store.list()) == ["good"]
        with pytest.warns(UserWarning, match="1 workflow cannot be read: bad"):
            rows = inb.frame(store)
        assert rows.set_index("workflow_id")["error_reading"].notna().to_dict() == {
            "bad": True,
            "good": False,
        }
        (record,) = [r for r in caplog.records if r.name == "inngest_nb.store"]
        assert record.levelno == logging.WARNING
        assert (
            "left out 1 stored workflow that cannot be read: 'bad' (invalid document"
            in record.getMessage()
        )
        with pytest.raises(StoreDecodeError, match="stored workflow 'bad' cannot be read"):
            store.load("bad")


def test_text_where_bytes_belong_is_an_unreadable_row_too(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "states.db") as store:
        store.save(WorkflowState(workflow_id="good"))
        poison(store, tmp_path, "lorem")
        assert ids(store.list()) == ["good"]
        assert [*store.list().unreadable] == ["bad"]


def test_many_unreadable_rows_are_counted_and_some_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SqliteStore(tmp_path / "states.db") as store:
        for number in range(40):
            store.save(WorkflowState(workflow_id=f"run-{number:02}"))
        with sqlite3.connect(tmp_path / "states.db") as database:
            database.execute("UPDATE documents SET body = x'00' WHERE number % 2")
        database.close()
        states = store.list()
    assert len(states) == len(states.unreadable) == 20
    (record,) = [r for r in caplog.records if r.name == "inngest_nb.store"]
    assert "left out 20 stored workflows that cannot be read: 'run-" in record.getMessage()
    assert record.getMessage().endswith("; and 15 more")


def test_recover_goes_on_with_all_other_runs(tmp_path: Path) -> None:
    async def wait(ctx: inb.AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal("go")

    workflows = Workflows()
    workflows.add(wait, "wait", 1)
    with SqliteStore(tmp_path / "states.db") as store:
        with inb.Executor(store, workflows=workflows) as first:
            for name in ("a", "b"):
                first.execute(wait, id=name)
                first.signal(name, inb.Signal("later"))
        for name, (document, part) in UNREADABLE.items():
            poison(store, tmp_path, document, part, name)
        with inb.Executor(store, workflows=workflows) as second:
            recovery = second.recover()
            assert sorted(handle.id for handle in recovery.handles) == ["a", "b"]
            assert recovery.left.keys() == UNREADABLE.keys()
            assert all("invalid document" in why for why in recovery.left.values())
            for handle in recovery.handles:
                second.signal(handle.id, inb.Signal("go", 1))
                assert handle.result(60) == 1
            with pytest.raises(StoreDecodeError, match="stored workflow 'nested 985'"):
                second.signal("nested 985", inb.Signal("go"))


def test_a_page_of_the_server_gives_all_other_rows_to_any_client(tmp_path: Path) -> None:
    with StateServer(tmp_path / "states.db", port=0) as server, InngestStore(server.url) as store:
        for name in "abcde":
            store.save(WorkflowState(workflow_id=name))
        poison(store, tmp_path, DOCUMENTS["no document"])
        url = f"{server.url}/v1/workflows"
        page = httpx.get(url).raise_for_status().json()
        assert sorted(one["state"]["WorkflowID"] for one in page["workflows"]) == [*"abcde"]
        assert [(one["id"], one["status"]) for one in page["unreadable"]] == [("bad", "running")]
        seen, cursor = [], ""
        while True:  # page by page, whichever of them has the bad row
            page = httpx.get(
                url, params={"limit": 1} | ({"cursor": cursor} if cursor else {})
            ).json()
            seen += [one["state"]["WorkflowID"] for one in page["workflows"]]
            seen += [one["id"] for one in page["unreadable"]]
            if not (cursor := page["next_cursor"]):
                break
        assert sorted(seen) == ["a", "b", "bad", "c", "d", "e"]


def test_the_servers_doors_refuse_what_could_not_be_read_back(tmp_path: Path) -> None:
    headers = {"Content-Type": "application/json"}
    kept = WorkflowState(workflow_id="bad", error="still the same")
    server = StateServer(tmp_path / "states.db", port=0)
    with server, InngestStore(server.url) as store, httpx.Client() as client:
        store.save(kept)
        url = f"{server.url}/v1/workflows"
        for name, document in DOCUMENTS.items():
            for answer in (
                client.put(f"{url}/bad", content=document, headers=headers),
                client.post(f"{url}/bad/history", content=document, headers=headers),
            ):
                assert answer.status_code == 400, (name, answer.text)
                assert "invalid document" in answer.json()["error"]
            batch = b'[{"id":"good","whole":true,"document":{"WorkflowID":"good"}},{"id":"bad","whole":true,"document":%s}]'
            answer = client.post(url, content=batch % (document or b"null"), headers=headers)
            if answer.status_code == 200:  # what is JSON at all is refused alone
                good, bad = answer.json()["outcomes"]
                assert (good, bad["status"]) == (None, 400), name
            else:
                assert answer.status_code == 400, name
                assert "not a batch" in answer.json()["error"]
        for name, part in PARTS.items():
            answer = client.post(f"{url}/bad/history", content=part, headers=headers)
            assert answer.status_code == 400, (name, answer.text)
            (outcome,) = store.append_history([Write("bad", part, False)])
            assert isinstance(outcome, StoreDecodeError), name
        assert store.load("bad") == kept


def test_what_the_server_takes_can_be_read_back(tmp_path: Path) -> None:
    headers = {"Content-Type": "application/json"}
    server = StateServer(tmp_path / "states.db", port=0)
    with server, InngestStore(server.url) as store, httpx.Client() as client:
        for text in (nested(500), b"9" * 4_300, b"1.7e308", b"1e-400", b"-0.0"):
            url = f"{server.url}/v1/workflows/bad"
            answer = client.put(url, content=with_input(text), headers=headers)
            assert answer.status_code == 204, answer.text
            (state,) = store.fetch()
            assert state == store.load("bad")
            assert json.dumps(state.input)
