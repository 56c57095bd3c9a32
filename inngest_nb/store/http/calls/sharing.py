"""Leases, messages, waiting for changes and following them on our state server.

Written once for all clients, like the contract's operations.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from urllib.parse import quote, urlencode

import msgspec

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError, StoreError
from inngest_nb.store.changes import Told
from inngest_nb.store.heads import heads_in
from inngest_nb.store.http.calls.driving import Response, T
from inngest_nb.store.http.calls.operations import (
    Listing,
    Operation,
    Request,
    exchange,
    rows_in,
    target_of,
)
from inngest_nb.store.ids import check_id
from inngest_nb.store.messages import Hold, Message

LEASES_PATH = "/v1/leases"
MESSAGES_PATH = "/v1/messages"
DISCARD_PATH = "/v1/messages/discard"
WATCH_PATH = "/v1/watch"
ABANDONED_PATH = "/v1/abandoned"
CHANGES_PATH = "/v1/changes"
LONGEST_WAIT = 30.0  # of one request, in seconds


class WireMessage(msgspec.Struct, omit_defaults=True):
    """A message as JSON."""

    id: str
    to: str
    kind: str
    payload: msgspec.Raw
    number: int = 0

    def message(self) -> Message:
        """Return the message, with its own copy of the payload."""
        return Message(self.id, self.to, self.kind, bytes(self.payload), self.number)


class Messages(msgspec.Struct):
    """The response to a request for messages."""

    messages: list[WireMessage]


class Leases(msgspec.Struct):
    """The seconds left of each owner's lease."""

    leases: dict[str, float]


class Ids(msgspec.Struct):
    """A list of ids of workflows or messages."""

    ids: list[str]


class Version(msgspec.Struct):
    """The stored etag, null if there is none."""

    etag: str | None


class ChangeColumns(msgspec.Struct):
    """The columns of changes: one list each, all of one length."""

    number: list[int]
    workflow_id: list[str]
    deleted: list[bool]

    def __post_init__(self) -> None:
        if not len(self.number) == len(self.workflow_id) == len(self.deleted):
            raise ValueError("the columns of changes differ in length")


class ChangeListing(msgspec.Struct):
    """The response to a request for changes.

    If they are asked for, `heads` are columns as of a search, and `workflows` is a listing's page.
    """

    changes: ChangeColumns
    last: int
    feed: str
    reset: bool = False
    heads: dict[str, list[str | int | None]] | None = None
    workflows: msgspec.Raw = msgspec.Raw(b"null")


class Seconds(msgspec.Struct):
    """The duration of a lease."""

    seconds: float


_encode = msgspec.json.Encoder().encode


def wire_message(message: Message) -> WireMessage:
    """Convert a message for JSON."""
    return WireMessage(
        message.id, message.to, message.kind, msgspec.Raw(message.payload), message.number
    )


def hold(base: str, hold: Hold) -> Operation[None]:
    """Start, renew or end a lease."""
    url = f"{base}{LEASES_PATH}/{quote(hold.owner, safe='')}"
    yield from exchange(Request("hold_lease", "PUT", url, _encode(Seconds(hold.seconds))))


def leases(base: str) -> Operation[dict[str, float]]:
    """Read the current leases."""
    request = Request("leases", "GET", base + LEASES_PATH)
    return _decoded((yield from exchange(request)), Leases, request).leases


def send(base: str, message: Message) -> Operation[None]:
    """Send a message."""
    body = _encode(wire_message(message))
    yield from exchange(Request("send", "POST", base + MESSAGES_PATH, body, message.to))


def receive(base: str, after: int, to: str | None, wait: float) -> Operation[list[Message]]:
    """Read messages; wait for one up to `wait` seconds."""
    for seconds in _turns(wait):
        query = {"after": after, "to": to, "wait": f"{seconds:.3f}"}
        given = {name: value for name, value in query.items() if value is not None}
        url = f"{base}{MESSAGES_PATH}?{urlencode(given)}"
        request = Request("receive", "GET", url, wait=seconds)
        found = _decoded((yield from exchange(request)), Messages, request).messages
        if found:
            return [each.message() for each in found]
    return []


