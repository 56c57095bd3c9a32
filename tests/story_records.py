"""What was recorded of a real Inngest: 47 runs and their events, and copies of them at other times.

`data/inngest/story/story.jsonl` is one frozen moment of a server, `exchanges.jsonl` what else was
asked of it. Each copy of the story lies half a minute before the last; its ids are other ids.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "data" / "inngest" / "story"

Json = dict[str, Any]

_COPY_EVERY_MS = 30_000
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
# By what `timeField=endedAt` sorts a run that has not ended. The first was recorded, in a cursor;
# the others fit its place in the list.
_LAST_ACTIVITY = {
    "01M82BBSDR1WHRKAK6PP0047Z0": "2026-11-22T19:22:39.961677Z",
    "01M82BBSED1645F0H33T6NA952": "2026-11-22T19:22:40.222Z",
    "01M82BBSJ0XDT7WC9ZHA1HQCNC": "2026-11-22T19:22:42.280Z",
}


@dataclass
class Record:
    """One run as each call shows it, with its output."""

    item: Json  # in a list of v2
    detail: Json
    trace: Json
    v1: Json
    jobs: list[Json]
    event_ids: tuple[str, ...]  # by which v2 finds it; more than one for a batch


class Row(NamedTuple):
    """One run of the server: a recorded one, or a copy of one `shift_ms` later."""

    id: str
    status: str
    start_ns: int
    end_ns: int
    record: Record
    shift_ms: int = 0

    def shown(self, body: Any) -> Any:
        """Return a body of the record as this copy shows it."""
        return shifted(body, self.shift_ms) if self.shift_ms else body


@dataclass
class Story:
    """All that was recorded of that moment."""

    names: Json  # of runs, such as `order1`
    rows: list[Row]
    events: list[Json]  # as v1 lists them, newest first
    apps: list[Json]
    functions: list[Json]
    v1_functions: list[Json]


class Asked(NamedTuple):
    """A recorded question and its answer."""

    name: str
    request: Json
    response: Json


@cache
def exchanges() -> tuple[Asked, ...]:
    """Return what was asked of the server one by one, in whatever state it was then."""
    lines = map(json.loads, (FOLDER / "exchanges.jsonl").read_text().splitlines())
    return tuple(Asked(line["name"], line["request"], line["response"]) for line in lines)


@cache
def frozen() -> tuple[Json, ...]:
    """Return what was asked of the frozen moment: path, query and body of each answer."""
    lines = (FOLDER / "story.jsonl").read_text().splitlines()
    return tuple(map(json.loads, lines[1:]))


@cache
def story() -> Story:
    """Return the recorded moment."""
    names = json.loads((FOLDER / "story.jsonl").read_text().partition("\n")[0])["runs"]
    found = {(one["path"], tuple(sorted(one["query"].items()))): one["body"] for one in frozen()}
    listed = found["/api/v2/runs", (("includeOutput", "true"), ("limit", "100"))]["data"]
    causes: dict[str, list[str]] = defaultdict(list)
    events: dict[str, Json] = {}
    for one in frozen():
        parts = one["path"].split("/")
        if parts[1:3] == ["v1", "events"] and len(parts) == 4:
            events[parts[3]] = one["body"]["data"]
        elif parts[1:4] == ["api", "v2", "events"]:
            for run in one["body"].get("data", ()):
                causes[run["id"]].append(parts[4])

    def record(item: Json) -> Record:
        path = f"/api/v2/runs/{item['id']}"
        with_output = (("includeOutput", "true"),)
        return Record(
            item=item,
            detail=found[path, with_output]["data"],
            trace=found[f"{path}/trace", with_output]["data"],
            v1=found[f"/v1/runs/{item['id']}", ()]["data"],
            jobs=found[f"/v1/runs/{item['id']}/jobs", ()]["data"],
            event_ids=tuple(causes[item["id"]] or item["trigger"]["eventIds"]),
        )

    return Story(
        names=names,
        rows=[row_of(record(item)) for item in listed],
        events=sorted(events.values(), key=lambda event: event["internal_id"], reverse=True),
        apps=found["/api/v2/apps", ()]["data"],
        functions=found["/api/v2/apps/nb-lab/functions", (("limit", "40"),)]["data"],
        v1_functions=next(
            asked.response["body"] for asked in exchanges() if asked.name == "v1-app-functions"
        ),
    )


def row_of(record: Record) -> Row:
    """Give a run its place in the lists."""
    item = record.item
    last = item.get("endedAt") or _LAST_ACTIVITY.get(item["id"], item["startedAt"])
    started, ended = nanoseconds(item["startedAt"]), nanoseconds(last)
    return Row(item["id"], item["status"], started, ended, record)


def rows_of(count: int) -> Iterator[Row]:
    """Yield the story's runs, and as many copies of those that have ended as are asked for."""
    rows = story().rows[:count]
    yield from rows
    ended = [row for row in rows if "endedAt" in row.record.item]
    for number in range(count - len(rows)):
        row = ended[number % len(ended)]
        yield copy_of(row, -_COPY_EVERY_MS * (1 + number // len(ended)))


def events_of(rows: int) -> Iterator[Json]:
    """Yield the events of so many runs."""
    yield from story().events
    copies = -(-max(0, rows - 47) // 42)
    for number in range(1, copies + 1):
        for event in story().events:
            yield shifted(event, -_COPY_EVERY_MS * number)


def copy_of(row: Row, shift_ms: int) -> Row:
    """Return the same run at another time."""
    ns = shift_ms * 1_000_000
    key = shifted_id(row.id, shift_ms)
    return row._replace(
        id=key, start_ns=row.start_ns + ns, end_ns=row.end_ns + ns, shift_ms=shift_ms
    )


def shifted(body: Any, shift_ms: int) -> Any:
    """Return a body with all its ids and times moved."""
    if isinstance(body, dict):
        return {
            key: value + shift_ms
            if key == "ts" and isinstance(value, int)
            else shifted(value, shift_ms)
            for key, value in body.items()
        }
    if isinstance(body, list):
        return [shifted(value, shift_ms) for value in body]
    if not isinstance(body, str):
        return body
    if len(body) == 26 and _ULID.fullmatch(body):
        return shifted_id(body, shift_ms)
    if body[4:5] == "-" and (time := _TIME.fullmatch(body)):
        moved = datetime.fromisoformat(time[1]) + timedelta(milliseconds=shift_ms)
        return moved.isoformat() + (f".{time[2]}Z" if time[2] else "Z")
    return body


def shifted_id(ulid: str, shift_ms: int) -> str:
    """Move the time that is in an id; the random part stays."""
    return encoded(milliseconds_of(ulid) + shift_ms, 10) + ulid[10:]


def milliseconds_of(ulid: str) -> int:
    """Return the time in an id."""
    number = 0
    for char in ulid[:10].upper():
        number = number * 32 + _CROCKFORD.index(char)
    return number


def encoded(number: int, size: int) -> str:
    """Write a number as ids do."""
    text = ""
    for _ in range(size):
        number, digit = divmod(number, 32)
        text = _CROCKFORD[digit] + text
    return text


def is_ulid(text: str) -> bool:
    """Tell whether a text is an id of the server's."""
    return bool(_ULID.fullmatch(text.upper()))


def nanoseconds(text: str) -> int:
    """Read a time of the server's, as nanoseconds since 1970."""
    time = _TIME.fullmatch(text)
    if time is None:
        moment = datetime.fromisoformat(text)
        return round(moment.timestamp() * 1_000_000) * 1000
    whole = datetime.fromisoformat(time[1]).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1_000_000_000 + int((time[2] or "0").ljust(9, "0"))


def time_text(moment: datetime) -> str:
    """Write a time as the server does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
