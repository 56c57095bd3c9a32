"""Worker processes on the stand-in for Inngest, each of which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_TESTS = Path(__file__).parent


class WorkerProcess:
    """`inngest-nb worker … --on inngest`; what it writes to stderr is in the file `log`."""

    def __init__(self, url: str, module: str, log: Path, *options: str, **variables: str) -> None:
        command = [sys.executable, "-m", "inngest_nb", "worker", module, "--on", "inngest"]
        paths = os.pathsep.join([str(_TESTS), *filter(None, sys.path)])
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [*command, "--url", url, *options],
                env=os.environ | {"PYTHONPATH": paths} | variables,
                cwd=log.parent,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.pid = self.process.pid

    def wait_active(self) -> None:
        """Wait until it serves; it prints what it is once, and again if that took a while."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if "state='active'" in line:
                return
        raise AssertionError(f"no worker: {lines}")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class InngestFleet:
    """So many workers of one module; with `via="http"` they share a port."""

    def __init__(
        self, url: str, module: str, via: str, folder: Path, *, app: str = "nb", **variables: str
    ) -> None:
        self._url, self._module = url, module
        self._log, self._variables = folder / "workers.log", variables
        self._options = ["--via", via, "--app-id", app]
        # It is bound, and never listens: nobody else is given the port that the workers share.
        self._port = socket.socket()
        if via == "http":
            self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._port.bind(("127.0.0.1", 0))
            self._options += ["--port", str(self._port.getsockname()[1])]
        self.workers: dict[int, WorkerProcess] = {}
        self.killed: set[int] = set()
        self._active: set[int] = set()

    def start(self, number: int = 1) -> None:
        """Start so many more; they serve when they have imported everything."""
        for _ in range(number):
            worker = WorkerProcess(
                self._url, self._module, self._log, *self._options, **self._variables
            )
            self.workers[worker.pid] = worker

    def wait_active(self, number: int) -> None:
        """Start what is missing, and wait until so many workers serve."""
        self.start(number - len(self.workers))
        for worker in self.workers.values():
            assert worker.process.poll() is None, "a worker has ended by itself"
            if worker.pid not in self._active:
                worker.wait_active()
                self._active.add(worker.pid)

    def kill(self, pid: int) -> None:
        """End a worker with SIGKILL."""
        self.workers.pop(pid).kill()
        self.killed.add(pid)

    def close(self) -> None:
        for worker in self.workers.values():
            worker.kill()
        self._port.close()


@contextlib.contextmanager
def inngest_fleet(
    url: str, module: str, via: str, folder: Path, **settings: str
) -> Iterator[InngestFleet]:
    fleet = InngestFleet(url, module, via, folder, **settings)
    try:
        yield fleet
    finally:
        fleet.close()
