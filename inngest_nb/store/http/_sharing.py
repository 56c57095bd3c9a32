"""Leases, messages and waiting for changes, as our state server has them.

Written once for every client, as the contract's operations are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from urllib.parse import quote, urlencode

import msgspec

from inngest_nb.errors import StoreDecodeError
from inngest_nb.store.http._operations import (
    Operation,
    Request,
    Response,
    T,
    exchange,
    target_of,
)
from inngest_nb.store.ids import check_id
from inngest_nb.store.messages import Hold, Message

LEASES_PATH = "/v1/leases"
MESSAGES_PATH = "/v1/messages"
DISCARD_PATH = "/v1/messages/discard"
WATCH_PATH = "/v1/watch"
ABANDONED_PATH = "/v1/abandoned"
LONGEST_WAIT = 30.0  # of one request, in seconds


class WireMessage(msgspec.Struct, omit_defaults=True):
    """A message as JSON has it."""

    id: str
    to: str
    kind: str
    payload: msgspec.Raw
    number: int = 0

    def message(self) -> Message:
        """Return the message, with a payload that shares nothing with the body it came in."""
        return Message(self.id, self.to, self.kind, bytes(self.payload), self.number)


class Messages(msgspec.Struct):
    """The answer to a reader of messages."""

    messages: list[WireMessage]


class Leases(msgspec.Struct):
    """The seconds left of each lease."""

    leases: dict[str, float]


class Ids(msgspec.Struct):
    """Ids, of workflows or of messages."""

    ids: list[str]


class Version(msgspec.Struct):
    """The etag of what is stored, null for nothing."""

    etag: str | None


class Seconds(msgspec.Struct):
    """How long a lease is to last."""

    seconds: float


_encode = msgspec.json.Encoder().encode


def wire_message(message: Message) -> WireMessage:
    """Make a message ready for JSON."""
    return WireMessage(
        message.id, message.to, message.kind, msgspec.Raw(message.payload), message.number
    )


def hold(base: str, hold: Hold) -> Operation[None]:
    """Begin, renew or end a lease."""
    url = f"{base}{LEASES_PATH}/{quote(hold.owner, safe='')}"
    yield from exchange(Request("hold_lease", "PUT", url, _encode(Seconds(hold.seconds))))


def leases(base: str) -> Operation[dict[str, float]]:
    """Read who holds a lease."""
    request = Request("leases", "GET", base + LEASES_PATH)
    return _decoded((yield from exchange(request)), Leases, request).leases


def send(base: str, message: Message) -> Operation[None]:
    """Leave a message."""
    body = _encode(wire_message(message))
    yield from exchange(Request("send", "POST", base + MESSAGES_PATH, body, message.to))


def receive(base: str, after: int, to: str | None, wait: float) -> Operation[list[Message]]:
    """Read messages, and wait for the first."""
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
    """Forget messages."""
    yield from exchange(Request("discard", "POST", base + DISCARD_PATH, _encode(Ids(list(ids)))))


def watch(base: str, workflow_id: str, etag: str, wait: float) -> Operation[str | None]:
    """Wait for a version that is not the given one."""
    stored: str | None = etag
    for seconds in _turns(wait):
        query = urlencode({"id": check_id(workflow_id), "etag": etag, "wait": f"{seconds:.3f}"})
        url = f"{base}{WATCH_PATH}?{query}"
        request = Request("watch", "GET", url, None, workflow_id, wait=seconds)
        stored = _decoded((yield from exchange(request)), Version, request).etag
        if stored != etag:
            break
    return stored


def _turns(wait: float) -> Iterator[float]:
    """Cut a wait into requests: the server answers each in time for what lies between to see it."""
    deadline = time.monotonic() + wait
    left = max(0.0, wait)
    while True:
        yield min(left, LONGEST_WAIT)
        if (left := deadline - time.monotonic()) <= 0:
            return


def abandoned(base: str, limit: int) -> Operation[list[str]]:
    """Read which workflows are stored as running and run by nobody."""
    request = Request("abandoned", "GET", f"{base}{ABANDONED_PATH}?{urlencode({'limit': limit})}")
    return _decoded((yield from exchange(request)), Ids, request).ids


def _decoded(response: Response, kind: type[T], request: Request) -> T:
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreDecodeError(
            f"inngest/{request.operation}: the answer is not what a state server says",
            operation=request.operation,
            workflow_id=request.workflow_id,
            target=target_of(request),
        ) from error
