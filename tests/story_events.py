"""Events: what the server takes, and how v1 lists them."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from story_lists import Query
from story_records import Json, is_ulid, nanoseconds

MAX_EVENT_BYTES = 3 * 2**20
MAX_BATCH = 5_000
_EARLIEST_TS = 315_532_800_000  # 1980
_GO_KINDS = {list: "array", str: "string", bool: "bool", int: "number", float: "number"}


class Taken:
    """What came of a request to `/e/{key}`: the ids of the events taken, and what stopped it."""

    def __init__(self, body: bytes, take: Callable[[Json], str]) -> None:
        self.ids: list[str] = []
        self.error = ""
        try:
            for number, event in enumerate(_events(body)):
                if number == MAX_BATCH:
                    raise _BadEventError(f"Cannot have more than {MAX_BATCH} events in a batch")
                self.ids.append(take(_checked(event, body)))
        except _BadEventError as error:
            self.error = str(error)

    @property
    def status(self) -> int:
        return 400 if self.error else 200

    @property
    def body(self) -> Json:
        said: Json = {"ids": self.ids or [""], "status": self.status}
        return said | ({"error": self.error} if self.error else {})


class _BadEventError(Exception):
    """Why an event is not taken; those before it are."""


def _events(body: bytes) -> Sequence[Any]:
    if not body:
        return []
    try:
        given = json.loads(body)
    except ValueError:
        raise _BadEventError(broken_json(body)) from None
    if isinstance(given, dict):
        return [given]
    if isinstance(given, list):
        return given
    raise _BadEventError("Request body must contain an event object or an array of event objects")


def broken_json(body: bytes) -> str:
    """Say of the recorded broken body what the server said."""
    char = body[1:2].decode(errors="replace")
    return f"invalid character '{char}' looking for beginning of object key string"


def _checked(event: Any, body: bytes) -> Json:
    size = len(body) if body.lstrip()[:1] == b"{" else len(json.dumps(event, separators=(",", ":")))
    if size > MAX_EVENT_BYTES:
        raise _BadEventError(
            f"Event is over the max size: Max {MAX_EVENT_BYTES} bytes / Size {size} bytes"
        )
    if not isinstance(event.get("data", {}), dict | None):
        raise _wrong_type(event["data"], "data", "map[string]interface {}")
    if not isinstance(event.get("ts", 0), int):
        raise _wrong_type(event["ts"], "ts", "int64")
    if not event.get("name"):
        raise _BadEventError("event name is empty")
    if event["name"].startswith("inngest/"):
        raise _BadEventError(f"event name is reserved for internal use: {event['name']}")
    if "ts" in event and event["ts"] < _EARLIEST_TS:
        raise _BadEventError("timestamp is before Jan 1, 1980")
    return {key: event[key] for key in ("name", "data", "user", "id", "ts", "v") if key in event}


def _wrong_type(value: Any, name: str, wanted: str) -> _BadEventError:
    kind = _GO_KINDS.get(type(value), "value")
    return _BadEventError(
        f"json: cannot unmarshal {kind} into Go struct field raw.{name} of type {wanted}"
    )


class BadQueryError(Exception):
    """A parameter of v1 that the server refuses."""


def listed(events: Sequence[Json], query: Query) -> list[Json]:
    """Return a page of v1's list; `events` are newest first."""
    name, cursor = query.one("name"), query.one("cursor")
    text = query.one("limit")
    limit = min(int(text), 51) if text.isdigit() and int(text) else 20  # bad numbers are ignored
    after, before = (_time(query, which) for which in ("receivedAfter", "receivedBefore"))
    if cursor and not is_ulid(cursor):
        raise BadQueryError("Invalid cursor query parameter")
    if cursor:
        upwards = events[::-1]
        events = events[len(events) - bisect_left(upwards, cursor, key=_place) :]
    found = []
    for event in events:
        if event["name"].startswith("inngest/") or (name and event["name"] != name):
            continue
        received = nanoseconds(event["received_at"])
        if (after is not None and received < after) or (before is not None and received > before):
            continue
        found.append(event)
        if len(found) == limit:
            break
    return found


def _place(event: Json) -> str:
    key: str = event["internal_id"]
    return key


def _time(query: Query, name: str) -> int | None:
    text = query.one(name)
    try:
        return nanoseconds(text) if text else None
    except ValueError:
        snake = {"receivedAfter": "received_after", "receivedBefore": "received_before"}[name]
        raise BadQueryError(f"Invalid {snake} query parameter") from None
