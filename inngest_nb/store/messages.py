"""What processes say to each other through a store: leases of executors, messages to runs."""

from __future__ import annotations

from typing import NamedTuple

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.store.ids import check_id

MAX_MESSAGE_BYTES = 8 * 2**20
# A reader gets so much at once, whichever is reached first.
MESSAGES_AT_ONCE = 500
MESSAGE_BYTES_AT_ONCE = 8 * 2**20
# What was sent to no stored workflow, such as an answer, is forgotten after an hour.
ANSWER_SECONDS = 3600.0
MAX_LEASE_SECONDS = 86_400.0
_MAX_NAME = 200


class Message(NamedTuple):
    """Something for whoever runs a workflow: a signal, a cancel, a query; or the answer to one.

    `id` is chosen by the sender: sending the same message again is harmless. `to` is a workflow's
    id, or the id of the query that this answers. `payload` is one JSON value. `number` is given by
    the store; it rises, and none is used twice.
    """

    id: str
    to: str
    kind: str
    payload: bytes
    number: int = 0


class Hold(NamedTuple):
    """An executor's lease begins, or is renewed, for so many seconds from now; 0 ends it."""

    owner: str
    seconds: float


class Discard(NamedTuple):
    """Messages that were taken, by their ids; unknown ones are no error."""

    ids: tuple[str, ...]


def check_message(message: Message) -> Message:
    """Return a message, or raise `ValueError` for one that cannot be kept."""
    check_id(message.to)
    for what, text in (("id", message.id), ("kind", message.kind)):
        check_name(text, f"a message's {what}")
    if len(message.payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message has at most {MAX_MESSAGE_BYTES:,} bytes")
    try:
        wire.decode_json(message.payload)
    except (StoreDecodeError, ValueError) as error:
        raise ValueError(f"a message's payload is one JSON value: {error}") from error
    return message


def check_hold(hold: Hold) -> Hold:
    """Return what an executor asks for, or raise `ValueError`."""
    check_name(hold.owner, "an owner's name")
    if not 0 <= hold.seconds <= MAX_LEASE_SECONDS:
        raise ValueError(f"a lease lasts 0 to {MAX_LEASE_SECONDS:,.0f} s, got {hold.seconds!r}")
    return hold


def check_name(text: str, what: str) -> str:
    """Return a name that can travel in a path and a header, or raise `ValueError`."""
    sound = text and len(text) <= _MAX_NAME and text.isascii() and text.isprintable()
    if not sound or text in (".", ".."):  # which a path would lose
        raise ValueError(f"{what} has 1 to {_MAX_NAME} printable ASCII characters")
    return text
