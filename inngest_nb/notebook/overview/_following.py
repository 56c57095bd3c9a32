"""Following a store: its overview is drawn anew when something has changed, and as time goes by."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from inngest_nb.errors import StoreConnectionError
from inngest_nb.notebook.overview._picture import Picture
from inngest_nb.notebook.page import News
from inngest_nb.store import WorkflowStore
from inngest_nb.words import duration_text, short

__all__ = ["Following"]

_SHORTEST = 1.0  # seconds between two pictures
_LONGEST = 60.0  # also without changes: what is stuck is stuck for longer
_SHARE = 0.1  # of its time, at most, it reads and draws
_WAIT = 2.0  # of one long poll: a view that was closed lets go of its store after so long
_PAUSE = 5.0  # between two looks at a store that cannot tell when it has changed
_LIVE = "Live: updates until you call close() or the kernel stops."


class Following:
    """The last picture of a store, and a thread that draws new ones until it is closed.

    `done` is set once nobody draws any more.
    """

    def __init__(self, store: WorkflowStore, draw: Callable[[], Picture]) -> None:
        self.done = threading.Event()
        self._store = store
        self._draw = draw
        self._stopped = threading.Event()
        self._picture = draw()
        self._drawn_at = datetime.now(UTC)
        self._note = _LIVE

    def picture(self) -> Picture:
        """Return the last picture, with a word on what keeps it up to date, or doesn't."""
        return replace(self._picture, note=self._note)

    def start(self, changed: Callable[[], object], shortest: float = _SHORTEST) -> None:
        """Draw from a thread; `changed` is called after each picture."""
        run = contextvars.copy_context().run  # in which the kernel knows the cell
        threading.Thread(
            target=run,
            args=(self._work, changed, shortest),
            name="inngest-nb-overview",
            daemon=True,
        ).start()

    def close(self) -> None:
        """Draw no more; the last picture stays."""
        self._stopped.set()

    def _work(self, changed: Callable[[], object], shortest: float) -> None:
        try:
            self._follow(changed, shortest)
            self._note = "No longer updated."
        except Exception as error:  # noqa: BLE001  # the picture tells
            self._note = f"No longer updated: {type(error).__name__}: {short(str(error), 300)}"
        finally:
            self.done.set()
            changed()

    def _follow(self, changed: Callable[[], object], shortest: float) -> None:
        news: News | None = None
        behind, took = True, 0.0
        while not self._stopped.wait(max(shortest, took / _SHARE)):
            try:
                if news is None:  # noted before it is drawn, so that nothing is missed between
                    first = News(self._store)
                    first.wait(0)
                    news = first
                elif not behind:
                    _wait(news, self._stopped, _LONGEST)
                    if self._stopped.is_set():
                        return
                behind = True
                begun = time.monotonic()
                self._picture, self._note = self._draw(), _LIVE
                self._drawn_at = datetime.now(UTC)
                took = time.monotonic() - begun
                behind = False
            except StoreConnectionError as error:
                since = duration_text(datetime.now(UTC) - self._drawn_at)
                self._note = f"As of {since} ago; retrying: {short(str(error), 300)}"
            changed()


def _wait(news: News, stopped: threading.Event, most: float) -> None:
    """Return once there is news, or after `most` seconds, or when it is `stopped`."""
    deadline = time.monotonic() + most
    while not stopped.is_set() and time.monotonic() < deadline:
        if not news.can_tell:
            stopped.wait(_PAUSE)
            return  # a store that cannot tell may have changed
        if news.wait(_WAIT):
            return
