"""The server makes heads of what was saved, before anybody searches."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from inngest_nb import InngestStore, StateServer, WorkflowState


def kept(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM heads").fetchone()
        return int(count)


def test_heads_are_made_once_nobody_saves(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with StateServer(path, port=0) as server, InngestStore(server.url) as store:
        for number in range(25):
            store.save(WorkflowState(workflow_id=f"w-{number}"))
        deadline = time.monotonic() + 60
        while kept(path) < 25:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert kept(path) == 25


def test_a_server_that_is_closed_at_once_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with StateServer(path, port=0) as server, InngestStore(server.url) as store:
        store.save(WorkflowState(workflow_id="w"))
    assert kept(path) == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")
def test_a_save_does_not_wake_the_thread_that_makes_heads(tmp_path: Path) -> None:
    """Its wake-ups once made each save a tenth slower."""
    saves = 200
    with StateServer(tmp_path / "s.db", port=0) as server, InngestStore(server.url) as store:
        store.save(WorkflowState(workflow_id="w"))
        before = wake_ups("inngest-nb-heads")
        for number in range(saves):
            store.save(WorkflowState(workflow_id=f"w-{number}"))
        assert wake_ups("inngest-nb-heads") - before < saves / 4


def wake_ups(name: str) -> int:
    """How often the thread of this name has waited for something."""
    (thread,) = (each for each in threading.enumerate() if each.name == name)
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("voluntary_ctxt_switches"))
    return int(line.split()[1])
