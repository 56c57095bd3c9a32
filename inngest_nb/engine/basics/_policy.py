"""How often an activity is tried, and how durations are given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

# A duration as callers give it: a timedelta, or a number of seconds.
Duration = timedelta | float


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
    return duration


def limit_of(given: Duration | None, name: str) -> timedelta | None:
    """Return how long work may take, None for no limit; raise for what leaves it no time at all."""
    limit = None if given is None else duration_of(given, name)
    if limit is not None and not limit:
        raise ValueError(f"{name}={given!r} leaves no time to work; leave it out for no limit")
    return limit


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a failing activity is tried, and how long to wait in between.

    The wait after the first attempt is `initial_interval`; each one after it is
    `backoff_coefficient` times as long, up to `max_interval`. Durations are timedeltas, or numbers
    of seconds.
    """

    max_attempts: int = 3
    initial_interval: Duration = timedelta(seconds=1)
    backoff_coefficient: float = 2.0
    max_interval: Duration = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is 1 or more, got {self.max_attempts}")
        if not self.backoff_coefficient >= 1:
            raise ValueError(f"backoff_coefficient is 1 or more, got {self.backoff_coefficient}")
        for name in ("initial_interval", "max_interval"):
            object.__setattr__(self, name, duration_of(getattr(self, name), name))

    def pause_after(self, attempt: int) -> timedelta | None:
        """Return the wait after a failed attempt (the first is 1), or None if it was the last."""
        if attempt >= self.max_attempts:
            return None
        first, longest = duration_of(self.initial_interval, ""), duration_of(self.max_interval, "")
        try:
            return min(first * self.backoff_coefficient ** (attempt - 1), longest)
        except OverflowError:
            return longest


ONCE = RetryPolicy(max_attempts=1)
