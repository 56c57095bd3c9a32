"""What was acknowledged is there after `kill -9`, byte for byte."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inngest_nb import InngestStore, SqliteStore, WorkflowState, wire
from inngest_nb.errors import StoreConnectionError

SAVES, THREADS = 1000, 8


def test_a_killed_server_has_lost_no_acknowledged_save(tmp_path: Path) -> None:
    """The server is killed at a random moment of 1,000 saves from 8 threads, three times over."""
    for round_ in range(3):
        acknowledged = save_until_killed(tmp_path / f"{round_}.db", random.randint(50, 900))
        with SqliteStore(tmp_path / f"{round_}.db") as store:
            kept = {state.workflow_id: wire.encode(state) for state in store.list()}
        assert 50 <= len(acknowledged) < SAVES
        assert {key: kept.get(key) for key in acknowledged} == acknowledged


def save_until_killed(path: Path, kill_after: int) -> dict[str, bytes]:
    command = [sys.executable, "-m", "inngest_nb", "serve", "--port", "0", "--path", str(path)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = re.findall(r"http://[^\s,]+", server.stdout.readline())[0]
    acknowledged: dict[str, bytes] = {}
    lock = threading.Lock()

    def save(number: int) -> None:
        state = WorkflowState(workflow_id=f"wf-{number}", input={"payload": "ü" * (number % 500)})
        try:
            stores[number % THREADS].save(state)
        except StoreConnectionError:
            return
        with lock:
            acknowledged[state.workflow_id] = wire.encode(state)
            if len(acknowledged) == kill_after:
                server.kill()

    stores = [InngestStore(url) for _ in range(THREADS)]
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(save, range(SAVES)))
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        for store in stores:
            store.close()
    return acknowledged
