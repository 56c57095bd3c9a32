"""Writes that wait at the same time share a commit, and none of them is forgotten."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from appended_parts import done, part, whole
from started_threads import threads

from inngest_nb import SqliteStore, WorkflowState, Write
from inngest_nb.errors import StoreFileError

# How writes share a commit depends on when each comes, which only a disk of ours can decide.
from inngest_nb.store.tables._commits import Commits, _Waiting
from inngest_nb.store.writes import Outcome, Work

W = Write("x", b"{}", False)


class Disk:
    """Commits when it is let, and remembers how much went together."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.released = 0

    def commit(self, works: Sequence[Work]) -> list[Outcome]:
        self.begun.release()
        # In short waits: a signal that comes right before one does not end it.
        assert any(self.go.acquire(timeout=0.1) for _ in range(300))
        self.sizes.append(len(works))
        return [
            ValueError(work.workflow_id) if work.workflow_id == "bad" else None for work in works
        ]

    def release(self) -> None:
        self.released += 1


def commits_of(disk: Disk) -> Commits:
    return Commits(disk.commit, disk.release, lambda: ValueError("closed"))


def wait_until(queue: Commits, length: int) -> None:
    """Wait until so many wait for the one that is being committed."""
    done = threading.Event()
    for _ in range(3000):
        if len(queue._queue) == length:
            return
        done.wait(0.01)
    raise AssertionError(f"{len(queue._queue)} wait, not {length}")


def test_what_waits_goes_into_one_commit() -> None:
    disk = Disk()
    queue = commits_of(disk)
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(queue.now, [W])
        assert disk.begun.acquire(timeout=30)
        others = [pool.submit(queue.now, [W] * n) for n in range(1, 16)]
        wait_until(queue, 15)
        disk.go.release(2)
        assert first.result(30) == [None]
        assert [list(other.result(30)) for other in others] == [[None] * n for n in range(1, 16)]
    assert disk.sizes == [1, 120]
    queue.close()


def test_a_waiting_thread_and_a_callback_share_a_commit() -> None:
    disk = Disk()
    queue = commits_of(disk)
    told: list[Sequence[Outcome]] = []
    all_told = threading.Event()

    def tell(outcomes: Sequence[Outcome]) -> None:
        told.append(outcomes)
        if len(told) == 2:
            all_told.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(queue.now, [W])
        assert disk.begun.acquire(timeout=30)
        queue.soon([W, W._replace(workflow_id="bad")], tell)
        second = pool.submit(queue.now, [W])
        wait_until(queue, 2)
        queue.soon([W], tell)
        disk.go.release(3)
        assert first.result(30) == second.result(30) == [None]
        assert all_told.wait(30)
    assert [[outcome and str(outcome) for outcome in outcomes] for outcomes in told] == [
        [None, "bad"],
        [None],
    ]
    assert disk.sizes == [1, 4]
    queue.close()


def test_one_commit_is_not_without_end() -> None:
    disk = Disk()
    queue = commits_of(disk)
    with ThreadPoolExecutor(5) as pool:
        results = [pool.submit(queue.now, [W])]
        assert disk.begun.acquire(timeout=30)
        for _ in range(4):
            results.append(pool.submit(queue.now, [W] * 300))
        wait_until(queue, 4)
        disk.go.release(5)
        assert sum(len(result.result(30)) for result in results) == 1201
    assert disk.sizes == [1, 300, 300, 300, 300]
    queue.close()


def test_closing_finishes_what_was_begun_and_lets_go() -> None:
    disk = Disk()
    queue = commits_of(disk)
    told: list[Sequence[Outcome]] = []
    queue.soon([W], told.append)
    assert disk.begun.acquire(timeout=30)
    queue.soon([W, W], told.append)
    disk.go.release(2)
    queue.close()
    queue.close()
    assert told == [[None], [None, None]]
    assert disk.released >= 1
    for use in (lambda: queue.now([W]), lambda: queue.soon([W], told.append)):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_the_connection_is_given_back_after_the_last_commit() -> None:
    """Also where a thread waits for its turn while another one closes."""
    happened: list[str] = []

    def commit(works: Sequence[Work]) -> list[Outcome]:
        happened.append("commit")
        return [None] * len(works)

    queue = Commits(commit, lambda: happened.append("release"), lambda: ValueError("closed"))
    waiting = queue._enqueue(_Waiting([W]))
    queue.close()
    assert waiting.outcomes == [None]
    assert happened == ["commit", "release"]


