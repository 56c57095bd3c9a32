"""The columns of a workflow's head: what each is, and what it can be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from inngest_nb.query._conditions import Column, Literal, Operand
from inngest_nb.query._paths import Path
from inngest_nb.query._times import check_time, duration_in, span_of, time_in
from inngest_nb.wire import time_of

TEXT: Final = "string"
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
    TEXT: 'a string in quotes, such as "failed"',
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
            return f"contains needs a string, and {one} is a {kind}"
        if isinstance(other, Column) and COLUMNS[other.name] != kind:
            return f"{left} is a {kind}, and {other} a {COLUMNS[other.name]}"
        if isinstance(other, Path) and kind in (TIME, DURATION):
            return f"{one} is compared with {_LIKE[kind]}, not with a payload"
        if isinstance(other, Literal):
            return _wrong_value(one, kind, other)
    return ""


def _wrong_value(column: Column, kind: str, literal: Literal) -> str:
    value, want = literal.value, f"{column} is compared with {_LIKE[kind]}"
    if kind == TEXT:
        return "" if isinstance(value, str) else want
    if kind == NUMBER:
        return "" if not isinstance(value, bool | str) else want
    if typed(literal, kind) is not None:
        return ""
    if kind == TIME and isinstance(value, str):
        if duration_in(value) is not None:
            return f"{want}; for a time before now, use since= or until="
        if time_in(value) is not None:
            return f"{want}; add a time zone, for example +00:00"
    return want


def typed(literal: Literal, kind: str) -> Any:
    """Return the value of a literal beside a column of a kind: a datetime, a timedelta, itself.

    None if it is no time or no duration.
    """
    value = literal.value
    try:
        if kind == DURATION:
            return span_of(value, kind)
        if kind == TIME:
            is_time = isinstance(value, str) and duration_in(value) is None
            return check_time(str(value), kind, time_of(0)) if is_time else None
    except ValueError:
        return None
    return value