def discard(base: str, ids: Sequence[str]) -> Operation[None]:
    """Delete messages."""
    yield from exchange(Request("discard", "POST", base + DISCARD_PATH, _encode(Ids(list(ids)))))


def watch(base: str, workflow_id: str, etag: str, wait: float) -> Operation[str | None]:
    """Wait for a version other than `etag`."""
    stored: str | None = etag
    for seconds in _turns(wait):
        query = urlencode({"id": check_id(workflow_id), "etag": etag, "wait": f"{seconds:.3f}"})
        url = f"{base}{WATCH_PATH}?{query}"
        request = Request("watch", "GET", url, None, workflow_id, wait=seconds)
        stored = _decoded((yield from exchange(request)), Version, request).etag
        if stored != etag:
            break
    return stored


def changes(
    base: str,
    after: int | None,
    wait: float,
    limit: int,
    *,
    heads: bool,
    documents: bool,
    feed: str,
) -> Operation[Told]:
    """Read the changes after a number; wait for one up to `wait` seconds."""
    for seconds in _turns(0 if after is None else wait):
        query = {"after": after, "wait": f"{seconds:.3f}", "limit": limit, "feed": feed or None}
        query |= {"heads": "true" if heads else None, "documents": "true" if documents else None}
        given = {name: value for name, value in query.items() if value is not None}
        url = f"{base}{CHANGES_PATH}?{urlencode(given)}"
        request = Request("changes", "GET", url, wait=seconds)
        told = _told((yield from exchange(request)), request, heads=heads, documents=documents)
        if told.is_news:
            break
    return told


def _told(response: Response, request: Request, *, heads: bool, documents: bool) -> Told:
    found = _decoded(response, ChangeListing, request)
    changes = found.changes
    lines = [*zip(changes.number, changes.workflow_id, changes.deleted, strict=True)]
    told = Told(lines, found.last, found.feed, found.reset, [])
    if heads:
        try:
            told = told._replace(heads=heads_in(found.heads or {}))
        except ValueError as error:
            raise _not_ours(request) from error
    if documents:
        page = response._replace(body=bytes(found.workflows))
        told = told._replace(rows=rows_in(_decoded(page, Listing, request)))
    return told


def cannot_follow(base: str) -> StoreError:
    """Return the error for a server that does not number its changes."""
    return StoreError(
        "inngest/changes: this server does not number its changes",
        operation="changes",
        target=base,
        hint="`inngest-nb serve` starts a state server that does; inb.watch(store) also follows "
        "this one, by reading it again and again",
    )


def _turns(wait: float) -> Iterator[float]:
    """Split a wait into requests that are short enough for proxies in between."""
    deadline = time.monotonic() + wait
    left = max(0.0, wait)
    while True:
        yield min(left, LONGEST_WAIT)
        if (left := deadline - time.monotonic()) <= 0:
            return


def abandoned(base: str, limit: int) -> Operation[list[str]]:
    """Read the ids of workflows that are stored as running but that no executor is running."""
    request = Request("abandoned", "GET", f"{base}{ABANDONED_PATH}?{urlencode({'limit': limit})}")
    return _decoded((yield from exchange(request)), Ids, request).ids


def _decoded(response: Response, kind: type[T], request: Request) -> T:
    try:
        return wire.flat(msgspec.json.Decoder(kind).decode, response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _not_ours(request) from error


def _not_ours(request: Request) -> StoreDecodeError:
    return StoreDecodeError(
        f"inngest/{request.operation}: the response is not that of a state server",
        operation=request.operation,
        workflow_id=request.workflow_id,
        target=target_of(request),
    )
