"""Worker processes on one store: they take what nobody runs, also from one that was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from worked_workflows import LOG, worked

from inngest_nb import Executor, InngestStore, SqliteStore, StateServer, WorkflowStore

TESTS = str(Path(__file__).parents[1])


@contextmanager
def worker(place: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "inngest_nb", "worker", "worked_workflows:worked"]
    process = subprocess.Popen(
        [*command, "--store", place, "--lease", "2"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {LOG: str(log), "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
    )
    try:
        assert process.stdout is not None
        assert "workflows: worked" in process.stdout.readline()
        yield process
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def effects(log: Path) -> list[list[Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield str(tmp_path / "states.db")
        return
    with StateServer(tmp_path / "states.db", port=0) as server:
        yield server.url


def open_store(place: str) -> WorkflowStore:
    return InngestStore(place, "") if place.startswith("http") else SqliteStore(place)


def test_a_worker_takes_over_from_one_that_was_killed(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv(LOG, str(log))
    ids = [f"w{number}" for number in range(6)]
    with open_store(place) as store:
        with Executor(store) as executor:
            for workflow_id in ids:
                executor.execute(worked, id=workflow_id, input=30)
        deadline = time.monotonic() + 60
        with worker(place, log) as first:
            while len(effects(log)) < 40:
                assert time.monotonic() < deadline
            first.kill()
            first.wait(10)
            killed = first.pid
        with worker(place, log), Executor(store) as executor:
            assert [executor.handle(each).result(60) for each in ids] == [30] * 6
    done = effects(log)
    assert {entry[0] for entry in done} >= {killed}
    # What was in flight in this process when its executor was closed does not count here.
    of_workers = [entry for entry in done if entry[0] != os.getpid()]
    begun = Counter(tuple(entry[2:]) for entry in of_workers if entry[1] == "begun")
    all_begun = {tuple(entry[2:]) for entry in done if entry[1] == "begun"}
    assert all_begun == {(each, number) for each in ids for number in range(30)}
    twice = [call for call, times in begun.items() if times > 1]
    assert len(twice) <= len(ids)  # those that were in flight
    assert max(begun.values()) <= 2


def test_a_worker_says_what_it_cannot_load(tmp_path: Path) -> None:
    for given, words in (
        ("no_such_module", "no module named 'no_such_module'"),
        ("worked_workflows:no_such", "has no function 'no_such'"),
    ):
        command = [sys.executable, "-m", "inngest_nb", "worker", given]
        done = subprocess.run(
            [*command, "--store", str(tmp_path / "s.db")],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
        )
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_an_executor_that_supervises_resumes_what_nobody_runs(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOG, str(tmp_path / "log"))
    with open_store(place) as store:
        with Executor(store) as first:
            first.execute(worked, id="w", input=3)
        with Executor(store, supervise=True, lease=1) as second:
            assert second.handle("w").result(60) == 3
