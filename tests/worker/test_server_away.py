"""A server that dies and comes back later: a worker process finds it again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from inngest_fleet import WorkerProcess
from inngest_site import until
from lost_workflows import LOG, lost_plain_row

from inngest_nb import InngestAPI
from inngest_nb.worker._handle import InngestHandle, start_run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills")]

# INNGEST_NB_CHAOS=1 takes three minutes: the SDK gives up for good after 25 seconds.
IS_LONG = bool(os.environ.get("INNGEST_NB_CHAOS"))
AWAY_SECONDS = 60.0 if IS_LONG else 0.0
BACK_WITHIN = 10.0 if IS_LONG else 30.0  # seconds; a busy machine gets more

_STAND_IN = Path(__file__).parents[1] / "serve_engine.py"


class Server:
    """The stand-in as a process; at its address nobody answers while it is away."""

    def __init__(self) -> None:
        self._port = socket.socket()  # bound, and never listening: nobody else is given the port
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.come_back()

    def come_back(self) -> None:
        """Start it anew, with nothing that it knew before."""
        command = [sys.executable, str(_STAND_IN), "--port", str(self._port.getsockname()[1])]
        same = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=same
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http"), "no server"

    def die(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        self.die()
        self._port.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("via", ["http", "connect"])
def test_a_worker_finds_its_server_again(
    server: Server, via: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    log = tmp_path / "workers.log"
    options = ["--via", via, "--app-id", "shop"]
    effects = {LOG: str(tmp_path / "effects.log")}
    worker = WorkerProcess(server.url, "lost_workflows", log, *options, **effects)
    try:
        worker.wait_active()
        assert _run(server.url) == [8, 0, 1, 4, 9, 512]
        server.die()
        died = time.monotonic()
        until(lambda: "waits for its server" in log.read_text())
        until(lambda: time.monotonic() > died + AWAY_SECONDS, 2 * AWAY_SECONDS + 1)
        server.come_back()
        back = time.monotonic()
        until(lambda: _serves(server.url), BACK_WITHIN)
        record_property("seconds until the worker was back", time.monotonic() - back)
        assert _run(server.url) == [8, 0, 1, 4, 9, 512]
        until(lambda: "is back" in log.read_text())
        went, came = log.read_text().splitlines()
    finally:
        worker.kill()
    assert went.startswith(
        "worker 'shop' waits for its server: inngest functions: no response from"
    )
    assert came == f"worker 'shop': {server.url} is back; serving again"


def _serves(url: str) -> bool:
    with InngestAPI(url) as api:
        return any(each.app_id == "shop" for each in api.apps())


def _run(url: str) -> object:
    with InngestAPI(url) as api:
        workflow_id, run_id = start_run(api, "shop", lost_plain_row, 2, None, None)
        return InngestHandle(api, lost_plain_row, workflow_id, run_id).result(60)
