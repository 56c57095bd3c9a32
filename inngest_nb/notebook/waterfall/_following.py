"""Following a run that has not ended: asking the server again and again until it has."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from inngest_nb.api import InngestAPI, Job, Trace
from inngest_nb.errors import InngestAuthError, InngestError, InngestNotFoundError
from inngest_nb.frames.inngest import opened
from inngest_nb.notebook.waterfall._given import Given
from inngest_nb.notebook.waterfall._payloads import payloads_of
from inngest_nb.notebook.waterfall._picture import Picture, picture_of
from inngest_nb.words import duration_text, short

__all__ = ["Following"]

# Seconds between two questions: the longer nothing happens, the longer.
_SHORTEST, _LONGEST = 1.0, 30.0
_SHARE = 0.1
_GIVEN_UP = 86_400.0  # seconds without anything new after which nobody asks any more


class Following:
    """A run of a server as it was last seen, and a thread that looks until it is over.

    `done` is set once nobody looks any more.
    """

    def __init__(self, given: Given, trace: Trace, jobs: list[Job] | None) -> None:
        self.done = threading.Event()
        self._given = given
        self._seen = trace, payloads_of(trace)  # both at once, for whoever draws meanwhile
        self._jobs = jobs
        self._note = ""
        self._seen_at = datetime.now(UTC)
        self._stopped = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self._seen[0].is_over

    def picture(self) -> Picture:
        """Draw the run as it was last seen, as of then."""
        at = self._seen_at
        return picture_of(self._given, *self._seen, at, jobs=self._jobs, note=self._note)

    def start(
        self, api: InngestAPI | None, changed: Callable[[], object], shortest: float = _SHORTEST
    ) -> None:
        """Look at the run from a thread; `changed` is called after each look."""
        run = contextvars.copy_context().run  # in which the kernel knows the cell
        threading.Thread(
            target=run,
            args=(self._work, api, changed, shortest),
            name="inngest-nb-waterfall",
            daemon=True,
        ).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _work(self, api: InngestAPI | None, changed: Callable[[], object], shortest: float) -> None:
        try:
            with opened(api) as server:
                self._follow(server, changed, shortest)
        except Exception as error:  # noqa: BLE001  # the picture tells
            self._note = f"No longer updated: {type(error).__name__}: {short(str(error), 300)}"
        finally:
            self.done.set()
            changed()

    def _follow(self, server: InngestAPI, changed: Callable[[], object], shortest: float) -> None:
        seen = time.monotonic()
        while not self.is_over:
            quiet = time.monotonic() - seen
            if quiet > _GIVEN_UP:
                self._note = "No longer updated: nothing has happened for a day."
                return
            if self._stopped.wait(min(max(quiet * _SHARE, shortest), _LONGEST)):
                self._note = "No longer updated."
                return
            try:
                if self._look(server):
                    seen = time.monotonic()
                self._note = ""
            except (InngestAuthError, InngestNotFoundError):
                raise
            except InngestError as error:
                since = duration_text(datetime.now(UTC) - self._seen_at)
                self._note = f"As of {since} ago; retrying: {short(str(error), 300)}"
            changed()

    def _look(self, server: InngestAPI) -> bool:
        """Ask how the run is now; return whether anything has happened."""
        fresh = server.trace(self._given.run_id, output=False)  # outputs may be megabytes
        self._seen_at = datetime.now(UTC)
        self._jobs = None if fresh.is_over else server.jobs(self._given.run_id)
        if _progress(fresh) == _progress(self._seen[0]):
            return False
        trace = server.trace(self._given.run_id)
        self._seen = trace, payloads_of(trace)
        return True


def _progress(trace: Trace) -> Any:
    """Return what changes when something happens."""
    steps = [
        (step.step_id, step.status, step.started_at, len(step.attempts)) for step in trace.steps
    ]
    return trace.status, trace.started_at, trace.ended_at, steps
