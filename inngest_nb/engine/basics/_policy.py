"""Retry policies, and how durations are passed."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from inngest_nb.errors import NonRetryableError, RetryAfter

# A duration as callers pass it: a timedelta, or a number of seconds.
Duration = timedelta | float

# Cannot be seeded, and differs in a forked process.
_chance = random.SystemRandom()
_NEVER = datetime.max.replace(tzinfo=UTC)


def duration_of(given: Duration, name: str) -> timedelta:
    """Return a duration as a timedelta; raise if it is not one, or if it is negative."""
    if isinstance(given, bool) or not isinstance(given, timedelta | int | float):
        kind = type(given).__name__
        raise TypeError(f"{name} must be a timedelta or a number of seconds, got {kind}")
    try:
        duration = given if isinstance(given, timedelta) else timedelta(seconds=given)
    except (OverflowError, ValueError) as error:
        raise ValueError(
            f"{name}={given!r} is not a valid duration; omit it for no limit"
        ) from error
    if duration < timedelta():
        raise ValueError(f"{name} must not be negative, got {given!r}")
    if type(duration) is not timedelta:  # a pandas Timedelta makes times that cannot be recorded
        duration = timedelta(duration.days, duration.seconds, duration.microseconds)
    return duration


def limit_of(given: Duration | None, name: str) -> timedelta | None:
    """Return a timeout as a timedelta, None for no limit; raise if it is zero."""
    limit = None if given is None else duration_of(given, name)
    if limit is not None and not limit:
        raise ValueError(f"{name} must be greater than zero, got {given!r}; omit it for no limit")
    return limit


def later(time: datetime, duration: timedelta) -> datetime:
    """Add a duration to a time; the result is at most the last time that Python can represent."""
    try:
        return time + duration
    except OverflowError:
        return _NEVER


def later_by(time: datetime, seconds: float) -> datetime:
    """Do the same with seconds, which may be infinite."""
    try:
        return later(time, timedelta(seconds=seconds))
    except (OverflowError, ValueError):
        return _NEVER


def is_never(time: datetime) -> bool:
    """Tell whether a time stands for one that is too late to be represented."""
    return time == _NEVER


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a failing activity is attempted, and how long to wait between attempts.

        retry = inb.RetryPolicy(max_attempts=5, initial_interval=0.5, non_retryable=(ValueError,))
        await ctx.execute_activity(charge_card, order, retry=retry)

    The wait after the first attempt is `initial_interval`; every further wait is
    `backoff_coefficient` times as long, up to `max_interval`. `jitter` is the random part of each
    wait: with 0 there is none, with 1 a wait is anywhere between zero and its full length.
    Durations are timedeltas or numbers of seconds.

    `max_attempts=None` means no limit. `total_timeout` limits the whole call including pauses, from
    the start of the first attempt, even if that was in another process: a running attempt is then
    cut off, and no attempt starts that would be too late. Errors listed in `non_retryable`, as
    exception classes or as names with or without their module, fail the activity at once.
    Activities can do the same by raising `NonRetryableError`, and choose the next wait by raising
    `RetryAfter`.
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
                f"max_attempts must be at least 1, or None for no limit; got {self.max_attempts}"
            )
        if not self.backoff_coefficient >= 1:
            raise ValueError(
                f"backoff_coefficient must be at least 1, got {self.backoff_coefficient}"
            )
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must be between 0 and 1, got {self.jitter}")
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
        """Return how long to wait after a failed attempt (the first is 1); None for no retry.

        `spent` is the time since the first attempt started.
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
        """Tell whether an error must not be retried; in a group, one such error is enough."""
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
                "non_retryable must be a tuple of exception classes or their names, such as "
                f"(ValueError, 'CardDeclined'), got {given!r}"
            )
    return tuple(given)


def _names(kind: type) -> tuple[str, str, str]:
    return kind.__name__, kind.__qualname__, f"{kind.__module__}.{kind.__qualname__}"


def _asked(error: BaseException) -> timedelta | None:
    """Return the pause that an activity asked for with `RetryAfter`; in a group, the longest."""
    if isinstance(error, BaseExceptionGroup):
        return max(
            (each for each in map(_asked, error.exceptions) if each is not None), default=None
        )
    return duration_of(error.after, "after") if isinstance(error, RetryAfter) else None


ONCE = RetryPolicy(max_attempts=1)
