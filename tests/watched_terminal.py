"""A terminal in place of stderr, which keeps what is written to it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import threading
from codecs import getincrementaldecoder
from typing import Self

SECONDS = 30


class WatchedTerminal:
    """What is shown while its block lasts is in `text`, with all that moves the cursor."""

    def __init__(self) -> None:
        self.text = ""
        self._changed = threading.Condition()
        self._master, slave = pty.openpty()
        self._stream = os.fdopen(slave, "w", encoding="utf-8")
        self._reader = threading.Thread(target=self._read)
        self._as_stderr = contextlib.redirect_stderr(self._stream)

    def __enter__(self) -> Self:
        self._reader.start()
        self._as_stderr.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._as_stderr.__exit__(None, None, None)
        self._stream.close()
        self._reader.join()
        os.close(self._master)

    def shown(self, pattern: str) -> str:
        """Wait until something is shown, and return all that was shown by then."""
        with self._changed:
            assert self._changed.wait_for(lambda: re.search(pattern, self.text), SECONDS), self.text
            return self.text

    def _read(self) -> None:
        decoder = getincrementaldecoder("utf-8")()
        with contextlib.suppress(OSError):  # nobody has it open for writing any more
            while data := os.read(self._master, 65_536):
                with self._changed:
                    self.text += decoder.decode(data)
                    self._changed.notify_all()