def test_an_interrupt_leaves_the_work_of_others_to_them() -> None:
    """Ctrl-C in the thread that commits for the others too: they commit for themselves."""
    disk = Disk()
    queue = commits_of(disk)
    main = threading.main_thread().ident
    assert main is not None
    others: list[object] = []

    def interrupt() -> None:
        assert disk.begun.acquire(timeout=30)
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(queue.now, [W]) for _ in range(3)]
            wait_until(queue, 3)
            signal.pthread_kill(main, signal.SIGINT)
            assert disk.begun.acquire(timeout=30)
            disk.go.release(3)
            others.extend(future.result(30) for future in waiting)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        queue.now([W])
    thread.join(30)
    assert others == [[None]] * 3
    assert disk.sizes == [3]
    assert not queue._queue
    queue.close()


def test_an_interrupt_in_a_shared_commit_leaves_the_others_in_the_queue() -> None:
    disk = Disk()
    queue = commits_of(disk)
    main = threading.main_thread().ident
    assert main is not None
    others = [queue._enqueue(_Waiting([W])) for _ in range(3)]

    def interrupt() -> None:
        assert disk.begun.acquire(timeout=30)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        queue.now([W])
    thread.join(30)
    assert [other.outcomes for other in others] == [None] * 3
    disk.go.release()
    queue.close()
    assert [other.outcomes for other in others] == [[None]] * 3
    assert disk.sizes == [3]


def test_a_row_that_the_database_refuses_takes_no_other_along(tmp_path: Path) -> None:
    """One that is too long for SQLite fails alone, and nothing of it is left."""
    path = tmp_path / "s.db"
    with SqliteStore(path) as store:
        store.append_history([whole("x", "e0"), whole("y", "f0")])
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute(
                "CREATE TRIGGER no BEFORE INSERT ON numbered_parts WHEN instr(new.body, 'forbidden') "
                "BEGIN SELECT raise(ABORT, 'this row is forbidden'); END"
            )
        writes = [
            part("x", [1], "e1", "e0"),
            part("y", [1], "f1", "f0", error="forbidden"),
            part("x", [2], "e2", "e1"),
            part("x", [3], "e3", "e2", error="forbidden"),
            part("x", [3], "e4", "e2"),
        ]
        outcomes = store.append_history(writes)
        assert [outcome and type(outcome) for outcome in outcomes] == [
            *(None, StoreFileError, None, StoreFileError, None)
        ]
        assert "this row is forbidden" in str(outcomes[1])
        loaded = {state.workflow_id: state for state in store.list()}
    assert [event.id for event in loaded["x"].history] == [1, 2, 3]
    assert (loaded["x"].etag, loaded["y"].etag, loaded["y"].history) == ("e4", "f0", ())


def test_a_thread_that_waits_commits_itself(tmp_path: Path) -> None:
    before = threads()
    with SqliteStore(tmp_path / "s.db") as store:
        store.save(WorkflowState(workflow_id="x"))
        store.append_history([part("x", [1])])
        store.delete("x")
        assert not [t for t in threads() - before if t.name == "inngest-nb-writer"]


def test_a_reader_sees_a_document_and_its_parts_of_one_version(tmp_path: Path) -> None:
    """While whole saves and appends go on, the number in each event is that of its document."""
    end = threading.Event()
    with SqliteStore(tmp_path / "s.db") as store, ThreadPoolExecutor(3) as pool:

        def write() -> None:
            try:
                for generation in range(150):
                    done(store, whole("x", run_id=str(generation)))
                    two = part("x", [generation], f"two-{generation}")
                    done(store, part("x", [generation]), two)
            finally:
                end.set()

        def read() -> set[int]:
            lengths = set()
            while not end.is_set():
                for state in (store.load("x"), *store.list()):
                    if state is not None:
                        ids = [str(event.id) for event in state.history]
                        assert ids == [state.run_id] * len(ids)
                        assert (len(ids) == 2) == state.etag.startswith("two")
                        lengths.add(len(ids))
            return lengths

        writer, *readers = pool.submit(write), pool.submit(read), pool.submit(read)
        writer.result(60)
        assert [reader.result(60) for reader in readers] == [{0, 2}] * 2
