"""Events: reading them, sending them, invoking a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypedDict

from inngest_nb import wire, words
from inngest_nb.api.basics import _failures, _quirks
from inngest_nb.api.basics._checks import check_ulid, is_internal, time_text
from inngest_nb.api.basics._exchange import Operation, Query, Server
from inngest_nb.api.basics._failures import Request
from inngest_nb.api.basics._values import Event, Found, keep_partial
from inngest_nb.api.calls import _catalog
from inngest_nb.errors import (
    InngestError,
    InngestSendError,
    InngestStatusError,
)

MOST_EVENTS = 5_000
MOST_BYTES = 3 * 2**20  # of one event
_MOST_A_PAGE = 51  # more is cut off by the server without a word
_REQUEST_BYTES = 8 * 2**20
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
_FIELDS = ("name", "data", "id", "user", "ts", "v")


class NewEvent(TypedDict, total=False):
    """An event to send. Only `name` is required.

    `id` makes sending it again harmless for a day: its functions run once. `ts` is a time with its
    zone, or milliseconds since 1970; by default the time of its arrival.
    """

    name: str
    data: Mapping[str, Any] | None
    id: str
    user: Mapping[str, Any]
    ts: datetime | int
    v: str


class Encoded(NamedTuple):
    """An event that was checked, as JSON."""

    name: str
    body: bytes


def listing(
    server: Server,
    name: str | None,
    window: tuple[Any, Any],
    limit: int | None,
    cursor: str = "",
) -> Operation[Found[Event]]:
    """Read events, newest first, from below the `cursor`. Inngest's own ones are not among them."""
    start, end = window
    query: Query = [("name", name)] if name else []
    query += [("received_after", time_text(start))] if start else []
    query += [("received_before", time_text(end))] if end else []
    found: list[Event] = []
    while True:
        # One more than is wanted tells whether there are more.
        size = _MOST_A_PAGE if limit is None else min(_MOST_A_PAGE, limit + 1 - len(found))
        asked = [*query, ("limit", str(size)), *([("cursor", cursor)] if cursor else [])]
        try:
            said = yield from server.get("events", "/v1/events", asked)
        except InngestError as error:
            keep_partial(error, Found(found, truncated=True), "event")
            raise
        page = [event_of(item) for item in _quirks.items(said)]
        found += page
        if limit is not None and len(found) > limit:
            return Found(found[:limit], truncated=True)
        if len(page) < size or page[-1].event_id == cursor:
            return Found(found)
        cursor = page[-1].event_id


def event(server: Server, event_id: str) -> Operation[Event]:
    """Read one event."""
    try:
        said = yield from server.get("event", f"/v1/events/{check_ulid(event_id, 'event_id')}")
    except InngestStatusError as error:
        if error.status != 404:
            raise
        raise _catalog.unknown(server, "event", "event", event_id) from error
    return event_of(_quirks.part(said, "data"))


def event_of(item: Mapping[str, Any]) -> Event:
    """Make an event of an entry of v1's list."""
    key = _quirks.text(item.get("internal_id"))
    return Event(
        event_id=key,
        id=_quirks.text(item.get("id")) or key,
        name=_quirks.text(item.get("name")),
        data=dict(_quirks.part(item, "data")),
        user=dict(_quirks.part(item, "user")) or None,
        version=_quirks.text(item.get("v")) or None,
        sent_at=_quirks.milliseconds(item.get("ts")),
        received_at=_quirks.time(item.get("received_at")),
    )


# Sending


def checked(events: Iterable[Mapping[str, Any]]) -> list[Encoded]:
    """Check events that are to be sent, all of them before the first one is."""
    if isinstance(events, Mapping | str | bytes):
        raise ValueError(
            "events must be a list such as [{'name': 'shop/order.placed', 'data': {}}]; "
            "use send('shop/order.placed', {}) for a single event"
        )
    return [_checked(event, number) for number, event in enumerate(events)]


def _checked(event: object, number: int) -> Encoded:
    where = f"events[{number}]"
    if not isinstance(event, Mapping):
        raise ValueError(
            f"{where} must be an object such as {{'name': 'shop/order.placed', 'data': {{}}}}, "
            f"got {type(event).__name__}"
        )
    if strange := [str(key) for key in event if key not in _FIELDS]:
        raise ValueError(
            f"{where} has {words.short(strange[0], 40)!r}, which the server would drop; put it "
            f"into the data: an event has only {', '.join(_FIELDS)}"
        )
    name = event.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where} has no name; add one, such as 'shop/order.placed'")
    if is_internal(name):
        raise ValueError(
            f"{where} is called {words.short(name)!r}, but names that start with inngest/ are "
            "reserved for the server; use another one, such as 'shop/order.placed'"
        )
    for field in ("data", "user"):
        if not isinstance(event.get(field) or {}, Mapping):
            raise ValueError(
                f"the {field} of {where} must be an object such as {{'order_id': 'A1'}}, "
                f"got {type(event[field]).__name__}"
            )
    for field in ("id", "v"):
        if not isinstance(event.get(field) or "", str):
            raise ValueError(f"the {field} of {where} must be text, got {event[field]!r}")
    plain = {key: value for key, value in event.items() if value is not None}
    if "ts" in plain:
        plain["ts"] = _milliseconds(plain["ts"], where)
    return Encoded(name, _body(plain, where, name))


