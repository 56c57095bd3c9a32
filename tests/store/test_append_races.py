"""Many writers of one history: it grows as if they had come one after the other."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from append_racer import child_environment
from appended_parts import done, part, whole

from inngest_nb import AppendingStore, InngestStore, SqliteStore, StateServer
from inngest_nb.errors import StoreConflictError

THREADS, WINS = 16, 2

CHILD = """
import sys
from append_racer import race
from inngest_nb import InngestStore, SqliteStore
kind, place, name = sys.argv[1:]
with (SqliteStore if kind == "sqlite" else InngestStore)(place) as store:
    race(store, name, 40)
"""


def test_each_version_of_16_threads_has_one_winner(appending_store: AppendingStore) -> None:
    """Each thread appends to the version it has just read, until it has won twice."""
    done(appending_store, whole("x", "e", ""))
    begin = threading.Barrier(THREADS)
    bases: list[str] = []

    def work(worker: int) -> None:
        begin.wait(30)
        won = 0
        while won < WINS:
            state = appending_store.load("x")
            assert state is not None
            write = part("x", [worker * 100 + won], f"e{worker}.{won}", state.etag)
            (error,) = appending_store.append_history([write])
            if error is None:
                bases.append(state.etag)
                won += 1
            else:
                assert isinstance(error, StoreConflictError)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))

    assert max(Counter(bases).values()) == 1
    state = appending_store.load("x")
    assert state is not None
    ids = [event.id for event in state.history]
    assert sorted(ids) == [worker * 100 + won for worker in range(THREADS) for won in range(WINS)]
    for worker in range(THREADS):  # each found its own in its own order
        assert [number for number in ids if number // 100 == worker] == sorted(
            number for number in ids if number // 100 == worker
        )


def test_of_many_who_begin_a_workflow_one_does(appending_store: AppendingStore) -> None:
    begin = threading.Barrier(THREADS)

    def work(worker: int) -> bool:
        begin.wait(30)
        (error,) = appending_store.append_history([whole("x", f"e{worker}", "")])
        assert error is None or isinstance(error, StoreConflictError)
        return error is None

    with ThreadPoolExecutor(THREADS) as pool:
        won = list(pool.map(work, range(THREADS)))
    assert won.count(True) == 1
    state = appending_store.load("x")
    assert state is not None
    assert state.etag == f"e{won.index(True)}"


def test_two_processes_append_to_one_file(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        check_two_processes(store, "sqlite", str(tmp_path / "s.db"))


def test_two_processes_append_through_one_server(tmp_path: Path) -> None:
    with StateServer(tmp_path / "s.db", port=0) as server, InngestStore(server.url) as store:
        check_two_processes(store, "http", server.url)


def check_two_processes(store: AppendingStore, kind: str, place: str) -> None:
    done(store, whole("x", "e", ""))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, kind, place, name],
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment(),
        )
        for name in "ab"
    ]
    said = [racer.communicate(timeout=120)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    state = store.load("x")
    assert state is not None
    names = [event.activity_name for event in state.history]
    assert len(names) == 80
    for name, won in zip("ab", said, strict=True):
        assert [one for one in names if one[0] == name] == won
    assert state.etag == names[-1]
