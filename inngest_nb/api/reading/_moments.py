"""Moments of a run list as numbers: nanoseconds since 1970, by which the server compares."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from inngest_nb.api.basics import _quirks

FIRST, LAST = -(2**62), 2**63 - 1  # of a span that has no bound there
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LETTERS = {letter: number for number, letter in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_BELOW = re.compile(r"\.\d{6}(\d{1,3})")  # the digits that a datetime has no room for


class Span(NamedTuple):
    """From when to when; both ends belong to it."""

    low: int
    high: int


def nanoseconds_of(moment: datetime | None) -> int | None:
    """Return a time as a number."""
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def nanoseconds(text: str | None) -> int | None:
    """Return a time of the server's, of up to nine digits of a second, as a number."""
    whole = nanoseconds_of(_quirks.time(text))
    if whole is None or text is None:
        return None
    below = _BELOW.search(text)
    return whole + (int(below[1].ljust(3, "0")) if below else 0)


def span_of(low: datetime | None, high: datetime | None) -> Span:
    """Return a window as a span."""
    first, last = nanoseconds_of(low), nanoseconds_of(high)
    return Span(FIRST if first is None else first, LAST if last is None else last)


def moment(number: int) -> datetime | None:
    """Return the time of a number; None where a span has no bound."""
    if number in (FIRST, LAST):
        return None
    return _EPOCH + timedelta(microseconds=number // 1000)


def milliseconds_of(ulid: str) -> int:
    """Return the time that is in an id of the server's, in milliseconds since 1970."""
    number = 0
    for letter in ulid[:10].upper():
        number = number * 32 + _LETTERS.get(letter, 31)  # what is no id is of no time known
    return number
