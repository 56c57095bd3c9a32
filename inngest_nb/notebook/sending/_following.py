"""The runs that an event started, shown while they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from inngest_nb.api import InngestAPI, Run
from inngest_nb.notebook.page import Area, fragment
from inngest_nb.notebook.sending import _send_words as say

__all__ = ["FollowedRuns"]

# Seconds between two looks: right after a change, and at most.
_SHORT_PAUSE, _LONG_PAUSE = 0.3, 5.0
# Seconds for which they are followed, and for which one waits where no run is expected.
_FOLLOWED, _UNEXPECTED = 600.0, 10.0

Later = Callable[[Callable[[], None], float], Callable[[], None]]
Guard = Callable[[str, Callable[[], None], Area], None]


class FollowedRuns:
    """The runs of one event in an `area`, and what goes wrong while one looks in `trouble`.

    `later` does something in the background after so many seconds, and returns what calls it off;
    `guard` shows in an area what goes wrong.
    """

    def __init__(self, api: InngestAPI, later: Later, guard: Guard) -> None:
        self.area, self.trouble = Area("inb-caused"), Area("inb-watching")
        self.event_id = ""
        self._api, self._later, self._guard = api, later, guard
        self._runs: list[Run] = []
        self._expected = 0
        self._turn: object = None  # one for each event
        self._call_off: Callable[[], None] = lambda: None  # of the next look
        self._pause, self._until = _SHORT_PAUSE, 0.0
        self._showing = threading.Lock()

    def follow(self, event_id: str, expected: int) -> None:
        """Follow the runs of an event, until as many as are expected have ended, or for a while."""
        self._turn = turn = object()
        self.event_id, self._runs, self._expected = event_id, [], expected
        seconds = _FOLLOWED if expected else _UNEXPECTED
        self._pause, self._until = _SHORT_PAUSE, time.monotonic() + seconds
        self._show()
        self._look_later(turn)

    def leave(self) -> None:
        """Follow them no more, and show nothing."""
        self._call_off()
        with self._showing:  # so that nobody shows them again
            self._turn = None
            self.area.show()
            self.trouble.show()

    def _look_later(self, turn: object) -> None:
        if self._turn is not turn or self._are_over:
            return
        if time.monotonic() > self._until:
            self.trouble.show(fragment("remark", lines=[say.left_alone(self.event_id)]))
        else:
            self._call_off = self._later(partial(self._look_again, turn), self._pause)

    @property
    def _are_over(self) -> bool:
        there = bool(self._runs) and len(self._runs) >= self._expected
        return there and all(run.is_over for run in self._runs)

    def _look_again(self, turn: object) -> None:
        if self._turn is not turn:
            return
        before = self._runs
        self._guard("look at the runs", partial(self._look, turn), self.trouble)
        news = self._runs != before
        self._pause = _SHORT_PAUSE if news else min(_LONG_PAUSE, self._pause * 1.5)
        self._look_later(turn)

    def _look(self, turn: object) -> None:
        runs = sorted(self._api.event_runs(self.event_id, output=True), key=lambda run: run.run_id)
        with self._showing:
            if self._turn is turn and runs != self._runs:
                self._runs = runs
                self._show()

    def _show(self) -> None:
        if self._runs:
            shown = fragment("caused", runs=[say.row_of(run) for run in self._runs])
        else:
            shown = fragment("remark", lines=[say.waiting(self._expected)])
        self.area.show(shown)
