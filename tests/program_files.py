"""What the processes of a random program share: files, one for the time and one for the states."""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from program_time import Time

from inngest_nb import SqliteStore, Write
from inngest_nb.errors import StoreConnectionError

if sys.platform != "win32":
    import fcntl

_SIZE = 40


class SharedTime(Time):
    """The time as all processes see it, and change it: a few numbers in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), _SIZE)).cast("q")
        self._lock = self._file_lock = _FileLock(path)

    def close(self) -> None:
        self._file_lock.close()


class _FileLock:
    """A lock between processes, and between the threads of each."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._threads = threading.Lock()

    def __enter__(self) -> None:
        self._threads.acquire()
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def close(self) -> None:
        self._file.close()

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()


class MortalFile(SqliteStore):
    """A file of states whose process ends with one of its writes, and that can be away."""

    def __init__(self, path: Path, time: Time) -> None:
        super().__init__(path)
        self.time = time
        self.changed: Callable[[], None] = lambda: None
        self.writes_left: int | None = None
        self.answer_only = self.dead = False

    def die(self, after: int = 0, *, answer_only: bool = False) -> None:
        self.writes_left, self.answer_only = after, answer_only

    def cut(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        outcomes: list[BaseException | None] = []
        self.check_there()
        for write in writes:
            last = self.writes_left == 0
            if last and not self.answer_only:
                self.cut()
            outcomes += super().append_history([write])
            if last:
                self.cut()
            if self.writes_left is not None:
                self.writes_left -= 1
        self.changed()
        return outcomes

    def check_there(self) -> None:
        if self.time.store_is_away:
            raise StoreConnectionError("the store is away")


def _unless_away(name: str) -> Callable[..., Any]:
    does = getattr(SqliteStore, name)

    @wraps(does)
    def method(self: MortalFile, *args: Any, **options: Any) -> Any:
        self.check_there()
        return does(self, *args, **options)

    return method


# All that an executor asks of a store; what it has begun to wait for before, it goes on to wait for.
for _name in (
    *("save", "load", "delete", "list", "fetch", "refresh"),
    *("hold_lease", "leases", "abandoned", "send", "receive", "discard", "watch"),
):
    setattr(MortalFile, _name, _unless_away(_name))
