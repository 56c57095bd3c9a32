"""Detects code that blocks the engine's loop, logs where, and lets the other runs continue."""

from __future__ import annotations

import asyncio
import logging
import threading

from inngest_nb.engine.basics._place import NOWHERE, Place, place_of
from inngest_nb.engine.threads._loop import PrivateLoop, Turn

_LOOKS_SECONDS = 0.25
_MOST_SECONDS = 1.0
_SAMPLES, _BETWEEN_SAMPLES = 50, 0.001

_log = logging.getLogger("inngest_nb.engine")


class Watchdog:
    """Watches the loop's thread from a thread of its own.

    If workflow code blocks the loop, the loop moves to another thread. If an async activity does,
    that is logged.
    """

    def __init__(self, loop: PrivateLoop) -> None:
        self._loop = loop
        self._seen: Turn | asyncio.Task[object] | None = None
        self._looks = 0  # how often it was seen again
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start watching. Calling it again does nothing."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="inngest-nb-watchdog", daemon=True)
            thread.start()
            self._thread = thread

    def close(self) -> None:
        """Stop watching, and wait for the thread to end."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_MOST_SECONDS)

    def _run(self) -> None:
        while not self._closed.wait(_LOOKS_SECONDS):
            try:
                self._look()
            except Exception:  # noqa: BLE001  # the thread must survive any error
                _log.exception("the engine's loop could not be checked; please report this")

    def _look(self) -> None:
        turn, loop = self._loop.turn, self._loop.loop
        seen = turn or (None if loop is None else asyncio.current_task(loop))
        if seen is not self._seen or seen is None:
            self._seen, self._looks = seen, 0
            return
        # Checks are counted instead of seconds, so that a busy machine does not cause false alarms.
        self._looks += 1
        if self._looks * _LOOKS_SECONDS == _MOST_SECONDS:
            if turn is not None:
                self._move_loop(turn)
            elif isinstance(seen, asyncio.Task):
                self._warn_of(seen)

    def _move_loop(self, turn: Turn) -> None:
        place = self._place_in(turn)
        others = "continue in another thread" if self._loop.move(turn) else "have to wait for it"
        _log.warning(
            "the code of workflow %r has been running for a second without waiting, now in %s. "
            "Other runs %s. Move slow work to an activity",
            *(*turn, place, others),
        )

    def _warn_of(self, task: asyncio.Task[object]) -> None:
        _log.warning(
            "%s has been blocking the engine's loop for a second, now in %s. All other runs have "
            "to wait for it. Make it a plain function, which runs in its own thread",
            *(task.get_name(), self._place_in(None)),
        )

    def _place_in(self, turn: Turn | None) -> Place:
        """Return the line that is running; tries again if the thread is between two lines."""
        for _ in range(_SAMPLES):
            if (place := place_of(self._loop.stack_of(turn))) is not NOWHERE:
                break
            self._closed.wait(_BETWEEN_SAMPLES)
        return place
