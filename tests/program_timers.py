"""The timers of a process held against those that its run has to have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from program_parts import near
from program_time import Armed

from inngest_nb import HistoryEvent

DEADLINE = 150.0
_SLACK = 0.000005


class Timers:
    """Takes away each timer that is expected, and says which are missing or too many.

    What the code asks for in this life lasts as long as it was asked for, whatever is done to
    clocks; what it asked for in an earlier one is due at its time of day.
    """

    def __init__(self, armed: Sequence[Armed]) -> None:
        self._armed = list(armed)
        self._missing: list[str] = []

    def expect(
        self,
        asked_at: int,
        when: datetime,
        seconds: float,
        history: Sequence[HistoryEvent] = (),
        past: int = 0,
    ) -> None:
        """Expect the timer that was asked for at an event, by its number.

        `past` is how many events of the run's history are of an earlier life.
        """
        live = asked_at >= past
        # A signal that comes in mid-replay is seen there, at its own time.
        since = history[past : asked_at + 1]
        replayed = not live or all(event.type == "signal_received" for event in since)
        for each in self._armed:
            lasts = each.seconds is not None and abs(each.seconds - seconds) < _SLACK
            is_due = each.when is not None and near(each.when, when)
            if (live and lasts) or (replayed and is_due):
                self._armed.remove(each)
                return
        self._missing.append(f"no timer of {seconds} s or at {when}: {self._armed}")

    def expect_limit(self, seconds: float | None) -> None:
        """Expect the limit of an attempt, if it has one: each begins in the life that it ends in."""
        if seconds is None:
            return
        for each in self._armed:
            if each.seconds is not None and abs(each.seconds - seconds) < _SLACK:
                self._armed.remove(each)
                return
        self._missing.append(f"no limit of {seconds} s: {self._armed}")

    def wrong(self) -> list[str]:
        """Say what is missing, and what is left over."""
        more = self._armed
        return [*self._missing, *([f"{len(more)} timers too many: {more}"] if more else [])]
