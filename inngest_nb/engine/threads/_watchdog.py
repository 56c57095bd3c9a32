"""Notices code that keeps the engine's loop to itself, says which it is, and gets the others on."""

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
    """Looks at the loop's thread, from one of its own.

    A workflow's code that does not give the thread back loses it: the loop moves to another one.
    Of an async activity that does not, the log tells.
    """

    def __init__(self, loop: PrivateLoop) -> None:
        self._loop = loop
        self._seen: Turn | asyncio.Task[object] | None = None
        self._looks = 0  # at which it was seen again
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; again is no error."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="inngest-nb-watchdog", daemon=True)
            thread.start()
            self._thread = thread

    def close(self) -> None:
        """Look no more, and wait for the thread: it ends as soon as it hears of it."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_MOST_SECONDS)

    def _run(self) -> None:
        while not self._closed.wait(_LOOKS_SECONDS):
            try:
                self._look()
            except Exception:  # noqa: BLE001  # the thread outlives whatever it meets
                _log.exception("the engine's loop could not be looked at; please report this")

    def _look(self) -> None:
        turn, loop = self._loop.turn, self._loop.loop
        seen = turn or (None if loop is None else asyncio.current_task(loop))
        if seen is not self._seen or seen is None:
            self._seen, self._looks = seen, 0
            return
        # Looks are counted, not seconds: a machine too busy for the loop is too busy for this.
        self._looks += 1
        if self._looks * _LOOKS_SECONDS == _MOST_SECONDS:
            if turn is not None:
                self._get_on(turn)
            elif isinstance(seen, asyncio.Task):
                self._tell_of(seen)

    def _get_on(self, turn: Turn) -> None:
        place = self._place_in(turn)
        others = "go on in another thread" if self._loop.move(turn) else "wait for it"
        _log.warning(
            "the code of workflow %r has run for a second without waiting, now in %s. Other runs "
            "%s. What takes long belongs in an activity",
            *(*turn, place, others),
        )

    def _tell_of(self, task: asyncio.Task[object]) -> None:
        _log.warning(
            "%s has kept the engine's loop for a second, now in %s. All other runs wait for it. "
            "Make it a plain function: that gets a thread of its own",
            *(task.get_name(), self._place_in(None)),
        )

    def _place_in(self, turn: Turn | None) -> Place:
        """Return which line runs; one that is between two lines is soon in another one."""
        for _ in range(_SAMPLES):
            if (place := place_of(self._loop.stack_of(turn))) is not NOWHERE:
                break
            self._closed.wait(_BETWEEN_SAMPLES)
        return place
