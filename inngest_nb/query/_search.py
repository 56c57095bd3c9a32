"""Which workflows are wanted, in which order, and how many: what a view asks of a store."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal, Self, TypeVar, get_args

import msgspec
from msgspec import Struct

from inngest_nb import wire, words
from inngest_nb.query._columns import COLUMNS, Row
from inngest_nb.query._conditions import Names
from inngest_nb.query._finding import has_words, typed_words, words_of
from inngest_nb.query._reading import check_size, is_unicode
from inngest_nb.query._times import When, check_window, span_of
from inngest_nb.query._where import Where

By = Literal["updated", "created", "ended"]
Test = Callable[[Row], bool]

_AnyRow = TypeVar("_AnyRow", bound=Row)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US, _LAST_US = (
    wire.microseconds(end.replace(tzinfo=UTC)) for end in (datetime.min, datetime.max)
)
_LONGEST_US = timedelta(days=1_000_000) // _MICROSECOND
_MOST_NAMES = 1_000
_SEARCHED = ("workflow_id", "run_id", "status", "error", "workflow", "step")


class Search(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, dict=True
):
    """Which workflows are wanted, in which order, and how many at most (`limit`, 0: all).

    Times are microseconds since 1970 UTC, durations microseconds; `now_us` is the moment up to
    which open runs are measured. Everything that is asked for must hold: one of `status`, one of
    `workflow`, a time `by` from `since_us` to `until_us`, both included, an id that begins with
    `prefix`, every word of `text` in what `words_of` gives, the text `error` in the error,
    whatever the case of both, a duration above `longer_than_us`, and the condition `where`.
    `sort` is a column, with `-` before it for descending order; "" is the order of stores.
    """

    now_us: int
    status: tuple[str, ...] = ()
    workflow: tuple[str, ...] = ()
    since_us: int | None = None
    until_us: int | None = None
    by: By = "updated"
    prefix: str = ""
    text: str = ""
    error: str = ""
    longer_than_us: int | None = None
    where: str = ""
    sort: str = ""
    limit: int = 0

    @classmethod
    def of(
        cls,
        *,
        now: datetime,
        status: str | Iterable[str] | None = None,
        workflow: str | Iterable[str] | None = None,
        since: When | None = None,
        until: When | None = None,
        by: By = "updated",
        prefix: str | None = None,
        text: str | None = None,
        error: str | None = None,
        longer_than: timedelta | str | float | None = None,
        where: str | Where | None = None,
        sort: str | None = None,
        limit: int = 0,
    ) -> Self:
        """Check what somebody asks for; None asks for nothing.

        `since` and `until` are how long before `now` ("2h", "15min", "7d", a timedelta), dates
        ("2026-11-01", its first moment in UTC) or times with a zone. `longer_than` is a timedelta,
        seconds, or text such as "2h". Raises `ValueError` or `TypeError`, which name the argument.
        """
        if now.tzinfo is None:
            raise ValueError(f"now needs a zone, as in datetime.now(UTC); got {now!r}")
        start, end = check_window(since, until, now)
        span = None if longer_than is None else span_of(longer_than, "longer_than")
        search = cls(
            now_us=wire.microseconds(now),
            status=_names(status, "status", "failed"),
            workflow=_names(workflow, "workflow", "order"),
            since_us=None if start is None else wire.microseconds(start),
            until_us=None if end is None else wire.microseconds(end),
            by=by,
            prefix=_text(prefix, "prefix"),
            text=" ".join(_text(text, "text").split()),
            error=_text(error, "error"),
            longer_than_us=None if span is None else span // _MICROSECOND,
            where=_where(where),
            sort=_text(sort, "sort"),
            limit=whole_number(limit),
        )
        search.check()
        return search

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read what `as_json` wrote; raises `ValueError` for anything else."""
        try:
            search = msgspec.json.decode(body, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"invalid search: {words.short(str(error), 200)}") from error
        search.check()
        return search

    def as_json(self) -> bytes:
        """Write the search as JSON."""
        return msgspec.json.encode(self)

    def check(self) -> None:
        """Raise `ValueError` for a search that cannot be answered."""
        if self.by not in get_args(By):
            known = ", ".join(get_args(By))
            raise ValueError(f"by must be one of {known}, got {_shown(self.by)}")
        for name in ("status", "workflow"):
            given = getattr(self, name)
            if len(given) > _MOST_NAMES:
                raise ValueError(
                    f"{name} must be at most {_MOST_NAMES:,} words, got {len(given):,}"
                )
            for one in given:
                _text(one, name)
        for name in ("prefix", "text", "error", "where", "sort"):
            _text(getattr(self, name), name)
        whole_number(self.limit)
        for name in ("now_us", "since_us", "until_us"):
            if (us := getattr(self, name)) is not None and not _FIRST_US <= us <= _LAST_US:
                raise ValueError(f"{name} must be a time of the years 1 to 9999, got {us}")
        if self.longer_than_us is not None and not 0 <= self.longer_than_us <= _LONGEST_US:
            raise ValueError("longer_than must be from 0 s to 1,000,000 days")
        column = self.sort.removeprefix("-")
        if self.sort and column not in COLUMNS:
            close = get_close_matches(column, COLUMNS, 1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise ValueError(
                f"sort must be a column, such as 'duration', or '-duration' for the longest first, "
                f"got {_shown(self.sort)}{hint}; columns: {', '.join(COLUMNS)}"
            )
        if self.where:
            Where.parse(self.where)

    @property
    def now(self) -> datetime:
        """The moment up to which open runs are measured."""
        return wire.time_of(self.now_us)

    @cached_property
    def condition(self) -> Where | None:
        """What `where` says."""
        return Where.parse(self.where) if self.where else None

    @cached_property
    def names(self) -> Names:
        """The columns and the payloads that `matches` and `ordered` look at."""
        columns = {self.sort.removeprefix("-")} if self.sort else set()
        if self.since_us is not None or self.until_us is not None:
            columns.add(f"{self.by}_at")
        columns |= {name for name in ("status", "workflow", "error") if getattr(self, name)}
        columns |= {"workflow_id"} if self.prefix else set()
        columns |= {*_SEARCHED} if self.text else set()
        columns |= {"duration"} if self.longer_than_us is not None else set()
        asked = self.condition.names if self.condition else Names()
        return Names(asked.columns | columns, asked.payloads)

    @property
    def needs_payloads(self) -> bool:
        """Whether `matches` looks at payloads."""
        return bool(self.names.payloads)

    def matches(self, row: Row) -> bool:
        """Tell whether a workflow is one that is wanted; `sort` and `limit` don't matter."""
        return self.matches_columns(row) and self.matches_payloads(row)

    @property
    def compares_columns(self) -> bool:
        """Whether `matches_columns` looks at any column; else all rows match."""
        return bool(self._column_tests)

    @cached_property
    def _column_tests(self) -> Sequence[Test]:
        where = self.condition.split()[0] if self.condition else None
        return [*self._tests(), *([where.holds] if where else [])]

    @cached_property
    def matches_columns(self) -> Test:
        """Tell whether a row matches as far as its columns say.

        What fails here, as in `search.matches_columns(row)`, need not be read further.
        """
        return _all(self._column_tests)

    @cached_property
    def matches_payloads(self) -> Test:
        """Tell whether a row that passed `matches_columns` matches by its payloads, too."""
        where = self.condition.split()[1] if self.condition else None
        return _all([where.holds] if where else [])

    def ordered(self, rows: Iterable[_AnyRow]) -> list[_AnyRow]:
        """Return rows in the order of `sort`; without one, as they come.

        Equal ones stay as they come, in both directions, and what has no value comes last.
        """
        found = list(rows)
        if not self.sort:
            return found
        column = self.sort.removeprefix("-")
        keyed = [(row.column(column), row) for row in found]
        known = [pair for pair in keyed if pair[0] is not None and pair[0] != ""]
        known.sort(key=operator.itemgetter(0), reverse=self.sort.startswith("-"))
        return [row for _, row in known] + [
            row for value, row in keyed if value is None or value == ""
        ]

    def _tests(self) -> Iterable[Test]:
        """Yield what the columns must fulfil, the quickest first."""
        if self.status:
            yield _is_one_of("status", self.status)
        if self.workflow:
            yield _is_one_of("workflow", self.workflow)
        if self.prefix:
            prefix = self.prefix
            yield lambda row: (row.column("workflow_id") or "").startswith(prefix)
        if self.since_us is not None or self.until_us is not None:
            yield _is_within(f"{self.by}_at", self.since_us, self.until_us)
        if self.longer_than_us is not None:
            yield _is_above("duration", self.longer_than_us * _MICROSECOND)
        if self.error:
            error = self.error.casefold()
            yield lambda row: error in (row.column("error") or "").casefold()
        if wanted := typed_words(self.text):
            yield lambda row: has_words(
                words_of(*(row.column(name) or "" for name in _SEARCHED)), wanted
            )


def _all(tests: Sequence[Test]) -> Test:
    if not tests:
        return lambda row: True
    if len(tests) == 1:
        return tests[0]
    return lambda row: all(test(row) for test in tests)


def _is_one_of(column: str, wanted: Sequence[str]) -> Test:
    known = frozenset(wanted)
    return lambda row: (row.column(column) or "") in known


def _is_within(column: str, since_us: int | None, until_us: int | None) -> Test:
    def test(row: Row) -> bool:
        time = row.column(column)
        if time is None:
            return False
        us = wire.microseconds(time)
        return (since_us is None or since_us <= us) and (until_us is None or us <= until_us)

    return test


def _is_above(column: str, least: timedelta) -> Test:
    def test(row: Row) -> bool:
        span = row.column(column)
        return span is not None and bool(span > least)

    return test


# Arguments


def whole_number(limit: Any) -> int:
    """Return a limit as a plain int, whatever kind of whole number it is."""
    try:
        number = operator.index(limit)
    except TypeError:
        number = -1
    if not 0 <= number < 2**63:
        raise ValueError(f"limit is 0 for all or a positive number, got {limit!r}")
    return number


def _names(given: Any, name: str, example: str) -> tuple[str, ...]:
    """Return the words that are given as one or several; None is any."""
    if given is None:
        return ()
    want = f"{name} must be a word such as '{example}', several of them, or None for all"
    if not isinstance(given, Iterable) or isinstance(given, bytes | bytearray):
        raise TypeError(f"{want}, got {type(given).__name__}")
    found = [given] if isinstance(given, str) else [*given]
    if not found:
        raise ValueError(f"{want}, got none")
    if wrong := [type(one).__name__ for one in found if not isinstance(one, str)]:
        raise TypeError(f"{want}, got {wrong[0]}")
    return tuple(sorted({str.__str__(one) for one in found}))


def _text(given: str | None, name: str) -> str:
    text = str.__str__(check_size("" if given is None else given, name))
    if not is_unicode(text):
        raise ValueError(f"{name} has an unpaired surrogate, which no workflow can have")
    return text


def _where(given: str | Where | None) -> str:
    if given is None or isinstance(given, Where):
        return "" if given is None else str(given)
    return str(Where.parse(given))


def _shown(value: Any) -> str:
    return repr(words.short(value, 40)) if isinstance(value, str) else type(value).__name__
