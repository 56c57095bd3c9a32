"""Work in a forked process."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress


def in_a_child(work: Callable[[], str]) -> Callable[[], str]:
    """Fork, and give what waits for the child's work and returns its words."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            words = work()
        except BaseException as error:  # noqa: BLE001  # told to the parent
            words = f"{type(error).__name__}: {error} {getattr(error, '__notes__', '')}"
        with suppress(BaseException):
            os.write(writing, words.encode()[:4000])
        os._exit(0)
    os.close(writing)

    def ended() -> str:
        with os.fdopen(reading, "rb") as pipe:
            words = pipe.read().decode()
        os.waitpid(pid, 0)
        return words

    return ended
