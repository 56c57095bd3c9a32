"""Following a store: its overview is drawn anew when something has changed, and as time goes by."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from inngest_nb.errors import ListingUnsupportedError, StoreConnectionError
from inngest_nb.notebook.overview._picture import Picture
from inngest_nb.store import Head, HeadStore, WorkflowStore
from inngest_nb.words import duration_text, short

__all__ = ["Following"]

_SHORTEST = 1.0  # seconds between two pictures
_LONGEST = 60.0  # also without news: what is stuck is so for longer
_SHARE = 0.1  # of its time, at most, it reads and draws
_LONGEST_PAUSE = 5.0  # between two looks for news: the longer nothing happens, the longer
_REACH = 100  # heads that a look reads: whatever is saved is among the newest
_LIVE = "Live: it follows the store until its close() is called or the kernel stops."


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
            self._note = "No longer followed."
        except Exception as error:  # noqa: BLE001  # the picture tells
            self._note = f"No longer followed: {type(error).__name__}: {short(str(error), 300)}"
        finally:
            self.done.set()
            changed()

    def _follow(self, changed: Callable[[], object], shortest: float) -> None:
        news: _News | None = None
        behind, took = True, 0.0
        while not self._stopped.wait(max(shortest, took / _SHARE)):
            try:
                if news is None:  # noted before it is drawn, so that nothing is missed between
                    news = _News(self._store)
                elif not behind:
                    news.wait(self._stopped, shortest, _LONGEST)
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
                self._note = f"As of {since} ago, asking again: {short(str(error), 300)}"
            changed()


class _News:
    """What a store had when somebody looked last.

    Deletions of older workflows are among what it cannot see.
    """

    def __init__(self, store: WorkflowStore) -> None:
        self._store = store
        self._seen: Sequence[Head] | None = self._newest()

    def wait(self, stopped: threading.Event, least: float, most: float) -> None:
        """Return once there is news, or after `most` seconds, or when it is `stopped`.

        The first look is after `least` seconds.
        """
        pause, waited = least, 0.0
        while waited < most and not stopped.wait(pause):
            waited += pause
            newest = self._newest()
            # A store that cannot tell may have changed.
            if newest is None or newest != self._seen:
                self._seen = newest
                return
            pause = min(pause * 1.3, _LONGEST_PAUSE)

    def _newest(self) -> Sequence[Head] | None:
        if not isinstance(self._store, HeadStore):
            return None
        try:
            return self._store.heads(limit=_REACH)
        except ListingUnsupportedError:
            return None
