"""Painting a run again and again until it has ended."""

from __future__ import annotations

import concurrent.futures
import contextvars
import threading
import time
from datetime import UTC, datetime

from inngest_nb.engine import WorkflowHandle
from inngest_nb.errors import EngineError, WorkflowCanceledError, WorkflowFailedError
from inngest_nb.notebook.live._screens import Screen
from inngest_nb.notebook.live._stopped import stopped_text
from inngest_nb.notebook.timeline import Picture, picture_of
from inngest_nb.state import WorkflowState

__all__ = ["Painter"]

# Seconds between two looks at the run, and between two pictures in which only time passes.
_LOOK = 0.1
_SHORTEST, _LONGEST = 0.2, 2.0
# A painter paints for this share of its time at most, so that many of them leave room for the
# runs; and no more characters a second, which a notebook server would hold back.
_SHARE = 0.05
_PER_SECOND = 200_000


class Painter:
    """Shows a run on a screen: once at once, then from a thread of its own until its end.

    `drawn` is done once the last picture is shown.
    """

    def __init__(self, handle: WorkflowHandle, screen: Screen) -> None:
        self.drawn: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.drawn.set_running_or_notify_cancel()  # nobody who waits for it can cancel it
        self._handle = handle
        self._screen = screen
        self._failure: EngineError | None = None

    def start(self) -> None:
        """Show the first picture here and now, so that it stands in the right place."""
        self._paint()
        run = contextvars.copy_context().run  # in which the kernel knows the cell
        threading.Thread(
            target=run, args=(self._work,), name="inngest-nb-painter", daemon=True
        ).start()

    def _work(self) -> None:
        try:
            pause, seen, painted = _SHORTEST, (-1, "", ""), time.monotonic()
            while not self._is_over(_LOOK):
                state = self._handle.state
                now = len(state.history), str(state.status), self._handle.store_trouble
                due = painted + (pause if now != seen else max(pause, _patience(state)))
                begun = time.monotonic()
                if begun < due:
                    continue
                size = self._paint()
                seen, painted = now, time.monotonic()
                pause = max(_SHORTEST, (painted - begun) / _SHARE, size / _PER_SECOND)
            self._paint(last=True)
        finally:
            self.drawn.set_result(None)

    def _is_over(self, seconds: float) -> bool:
        """Wait so long for the end of the run."""
        try:
            self._handle.result(seconds)
        except TimeoutError:
            return False
        except (WorkflowFailedError, WorkflowCanceledError):
            pass  # its state says so
        except EngineError as error:
            self._failure = error
        return True

    def picture(self) -> Picture:
        """Draw the run as it is at present."""
        state = self._handle.state
        now, failure = datetime.now(UTC), self._failure
        if failure is not None:
            return picture_of(state, now, note=stopped_text(state, failure), stopped=True)
        trouble = self._handle.store_trouble
        note = f"Waiting for the store, which does not answer: {trouble}" if trouble else ""
        return picture_of(state, now, note=note, signals=self._handle.waiting_for)

    def _paint(self, *, last: bool = False) -> int:
        return self._screen.show(self.picture(), last=last)


def _patience(state: WorkflowState) -> float:
    """Give seconds between pictures in which only time passes: long bars hardly move."""
    length = (datetime.now(UTC) - state.created_at).total_seconds() if state.created_at else 0.0
    return min(max(length / 300, _SHORTEST), _LONGEST)
