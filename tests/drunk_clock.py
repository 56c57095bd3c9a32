"""A clock that is wrong by up to an hour each time it is looked at."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_HOUR = 3600.0


class DrunkClock:
    """What is due within the next few hours is due at once, and what is later never comes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._random.uniform(-_HOUR, _HOUR))

    def call_at(self, when: datetime, callback: Callable[[], None]) -> threading.Timer:
        due = (when - datetime.now(UTC)).total_seconds() < 3 * _HOUR
        timer = threading.Timer(0, callback)
        timer.daemon = True
        if due:
            timer.start()
        return timer
