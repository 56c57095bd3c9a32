"""How processes communicate through a store: leases of executors, and messages to runs."""

from __future__ import annotations

from typing import NamedTuple

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.store.ids import check_id

MAX_MESSAGE_BYTES = 8 * 2**20
# The limits of one batch of received messages.
MESSAGES_AT_ONCE = 500
MESSAGE_BYTES_AT_ONCE = 8 * 2**20
# Messages to unknown workflows, such as answers to queries, are deleted after an hour.
ANSWER_SECONDS = 3600.0
MAX_LEASE_SECONDS = 86_400.0
_MAX_NAME = 200


class Message(NamedTuple):
    """A message to the executor that runs a workflow: a signal, a cancel or a query; or an answer.

    The sender chooses the `id`, so sending the same message again has no effect. `to` is a
    workflow's id, or for an answer the id of the query. `payload` is one JSON value. The store
    assigns the `number`, which always grows.
    """

    id: str
    to: str
    kind: str
    payload: bytes
    number: int = 0


class Hold(NamedTuple):
    """A request to start or renew an executor's lease for `seconds` from now; 0 ends it."""

    owner: str
    seconds: float


class Discard(NamedTuple):
    """A request to delete handled messages by their ids; unknown ids are ignored."""

    ids: tuple[str, ...]


def check_message(message: Message) -> Message:
    """Return a message, or raise `ValueError` if it is invalid."""
    check_id(message.to)
    for what, text in (("id", message.id), ("kind", message.kind)):
        check_name(text, f"a message's {what}")
    if len(message.payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message must have at most {MAX_MESSAGE_BYTES:,} bytes")
    try:
        wire.decode_json(message.payload)
    except (StoreDecodeError, ValueError) as error:
        raise ValueError(f"a message's payload must be one JSON value: {error}") from error
    return message


def check_hold(hold: Hold) -> Hold:
    """Return a request for a lease, or raise `ValueError` if it is invalid."""
    check_name(hold.owner, "an owner's name")
    if not 0 <= hold.seconds <= MAX_LEASE_SECONDS:
        raise ValueError(
            f"a lease must last 0 to {MAX_LEASE_SECONDS:,.0f} seconds, got {hold.seconds!r}"
        )
    return hold


def check_name(text: str, what: str) -> str:
    """Return a name that is valid in a path and a header, or raise `ValueError`."""
    sound = text and len(text) <= _MAX_NAME and text.isascii() and text.isprintable()
    if not sound or text in (".", ".."):  # these are lost in a path
        raise ValueError(f"{what} must have 1 to {_MAX_NAME} printable ASCII characters")
    return text
