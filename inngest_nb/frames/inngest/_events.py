"""Searching the events of a real Inngest server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from inngest_nb.api import Event, Found, InngestAPI, checks, keep_partial
from inngest_nb.errors import InngestError
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.inngest._asking import LIMIT, attrs_of, opened
from inngest_nb.frames.inngest._matching import EventData, check_event
from inngest_nb.progress import progress
from inngest_nb.query import When, check_window

_PAGE = 50  # one more tells whether there are more, and 51 are what the server gives at once


def search_events(
    api: InngestAPI | None = None,
    *,
    name: str | None = None,
    data: Mapping[str, Any] | None = None,
    since: When | None = "24h",
    until: When | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Return a DataFrame with one row per event of a real Inngest server, newest first.

        inb.search_events(name="shop/order.placed", data={"user.id": "u7"}, since="7d")

    Its columns are `event_id` (the server's), `id` (the sender's, else the same), `name`,
    `received_at`, `sent_at` (UTC) and `data`, a dict. Events that Inngest made are left out. `name`
    is a whole name; the other arguments and `attrs` are those of `search_runs`, but `since` and
    `until` are about the arrival.

    Raises `ValueError` for an argument that makes no sense, and `InngestError` as `api.events`
    does; its `partial` is the list of the events that were read.
    """
    check_event(name, "name")
    start, end = check_window(since, until, datetime.now(UTC))
    wanted = EventData(data)
    checks.check_limit(limit)
    said = {"name": name, "data": data, "since": start, "until": end, "limit": limit}
    with opened(api) as server:
        found: list[Event] = []
        with progress("Reading events", "events") as advance:
            for event in events_in(server, name, start, end, advance):
                if wanted.matches(event):
                    found.append(event)
                if limit is not None and len(found) > limit:
                    break
        is_cut = limit is not None and len(found) > limit
        return _made(server, found[:limit], said, LIMIT if is_cut else None)


def events_in(
    api: InngestAPI,
    name: str | None,
    start: datetime | None,
    end: datetime | None,
    advance: Callable[[int], object],
) -> Iterator[Event]:
    """Yield the events of a window, newest first; an error has those that came before it."""
    read: list[Event] = []
    try:
        while True:
            before = read[-1].event_id if read else None
            page = api.events(name, since=start, until=end, limit=_PAGE, before=before)
            read += page
            advance(len(page))
            yield from page
            if not page.truncated:
                return
    except (KeyboardInterrupt, InngestError) as error:
        keep_partial(error, Found(read, truncated=True), "event")
        raise


def _made(
    api: InngestAPI, events: list[Event], said: dict[str, Any], because: str | None
) -> pd.DataFrame:
    made = pd.DataFrame(
        {
            "event_id": columns.text(event.event_id for event in events),
            "id": columns.text(event.id for event in events),
            "name": columns.text(event.name for event in events),
            "received_at": columns.times(
                columns.microseconds(event.received_at for event in events)
            ),
            "sent_at": columns.times(columns.microseconds(event.sent_at for event in events)),
            "data": columns.payloads(event.data for event in events),
        }
    )
    made.attrs.update(attrs_of(api, said, because, datetime.now(UTC)))
    return made
