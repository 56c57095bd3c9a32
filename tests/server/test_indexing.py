"""The server makes heads of what was saved, before anybody searches."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

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
