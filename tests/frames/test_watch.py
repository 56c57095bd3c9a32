"""`watch`: a frame of what has changed, whenever something has, each change told once."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_servers import PlainServer, plain_server

import inngest_nb as inb
from inngest_nb import (
    AsyncInngestStore,
    HistoryEvent,
    InngestStore,
    MemoryStore,
    SqliteStore,
    StateServer,
    WorkflowState,
)
from inngest_nb.errors import StoreConnectionError, StoreError
from inngest_nb.frames._watching import Watch
from inngest_nb.store.tables.sqlite import writer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG = 20.0


def state(workflow_id: str, status: Any = "running", **fields: Any) -> WorkflowState:
    event = HistoryEvent(id=1, type="activity_started", activity_name="charge", timestamp=NOON)
    return WorkflowState(
        workflow_id=workflow_id,
        run_id="r",
        status=status,
        history=[event],
        created_at=NOON,
        updated_at=NOON,
        **fields,
    )


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Any]:
    with MemoryStore() as store:
        yield store


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[Any]:
    with SqliteStore(folder / "states.db") as store:
        yield store


@contextlib.contextmanager
def http(folder: Path) -> Iterator[Any]:
    server = StateServer(folder / "states.db", port=0, event_key="key")
    with server, InngestStore(server.url, "key") as store:
        yield store


@pytest.fixture(params=[memory, sqlite, http], ids=lambda make: make.__name__)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with request.param(tmp_path) as made:
        yield made


def rows(made: pd.DataFrame) -> list[tuple[Any, ...]]:
    return [*made[["change", "workflow_id", "deleted"]].itertuples(index=False, name=None)]


def later(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def test_a_change_is_a_row_of_a_frame_with_its_number(store: Any) -> None:
    store.save(state("before"))
    watching = inb.watch(store, payloads=True)
    store.save(state("order-1", "failed", input={"n": 2**70}, error="no"))
    store.delete("before")
    made = next(watching)
    expected = inb.frame(store, payloads=True)
    assert made.columns.tolist() == [*expected.columns, "change", "deleted"]
    assert rows(made) == [(2, "order-1", False), (3, "before", True)]
    dtypes = made.dtypes.astype(str)
    assert dtypes[expected.columns].tolist() == expected.dtypes.astype(str).tolist()
    assert (dtypes["change"], dtypes["deleted"]) == ("Int64", "bool")
    first, told = made.iloc[0], expected.iloc[0]
    same = ["run_id", "workflow", "status", "created_at", "events", "step", "error", "input"]
    assert first[same].tolist() == told[same].tolist()
    assert first[same].tolist() == ["r", "order", "failed", NOON, 1, "charge", "no", {"n": 2**70}]
    gone = made.iloc[1]
    assert gone["workflow"] == "before"
    assert gone[["run_id", "status", "created_at", "events", "retries", "error"]].isna().all()
    assert made.attrs["last_change"] == 3
    assert made.attrs["source"].startswith(type(store).__name__)


def test_of_several_changes_that_come_at_once_the_last_is_told(store: Any) -> None:
    watching = inb.watch(store)
    for status in ("running", "failed", "completed"):
        store.save(state("a", status))
    store.save(state("b"))
    store.save(state("c"))
    store.delete("c")
    made = next(watching)
    assert rows(made) == [(3, "a", False), (4, "b", False), (6, "c", True)]
    assert made["status"].tolist()[:2] == ["completed", "running"]
    assert len(watching.poll()) == 0


def test_it_waits_for_the_next_change(store: Any) -> None:
    watching = inb.watch(store)
    for number in range(3):
        thread = later(lambda number=number: store.save(state(f"w-{number}")))
        assert rows(next(watching)) == [(number + 1, f"w-{number}", False)]
        thread.join(LONG)


def test_a_watch_goes_on_where_an_earlier_one_ended(store: Any) -> None:
    watching = inb.watch(store)
    store.save(state("a"))
    first = next(watching)
    store.save(state("b"))
    assert rows(next(inb.watch(store, since=first))) == [(2, "b", False)]
    assert rows(next(inb.watch(store, since=1))) == [(2, "b", False)]
    assert rows(next(inb.watch(store, since=0))) == [(1, "a", False), (2, "b", False)]
    kept = first.query("change > 5")
    assert rows(next(inb.watch(store, since=kept))) == [(2, "b", False)]


def test_one_status_or_several_are_picked(store: Any) -> None:
    failed = inb.watch(store, status="failed")
    ended = inb.watch(store, status=["failed", "completed"])
    for number, status in enumerate(["running", "failed", "completed"]):
        store.save(state(str(number), status))
    store.delete("0")
    assert rows(next(failed)) == [(2, "1", False), (4, "0", True)]
    assert rows(next(ended)) == [(2, "1", False), (3, "2", False), (4, "0", True)]
    store.save(state("3"))
    assert len(failed.poll()) == 0
    store.save(state("1", "failed"))
    assert rows(next(failed)) == [(6, "1", False)]
    assert failed.poll().attrs["filter"] == {"status": "failed"}


def test_workflows_are_picked_as_in_a_frame(store: Any) -> None:
    given: dict[str, Any] = {
        "workflow": iter(["order"]),
        "prefix": "order-",
        "where": "input.n > 3",
        "longer_than": timedelta(0),
    }
    watching = inb.watch(store, fields=["input.n"], **given)
    for number in range(3, 6):
        store.save(state(f"order-{number}", input={"n": number}))
        store.save(state(f"other-{number}", input={"n": number}))
    made = next(watching)
    assert made["workflow_id"].tolist() == ["order-4", "order-5"]
    assert made["input.n"].tolist() == [4, 5]
    assert made.attrs["filter"] == {
        "workflow": ["order"],
        "prefix": "order-",
        "where": "input.n > 3",
        "longer_than": 0.0,
    }
    store.save(state("order-4", input={"n": 6}))
    assert next(watching)["input.n"].tolist() == [6]


def test_a_watch_goes_on_from_a_frame_of_the_store(store: Any) -> None:
    empty = inb.frame(store)
    store.save(state("a"))
    made = inb.frame(store)
    store.save(state("b"))
    assert rows(next(inb.watch(store, since=made))) == [(2, "b", False)]
    assert rows(next(inb.watch(store, since=empty))) == [(1, "a", False), (2, "b", False)]


def test_one_that_cannot_be_read_is_a_row_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    with SqliteStore(path) as store:
        watching = inb.watch(store)
        for name in ("a", "b", "c"):
            store.save(state(name))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("INSERT OR REPLACE INTO checked_documents VALUES (2, 'broken', NULL)")
        with pytest.warns(UserWarning, match="1 workflow"):
            made = next(watching)
        assert rows(made) == [(1, "a", False), (2, "b", False), (3, "c", False)]
        assert made["error_reading"].isna().tolist() == [True, False, True]
        assert {*made.attrs["unreadable"]} == {"b"}


def test_a_name_is_asked_for_of_what_is_there_only(store: Any) -> None:
    seen: list[str] = []

    def name(one: WorkflowState) -> str:
        seen.append(one.workflow_id)
        return "named"

    watching = inb.watch(store, name=name)
    store.save(state("a-1"))
    store.save(state("b-1"))
    store.delete("b-1")
    assert next(watching)["workflow"].tolist() == ["named", "b"]
    assert seen == ["a-1"]


def test_what_can_no_longer_be_told_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CHANGES_KEPT", 3)
    monkeypatch.setattr(writer, "_WORKS_BETWEEN", 1)
    with SqliteStore(tmp_path / "states.db") as store:
        watching = inb.watch(store)
        for number in range(6):
            store.save(state(str(number)))
        made = next(watching)
        assert made.attrs["reset"] is True
        assert {*made["workflow_id"]} == {*map(str, range(6))}
        assert made["change"].tolist() == [6] * 6
        store.save(state("next"))
        made = next(watching)
        assert (rows(made), made.attrs["reset"]) == ([(7, "next", False)], False)


def test_what_is_read_anew_has_what_cannot_be_read_too(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    with SqliteStore(path) as store:
        for name in ("a", "b"):
            store.save(state(name))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("INSERT OR REPLACE INTO checked_documents VALUES (2, 'broken', NULL)")
        with pytest.warns(UserWarning, match="1 workflow"):
            made = next(inb.watch(store, since=7))
        assert made.attrs["reset"] is True
        assert {*made["workflow_id"]} == {"a", "b"}


def test_another_file_in_its_place_is_read_anew(tmp_path: Path) -> None:
    with StateServer(tmp_path / "one.db", port=0) as server, InngestStore(server.url) as store:
        for name in ("a", "b"):
            store.save(state(name))
        watching = inb.watch(store)
        store.save(state("c"))
        last = next(watching)
        server.close()
        with SqliteStore(tmp_path / "other.db") as other:
            for name in ("x", "y", "z", "a"):
                other.save(state(name))
        with StateServer(tmp_path / "other.db", port=server.port):
            for made in (next(watching), next(inb.watch(store, since=last))):
                assert made.attrs["reset"] is True
                assert {*made["workflow_id"]} == {*"xyza"}


def test_a_server_that_is_away_is_waited_for_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "states.db"
    with StateServer(path, port=0) as server, InngestStore(server.url) as store:
        watching = inb.watch(store)
        store.save(state("a"))
        assert rows(next(watching)) == [(1, "a", False)]
        server.close()
        with pytest.raises(StoreConnectionError):
            watching.poll()
        found: list[pd.DataFrame] = []
        thread = later(lambda: found.append(next(watching)))
        with SqliteStore(path) as beside:
            beside.save(state("b"))
            beside.delete("a")
        with StateServer(path, port=server.port):
            thread.join(LONG)
        assert [rows(made) for made in found] == [[(2, "b", False), (3, "a", True)]]


def test_what_does_not_pass_is_raised(tmp_path: Path) -> None:
    with StateServer(tmp_path / "states.db", port=0) as server:
        with InngestStore(server.url) as store:
            watching = inb.watch(store)
        with pytest.raises(StoreConnectionError, match="no response"):
            next(watching)
    with SqliteStore(tmp_path / "states.db") as in_file:
        watching = inb.watch(in_file)
    with pytest.raises(StoreError, match="closed"):
        next(watching)


def test_an_interrupted_loop_can_go_on(store: Any) -> None:
    watching = inb.watch(store)

    class Interrupting(type(watching._source)):  # type: ignore[misc]
        """Interrupts the main thread once it waits."""

        def ask(self, wait: float) -> Any:
            me = threading.get_ident()
            threading.Timer(0.2, signal.pthread_kill, (me, signal.SIGINT)).start()
            return super().ask(wait)

    source = watching._source
    source.__class__ = Interrupting
    with pytest.raises(KeyboardInterrupt):
        next(watching)
    source.__class__ = Interrupting.__base__
    store.save(state("a"))
    assert rows(next(watching)) == [(1, "a", False)]


def test_closing_ends_the_loop(store: Any) -> None:
    with inb.watch(store) as watching:
        store.save(state("a"))
        for made in watching:
            assert len(made) == 1
            watching.close()
    assert [*watching] == []
    store.save(state("b"))  # the store stays open


def test_closing_in_another_thread_ends_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inngest_nb.frames._watching._WAIT", 0.2)
    with MemoryStore() as store:
        watching = inb.watch(store)
        told: list[list[Any]] = []
        thread = later(lambda: told.append([*watching]))
        watching.close()
        thread.join(LONG)
        assert told == [[]]


# Stores that don't number their changes


@pytest.fixture
def plain() -> Iterator[tuple[PlainServer, InngestStore]]:
    with plain_server() as server, InngestStore(server.url) as store:
        yield server, store


def watched(store: Any, **given: Any) -> Watch:
    with pytest.warns(UserWarning, match="does not number its changes") as caught:
        watching = inb.watch(store, every=0.01, **given)
    assert [warning.filename for warning in caught] == [__file__]
    return watching


def test_a_plain_server_is_read_again_and_a_warning_says_so_once(
    plain: tuple[PlainServer, InngestStore],
) -> None:
    _, store = plain
    store.save(state("a"))
    store.save(state("b"))
    with pytest.warns(UserWarning, match=r"read again every 2 s, and only what this client saved"):
        inb.watch(store)
    watching = watched(store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.save(state("c"))
        store.save(state("a", "failed"))
        store.delete("b")
        made = next(watching)
        assert {*made["workflow_id"]} == {*"abc"}
        assert made.set_index("workflow_id")["deleted"].to_dict() == {
            "a": False,
            "b": True,
            "c": False,
        }
        assert made["change"].isna().all()
        assert (made.attrs["last_change"], made.attrs["listed"]) == (None, False)
        assert len(watching.poll()) == 0
        later(lambda: store.save(state("d")))
        assert next(watching)["workflow_id"].tolist() == ["d"]


def test_a_store_that_lists_but_numbers_nothing_is_read_again(tmp_path: Path) -> None:
    class Old(SqliteStore):
        def can_follow(self) -> bool:
            return False

    with Old(tmp_path / "states.db") as store, SqliteStore(tmp_path / "states.db") as other:
        other.save(state("a"))
        watching = watched(store, status="failed")
        other.save(state("b", "failed"))
        other.save(state("c"))
        other.delete("a")
        made = next(watching)
        assert {*made["workflow_id"]} == {"a", "b"}
        assert made.attrs["listed"] is True
        with pytest.raises(ValueError, match="does not number its changes, so since="):
            inb.watch(store, since=3)


# What is refused


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"since": -1}, ValueError, "since must be the number of a change"),
        ({"since": True}, ValueError, "since must be the number of a change"),
        ({"since": "2h"}, ValueError, "since must be the number of a change"),
        ({"since": pd.DataFrame()}, ValueError, "a frame of a store or of an earlier watch"),
        ({"limit": 5}, TypeError, "watch cannot pick workflows by limit"),
        ({"sort": "-duration", "by": "ended"}, TypeError, "by by, sort"),
        ({"where": "input.n >"}, ValueError, "where: expected"),
        ({"every": 0}, ValueError, "every must be"),
        ({"status": 7}, TypeError, "status"),
        ({"status": [7]}, TypeError, "status"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    given: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with MemoryStore() as store, pytest.raises(kind, match=words):
        inb.watch(store, **given)


def test_what_is_no_store_to_wait_for_is_refused() -> None:
    for thing in (None, [], SqliteStore, state("a")):
        with pytest.raises(TypeError, match="watch needs a store"):
            inb.watch(thing)  # type: ignore[arg-type]
    store: Any = AsyncInngestStore("http://localhost:1")
    with pytest.raises(TypeError, match="watch cannot await"):
        inb.watch(store)


def test_the_repr_names_the_store_without_its_key(tmp_path: Path) -> None:
    with StateServer(tmp_path / "s.db", port=0, event_key="planted-key") as server:
        with InngestStore(server.url, "planted-key") as store:
            watching = inb.watch(store, status="failed")
            store.save(state("a", "failed"))
            shown = f"{watching!r} {next(watching).attrs}"
    assert repr(watching) == f"<Watch of {store!r}, status='failed'>"
    assert "planted-key" not in shown
