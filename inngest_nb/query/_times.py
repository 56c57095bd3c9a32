"""Times and durations as people give them: "2h", "2026-11-01", a timedelta, a number of seconds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from inngest_nb import words

When = datetime | date | timedelta | str

_NUMBER = r"\d{1,12}(?:\.\d{1,9})?"
_PART = re.compile(rf"({_NUMBER})\s*([a-zµμ]+)[\s,]*", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,9})?)")
# A single "M" is missing: it is the month of some programs and the minute of others.
_UNITS = {
    word: unit
    for unit, spelled in {
        "microseconds": "us µs μs microsecond microseconds",
        "milliseconds": "ms millisecond milliseconds",
        "seconds": "s sec secs second seconds",
        "minutes": "m min mins minute minutes",
        "hours": "h hr hrs hour hours",
        "days": "d day days",
        "weeks": "w week weeks",
    }.items()
    for word in spelled.split()
}


def duration_in(text: str) -> timedelta | None:
    """Read a duration such as "90s", "15min", "2h 30min", "7d" or "1 day 02:30:00".

    Returns None for anything else, such as a number without a unit, and for what is too long.
    """
    span, at, text = timedelta(), 0, text.strip()
    if not text:
        return None
    try:
        while at < len(text):
            if clock := _CLOCK.fullmatch(text, at):
                hours, minutes, seconds = map(float, clock.groups())
                return span + timedelta(hours=hours, minutes=minutes, seconds=seconds)
            part = _PART.match(text, at)
            unit = part and _UNITS.get(part[2] if part[2] == "M" else part[2].lower())
            if not part or not unit:
                return None
            span += timedelta(**{unit: float(part[1])})
            at = part.end()
    except OverflowError:
        return None
    return span


def span_of(given: Any, name: str) -> timedelta:
    """Return a duration that is given as the argument `name`; a bare number means seconds.

    Raises `ValueError` for what is none.
    """
    try:
        span = _span(given)
    except (ValueError, TypeError, OverflowError):
        span = None
    if span is None:
        shown = repr(words.short(given, 40)) if isinstance(given, str) else _shown(given)
        raise ValueError(f"{name} must be seconds, a timedelta or text such as '2h', got {shown}")
    # A plain one, also of pandas' Timedelta, whose nanoseconds go.
    return timedelta(span.days, span.seconds, span.microseconds)


def _span(given: Any) -> timedelta | None:
    if isinstance(given, timedelta):
        return given
    if isinstance(given, str) and (read := duration_in(given)) is not None:
        return read
    if isinstance(given, bool):
        return None
    if getattr(getattr(given, "dtype", None), "kind", "") == "m":  # a duration of numpy's
        counted: timedelta | None = given.astype("timedelta64[us]").item()
        return counted
    return timedelta(seconds=float(given))


def _shown(value: Any) -> str:
    plain = isinstance(value, int | float | timedelta) or value is None
    return words.short(repr(value), 40) if plain else type(value).__name__


def check_window(
    since: When | None, until: When | None, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return both ends of a window as times in UTC."""
    start, end = check_time(since, "since", now), check_time(until, "until", now)
    if start is not None and end is not None and start >= end:
        raise ValueError(
            "since must be before until, for example since='24h', until='1h', "
            f"got {start.isoformat()} and {end.isoformat()}"
        )
    return start, end


def check_time(value: When | None, name: str, now: datetime) -> datetime | None:
    """Return a time, or how long ago, as a time in UTC; a date is its first moment in UTC."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        return _before(value, name, now)
    if isinstance(value, str):
        if (span := duration_in(value)) is not None:
            return _before(span, name, now)
        read = time_in(value)
        if read is None:
            raise ValueError(_want(name, f"got {words.short(value, 40)!r}"))
        value = read
    return _in_utc(value, name)


def time_in(text: str) -> datetime | date | None:
    """Read a date or a time in ISO 8601; None for anything else."""
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text.strip())
        except ValueError:
            pass
    return None


def _in_utc(value: object, name: str) -> datetime:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime) or value != value:  # pandas' NaT
        raise ValueError(_want(name, f"got {type(value).__name__}"))
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(
            _want(
                name,
                f"got {value.isoformat()}, which has no time zone; add one, for example +00:00",
            )
        )
    try:
        value = value.astimezone(UTC)
    except OverflowError:
        raise ValueError(_want(name, f"got {value.isoformat()}, which is out of range")) from None
    # A plain one, also of pandas' Timestamp, whose nanoseconds go.
    return datetime.combine(value.date(), value.time(), UTC)


def _before(span: timedelta, name: str, now: datetime) -> datetime:
    if span <= timedelta():
        raise ValueError(_want(name, f"got {span}, which is not in the past"))
    try:
        return now - span
    except OverflowError:
        raise ValueError(_want(name, f"got {span}, which is too long ago")) from None


def _want(name: str, got: str) -> str:
    return (
        f"{name} must be how long ago, such as '24h', '30m' or '7d', a date, such as '2026-11-22', "
        f"or a time with a time zone, such as '2026-11-22T19:00:00+00:00', {got}"
    )
