"""Worker processes on a state server, each of which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_TESTS = Path(__file__).parent


class ServerProcess:
    """A state server as a process, that comes back at the same address."""

    def __init__(self, file: Path) -> None:
        self._file = file
        # It is bound, and never listens: while the server is away, nobody else is given its port.
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.url = ""
        self._process = self._start()

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._port.close()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def start_again(self) -> None:
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "inngest_nb", "serve"]
        options = ["--port", str(self._port.getsockname()[1]), "--path", str(self._file)]
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.findall(r"http://[^\s,]+", line)
        assert found, f"no server: {line!r}"
        self.url = found[0]
        return process


class Fleet:
    """So many workers on one server; those that are killed are known by their process id."""

    def __init__(self, folder: Path, workers: int, *, lease: float, **variables: str) -> None:
        self.server = ServerProcess(folder / "states.db")
        self.killed: set[int] = set()
        self.events: list[tuple[float, str, int]] = []  # for whoever reads of a failure
        self._folder, self._lease = folder, lease
        paths = os.pathsep.join([str(_TESTS), *filter(None, sys.path)])
        self._environment = os.environ | {"PYTHONPATH": paths} | variables
        self.workers = [self._start() for _ in range(workers)]

    def kill_worker(self, number: int, *, start_again: bool = True) -> None:
        """End a worker with SIGKILL, and let another one take its place."""
        worker = self.workers[number]
        assert worker.poll() is None, "a worker has ended by itself"
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        self.killed.add(worker.pid)
        self._note("killed", worker.pid)
        if start_again:
            self.workers[number] = self._start()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.server.close()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "inngest_nb", "worker", "chaos_workflows"]
        options = ["--store", self.server.url, "--lease", str(self._lease)]
        with (self._folder / "workers.log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, *options],
                env=self._environment,
                cwd=self._folder,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._note("started", worker.pid)
        return worker

    def kill_server(self) -> None:
        """End the server with SIGKILL, and start it again."""
        self.server.kill()
        self._note("server killed", 0)
        self.server.start_again()
        self._note("server back", 0)

    def _note(self, what: str, pid: int) -> None:
        self.events.append((time.time(), what, pid))


@contextlib.contextmanager
def fleet(folder: Path, workers: int, *, lease: float, **variables: str) -> Iterator[Fleet]:
    made = Fleet(folder, workers, lease=lease, **variables)
    try:
        yield made
    finally:
        made.close()
