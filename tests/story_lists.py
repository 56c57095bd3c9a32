"""The lists of v2: which runs, in which order, page by page, and what a page costs."""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from story_records import Json, Row, nanoseconds

STATUSES = ("QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")

# A page reads everything between `from` and `until`, whatever it then shows: 148 ms at 11,142
# runs, 31 to 33 ms in a narrow window. By `endedAt` the same took twice as long.
_PAGE_SECONDS, _ROW_SECONDS = 0.030, 0.0000105

_TIME_FIELDS = {"queuedat": "start", "startedat": "start", "endedat": "end"}


class RefusedError(Exception):
    """The server says no, in v2's words."""

    def __init__(self, message: str, code: str = "invalid_field_format", status: int = 400) -> None:
        super().__init__(message)
        self.status, self.body = status, {"errors": [{"code": code, "message": message}]}


class Query:
    """The parameters of a request: camelCase or snake_case, some of them several times."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = [
            (re.sub(r"_(.)", lambda m: m[1].upper(), name), value) for name, value in pairs
        ]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def one(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def flag(self, name: str) -> bool:
        return self.one(name) == "true"

    def limit(self, most: int) -> int:
        text = self.one("limit") or "0"
        if not re.fullmatch(r"[+-]?\d+", text):
            raise RefusedError(
                f'parsing field "limit": strconv.ParseInt: parsing "{text}": invalid syntax',
                "api_error",
            )
        limit = int(text) or 20
        if limit < 1:
            raise RefusedError("Limit must be at least 1")
        if limit > most:
            raise RefusedError(f"Limit cannot exceed {most}")
        return limit

    def time(self, name: str) -> int | None:
        text = self.one(name)
        if not text:
            return None
        try:
            return nanoseconds(text)
        except ValueError:
            raise RefusedError(
                f'parsing field "{name}": parsing time "{text}" as '
                f'"2006-01-02T15:04:05.999999999Z07:00": cannot parse "{text}" as "2006"',
                "api_error",
            ) from None


class RunList:
    """All runs, ready to be read by the time of their start or of their end."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = {row.id: row for row in rows}
        self._sorted: dict[str, tuple[list[Row], list[int]]] = {}

    def put(self, row: Row) -> None:
        """Add a run, or change one."""
        self.rows[row.id] = row
        self._sorted.clear()

    def by(self, field: str) -> tuple[list[Row], list[int]]:
        """Return the runs by one of their times, oldest first, and these times."""
        if field not in self._sorted:
            at: Callable[[Row], int] = (
                (lambda r: r.start_ns) if field == "start" else (lambda r: r.end_ns)
            )
            rows = sorted(self.rows.values(), key=lambda row: (at(row), row.id))
            self._sorted[field] = rows, [at(row) for row in rows]
        return self._sorted[field]

    def page(
        self, query: Query, apps: Sequence[str], functions: Sequence[str]
    ) -> tuple[Json, float]:
        """Answer a request for runs; say also for how many seconds the real one would work."""
        limit = query.limit(100)
        statuses = {status.upper() for status in query.all("status")}
        if statuses - {*STATUSES}:
            raise RefusedError("Status is invalid")
        field = _TIME_FIELDS.get((query.one("timeField") or "queuedAt").lower())
        if field is None:
            raise RefusedError("timeField is invalid")
        order = (query.one("order") or "DESC").upper()
        if order not in ("ASC", "DESC"):
            raise RefusedError("order is invalid")
        if functions and not apps:
            raise RefusedError("appId is required when filtering by functionId")
        start, stop = query.time("from"), query.time("until")
        if start is not None and stop is not None and start >= stop:
            raise RefusedError("from must be before until")
        rows, times = self.by(field)
        first = 0 if start is None else bisect_left(times, start)
        end = len(rows) if stop is None else bisect_right(times, stop)  # both ends belong to it
        cost = _PAGE_SECONDS + _ROW_SECONDS * (end - first) * (2 if field == "end" else 1)
        window = rows[first:end] if order == "ASC" else rows[first:end][::-1]
        if cursor := query.one("cursor"):
            window = _after(window, cursor, field, ascending=order == "ASC")
        shown = []
        for row in window:
            if _fits(row, statuses, apps, functions, query):
                shown.append(row)
                if len(shown) > limit:
                    break
        return self._body(shown, limit, field, query), cost

    def _body(self, found: list[Row], limit: int, field: str, query: Query) -> Json:
        body: Json = {}
        if found:
            body["data"] = [
                item_of(row, output=query.flag("includeOutput")) for row in found[:limit]
            ]
        body["page"] = {"limit": limit}
        if len(found) > limit:
            body["page"] |= {"cursor": _cursor(found[limit - 1], field), "hasMore": True}
        if query.one("from") and query.one("until"):
            body["metadata"] = {
                "timeRange": {"from": query.one("from"), "until": query.one("until")}
            }
        return body


def item_of(row: Row, *, output: bool) -> Json:
    """Return a run as lists show it."""
    item = row.record.item
    return row.shown(item if output else without(item, "output"))


def without(body: Json, *names: str) -> Json:
    """Return a body that lacks some entries."""
    return {key: value for key, value in body.items() if key not in names}


def _fits(
    row: Row, statuses: set[str], apps: Sequence[str], functions: Sequence[str], query: Query
) -> bool:
    item = row.record.item
    return (
        (not statuses or row.status in statuses)
        and (not apps or item["app"]["id"] in apps)
        and (not functions or item["function"]["id"] in functions)
        and not query.flag("isDeferred")
    )


def _cursor(row: Row, field: str) -> str:
    time = f"{field}_time"
    at = row.start_ns if field == "start" else row.end_ns
    said = {"id": row.id, "c": {time: {"f": time, "v": at // 1000}}}
    return base64.b64encode(json.dumps(said, separators=(",", ":")).encode()).decode()


def _after(window: list[Row], cursor: str, field: str, *, ascending: bool) -> list[Row]:
    try:
        said: Any = json.loads(base64.b64decode(cursor, validate=True))
        # The cursor has microseconds, the runs have more: upwards the last run comes once more.
        place = said["c"][f"{field}_time"]["v"] * 1000, said["id"]
    except (ValueError, KeyError, TypeError):
        raise RefusedError("Cursor is invalid") from None

    def key(row: Row) -> tuple[int, str]:
        return (row.start_ns if field == "start" else row.end_ns), row.id

    if ascending:
        return window[bisect_right(window, place, key=key) :]
    return window[len(window) - bisect_left(window[::-1], place, key=key) :]
