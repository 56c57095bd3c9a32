"""How often something is looked at that does not tell by itself when it changes."""

from __future__ import annotations

from datetime import timedelta


def check_every(every: float | timedelta) -> float:
    """Return seconds between two looks."""
    seconds = every.total_seconds() if isinstance(every, timedelta) else every
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0:
        return float(seconds)
    raise ValueError(
        f"every must be a number of seconds above 0, such as 2, or a timedelta, got {every!r}"
    )
