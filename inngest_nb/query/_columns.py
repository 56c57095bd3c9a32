"""The columns of a workflow's head: what each is, and what it can be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

from inngest_nb.query._conditions import Column, Literal, Operand
from inngest_nb.query._paths import Path
from inngest_nb.query._times import check_time, duration_in, time_in
from inngest_nb.wire import time_of

TEXT: Final = "text"
NUMBER: Final = "number"
TIME: Final = "time"
DURATION: Final = "duration"

# The kind of value of each column, by its name.
COLUMNS: Final[Mapping[str, str]] = {
    "workflow_id": TEXT,
    "run_id": TEXT,
    "workflow": TEXT,
    "status": TEXT,
    "created_at": TIME,
    "updated_at": TIME,
    "ended_at": TIME,
    "duration": DURATION,
    "events": NUMBER,
    "activities": NUMBER,
    "retries": NUMBER,
    "error": TEXT,
    "step": TEXT,
    "waiting_for": TEXT,
    "parent_id": TEXT,
}

_LIKE: Final = {
    TEXT: 'a text in quotes, such as "failed"',
    NUMBER: "a number, such as 3",
    TIME: 'a date or a time, such as "2026-11-22" or "2026-11-22T19:00:00+00:00"',
    DURATION: 'a duration, such as "5min", or a number of seconds',
}


class Row(Protocol):
    """A workflow as a search looks at it."""

    def column(self, name: str) -> Any:
        """Return the value of a column: a str, an int, an aware datetime or a timedelta.

        What is not set is None; "" counts as not set, too. The `duration` of an open run is that
        until the `now` of the search.
        """

    def payload(self, name: str) -> bytes:
        """Return the raw JSON of `input` or `result`; b"" or b"null" if there is none."""


def mismatch(sign: str, left: Operand, right: Operand) -> str:
    """Say why two operands can't be compared; "" if they can.

    What a payload has is known only when it is read.
    """
    for one, other in ((left, right), (right, left)):
        if not isinstance(one, Column):
            continue
        kind = COLUMNS[one.name]
        if sign == "contains" and one is left and kind != TEXT:
            return f"only a text contains something, and {one} is a {kind}"
        if isinstance(other, Column) and COLUMNS[other.name] != kind:
            return f"{left} is a {kind}, and {other} a {COLUMNS[other.name]}"
        if isinstance(other, Path) and kind in (TIME, DURATION):
            return f"{one} is compared with {_LIKE[kind]}, not with a payload"
        if isinstance(other, Literal):
            return _wrong_value(one, kind, other)
    if sign == "contains" and isinstance(right, Column) and COLUMNS[right.name] in (TIME, DURATION):
        return f"a payload never contains a {COLUMNS[right.name]}"
    return ""


def _wrong_value(column: Column, kind: str, literal: Literal) -> str:
    value = literal.value
    try:
        if kind == TIME and isinstance(value, str):
            if duration_in(value) is not None:
                return (
                    f"{column} is compared with {_LIKE[TIME]}; for so long ago there are since= "
                    "and until="
                )
            check_time(value, column.name, time_of(0))
            return ""
    except ValueError:
        read = isinstance(value, str) and time_in(value) is not None
        zone = "; add a time zone, for example +00:00" if read else ""
        return f"{column} is compared with {_LIKE[TIME]}{zone}"
    fits = {
        TEXT: isinstance(value, str),
        NUMBER: isinstance(value, int | float) and not isinstance(value, bool),
        TIME: False,
        DURATION: isinstance(typed(literal, DURATION), timedelta),
    }
    return "" if fits[kind] else f"{column} is compared with {_LIKE[kind]}"


def typed(literal: Literal, kind: str) -> Any:
    """Return the value of a literal beside a column of a kind: a datetime, a timedelta, itself."""
    value = literal.value
    if kind == TIME and isinstance(value, str):
        return check_time(value, "a time", time_of(0))
    if kind == DURATION and isinstance(value, str):
        return duration_in(value)
    if kind == DURATION and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return timedelta(seconds=value)
        except OverflowError:
            return None
    return value
