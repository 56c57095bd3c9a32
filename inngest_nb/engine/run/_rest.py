"""What a stored run says while it rests: what it has started, and what it waits for.

The start of an activity is saved with the next event, and what the code waits for is no event. So
without this, a run that waits for days, or makes one long activity, would not say so to others.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from inngest_nb.engine.basics._policy import is_never
from inngest_nb.engine.history._journal import Journal
from inngest_nb.engine.threads._services import Services

# A timer that is due so soon ends the wait before others have read of it.
_SOON = timedelta(seconds=1)
# Of more signals, the first ones are named: each wait writes them anew.
_MOST_SIGNALS = 100


class Run(Protocol):
    """What this needs to know about a run."""

    lock: threading.RLock
    journal: Journal
    engine: Services[Any]

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The names of the signals that the code is waiting for now."""

    def open_calls(self) -> Sequence[Any]:
        """Return the calls of activities and child workflows that have no outcome yet."""

    def open_timers(self) -> Mapping[int, datetime]:
        """Return when the timers are due that the code waits for."""


def store_rest(run: Run) -> None:
    """Save what others cannot know of a run that rests, unless it is stored; under its lock.

    A store that cannot append is left alone: each save would replace the whole document, and with
    it what others may have saved meanwhile.
    """
    if not run.engine.appender.guards():
        return
    waits = _waits_of(run)
    until = waits[1] if waits is not None else None
    if until is not None and until - run.engine.clock.now() < _SOON:
        return
    run.journal.note(waits)
    if not run.journal.is_stored:
        run.engine.save(run)


def _waits_of(run: Run) -> tuple[Sequence[str], datetime | None] | None:
    """Return the signals that the code waits for, and when its first timer is due.

    None for a run that waits for neither, or for an activity, too, of which the history tells.
    """
    if any(not call.is_dropped for call in run.open_calls()):
        return None
    signals = run.waiting_for[:_MOST_SIGNALS]
    due = [when for when in run.open_timers().values() if not is_never(when)]
    return (signals, min(due, default=None)) if signals or due else None