def _milliseconds(ts: object, where: str) -> int:
    moment: object = ts
    if isinstance(ts, int) and not isinstance(ts, bool):
        moment = _quirks.milliseconds(ts)
    if not isinstance(moment, datetime) or moment.utcoffset() is None or moment < _EARLIEST:
        raise ValueError(
            f"the ts of {where} must be a time after 1980 with a time zone, or milliseconds since "
            f"1970 such as 1795375359264, got {ts!r}"
        )
    return round(moment.timestamp() * 1000)


def _body(event: Mapping[str, Any], where: str, name: str) -> bytes:
    try:
        body = wire.encode_json(event)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{where} ({words.short(name)}) cannot be sent: {error}") from error
    if len(body) > MOST_BYTES:
        raise ValueError(
            f"{where} ({words.short(name)}) has {len(body):,} bytes as JSON, but the server "
            f"accepts at most {MOST_BYTES:,}; store large data elsewhere and send its address"
        )
    return body


def send(server: Server, events: Sequence[Encoded]) -> Operation[list[str]]:
    """Send checked events in as many requests as are needed; return their ids, in order.

    Raises the plain error where no event was accepted, else one that says which were.
    """
    accepted: list[str] = []
    for batch in _batches(events):
        try:
            accepted += yield from _send_batch(server, batch)
        except _RefusedBatchError as refused:
            accepted += refused.ids
            told = _told(refused.error, len(events), accepted, 0)
            raise told from told.__cause__
        except InngestError as error:
            lost = len(batch) if error.maybe_done else 0
            told = _told(error, len(events), accepted, lost)
            raise told from told.__cause__
    return accepted


class _RefusedBatchError(Exception):
    """What the server said against a batch, and the ids of those events that it accepted."""

    def __init__(self, error: InngestError, ids: list[str]) -> None:
        super().__init__(str(error))
        self.error, self.ids = error, ids


def _batches(events: Sequence[Encoded]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for each in events:
        size += len(each.body)
        if batch and (len(batch) == MOST_EVENTS or size > _REQUEST_BYTES):
            yield batch
            batch, size = [], len(each.body)
        batch.append(each.body)
    if batch:
        yield batch


def _send_batch(server: Server, batch: list[bytes]) -> Operation[list[str]]:
    """Send one request. The server keeps the events before a bad one, and tells their ids."""
    settings = server.settings
    body = b"[" + b",".join(batch) + b"]"
    request = Request("send", "POST", settings.ingest_path(), body=body, events=True)
    response = yield from server.send(request)
    said = yield from server.read(request, response)
    if response.status == 401:
        raise _RefusedBatchError(_failures.uninvited(settings, request, "Event key not found"), [])
    ids = _quirks.accepted_ids(said)
    trouble = _quirks.trouble(response.status, said)
    if trouble is None and len(ids) != len(batch):
        reason = "the server accepted fewer events than it was sent"
        trouble = _quirks.Trouble(response.status, "", reason)
    if trouble is not None:
        raise _RefusedBatchError(_failures.refused(settings, request, trouble), ids)
    return ids


def _told(error: InngestError, count: int, accepted: list[str], lost: int) -> InngestError:
    """Add to an error which events were accepted; after those come so many that may have been."""
    if not accepted and lost in (0, count):
        return error
    done = len(accepted)
    said = f"inngest send: the server accepted {done:,} of {count:,} events"
    if lost:
        said += f", and the response for {lost:,} was lost"
    told = InngestSendError(
        f"{said}: {str(error).removeprefix('inngest send: ')}",
        accepted=accepted,
        rejected=range(done + lost, count),
        unknown=range(done, done + lost),
        operation="send",
        target=error.target,
        hint="`accepted` holds the ids of the accepted events, `rejected` and `unknown` the "
        "positions of the others; it is safe to send events again that have an id of your own: "
        "their functions run once",
    )
    told.maybe_done = True
    told.__cause__ = error
    return told
