"""How often an activity is tried, and how durations are given."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from inngest_nb.errors import NonRetryableError, RetryAfter

# A duration as callers give it: a timedelta, or a number of seconds.
Duration = timedelta | float

# Not to be seeded by anybody, nor the same in two processes of which one was forked.
_chance = random.SystemRandom()


def duration_of(given: Duration, name: str) -> timedelta:
    """Return a duration as a timedelta; raise for what is none, or is negative."""
    if isinstance(given, bool) or not isinstance(given, timedelta | int | float):
        kind = type(given).__name__
        raise TypeError(f"{name} is a timedelta or a number of seconds, got {kind}")
    try:
        duration = given if isinstance(given, timedelta) else timedelta(seconds=given)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{name}={given!r} is no duration; leave it out for no limit") from error
    if duration < timedelta():
        raise ValueError(f"{name} cannot be negative, got {given!r}")
    if type(duration) is not timedelta:  # one of pandas makes times that no history can hold
        duration = timedelta(duration.days, duration.seconds, duration.microseconds)
    return duration


def limit_of(given: Duration | None, name: str) -> timedelta | None:
    """Return how long work may take, None for no limit; raise for what leaves it no time at all."""
    limit = None if given is None else duration_of(given, name)
    if limit is not None and not limit:
        raise ValueError(f"{name}={given!r} leaves no time to work; leave it out for no limit")
    return limit


def later(time: datetime, duration: timedelta) -> datetime:
    """Return the time after a duration: the last of the calendar, if that ends before."""
    try:
        return time + duration
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a failing activity is tried, and how long to wait in between.

    The wait after the first attempt is `initial_interval`; each one after it is
    `backoff_coefficient` times as long, up to `max_interval`. `jitter` is the part of each wait
    that is up to chance: 0 for none, 1 for anything from no wait to the whole. Durations are
    timedeltas, or numbers of seconds.

    `max_attempts=None` sets no limit. `total_timeout` is for the whole call, pauses included,
    counted from the start of its first attempt, in whatever process that was: an attempt is cut off
    then, and none begins that would come too late. An error of `non_retryable` ends the call at
    once: classes of exceptions, or their names, with or without their module. Activities can say so
    themselves by `NonRetryableError`, and when to try again by `RetryAfter`.
    """

    max_attempts: int | None = 3
    initial_interval: Duration = timedelta(seconds=1)
    backoff_coefficient: float = 2.0
    max_interval: Duration = timedelta(minutes=1)
    jitter: float = 0.0
    non_retryable: Collection[type[BaseException] | str] = ()
    total_timeout: Duration | None = None

    def __post_init__(self) -> None:
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError(
                f"max_attempts is 1 or more, or None for no limit; got {self.max_attempts}"
            )
        if not self.backoff_coefficient >= 1:
            raise ValueError(f"backoff_coefficient is 1 or more, got {self.backoff_coefficient}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a number from 0 to 1, got {self.jitter}")
        for name in ("initial_interval", "max_interval"):
            object.__setattr__(self, name, duration_of(getattr(self, name), name))
        total = limit_of(self.total_timeout, "total_timeout")
        object.__setattr__(self, "total_timeout", total)
        object.__setattr__(self, "non_retryable", _kinds(self.non_retryable))

    @property
    def total(self) -> timedelta | None:
        """The `total_timeout` as a timedelta."""
        return None if self.total_timeout is None else duration_of(self.total_timeout, "")

    def pause_after(
        self, attempt: int, error: BaseException | None = None, spent: timedelta = timedelta()
    ) -> timedelta | None:
        """Return the wait after a failed attempt (the first is 1), or None if it was the last.

        `spent` is the time since the first attempt began.
        """
        if self.max_attempts is not None and attempt >= self.max_attempts:
            return None
        if error is not None and self._is_final(error):
            return None
        asked = None if error is None else _asked(error)
        pause = self._backoff(attempt) if asked is None else asked
        if self.total is not None and spent + pause >= self.total:
            return None
        return pause

    def _backoff(self, attempt: int) -> timedelta:
        first, longest = duration_of(self.initial_interval, ""), duration_of(self.max_interval, "")
        if not first:
            return first
        try:
            pause = min(first * self.backoff_coefficient ** (attempt - 1), longest)
        except OverflowError:
            pause = longest
        return pause * (1 - self.jitter * _chance.random()) if self.jitter else pause

    def _is_final(self, error: BaseException) -> bool:
        """Tell an error after which nothing is tried again; one in a group is enough."""
        if isinstance(error, BaseExceptionGroup):
            return any(map(self._is_final, error.exceptions))
        if isinstance(error, NonRetryableError):
            return True
        if not self.non_retryable:
            return False
        names = {name for kind in type(error).__mro__ for name in _names(kind)}
        return any(
            kind in names if isinstance(kind, str) else isinstance(error, kind)
            for kind in self.non_retryable
        )


def _kinds(given: Any) -> tuple[type[BaseException] | str, ...]:
    is_one = isinstance(given, str) or not isinstance(given, Collection)
    for kind in (None,) if is_one else given:
        if not isinstance(kind, str) and not (
            isinstance(kind, type) and issubclass(kind, BaseException)
        ):
            raise TypeError(
                "non_retryable is a tuple of exceptions or their names, as in (ValueError, "
                f"'CardDeclined'), got {given!r}"
            )
    return tuple(given)


def _names(kind: type) -> tuple[str, str, str]:
    return kind.__name__, kind.__qualname__, f"{kind.__module__}.{kind.__qualname__}"


def _asked(error: BaseException) -> timedelta | None:
    """Return the pause that an activity asked for: of several in a group, the longest."""
    if isinstance(error, BaseExceptionGroup):
        return max(
            (each for each in map(_asked, error.exceptions) if each is not None), default=None
        )
    return duration_of(error.after, "after") if isinstance(error, RetryAfter) else None


ONCE = RetryPolicy(max_attempts=1)
