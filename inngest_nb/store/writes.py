"""What is asked of a table: a write or a deletion, perhaps of a certain version only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import UNSET

from inngest_nb import wire
from inngest_nb.errors import StoreConflictError, StoreError
from inngest_nb.store.ids import check_id
from inngest_nb.store.messages import Discard, Hold, Message

# What came of a write: None, or the error.
Outcome = BaseException | None

# What stands between the quotes of an ETag header, for any version that is there at all.
ANY = "*"
# What a state server takes in one request, and what one of the engine's writes adds to a history,
# unless a single event is longer.
MAX_BODY_BYTES = 16 * 2**20
MAX_ADDED_BYTES = 4 * 2**20
# A workflow's input and its result stand twice in a write: in the state and in their event.
MAX_PAYLOAD_BYTES = 7 * 2**20
_ETAG = re.compile(r"[!#-~]{1,200}")


class Write(NamedTuple):
    """One write of a workflow: a whole document, or what is to be added to the stored one.

    A partial document (`whole=False`) is one of `wire.encode_part`: the events of its history are
    appended, its other keys replace the stored ones.

    `status` and `updated_us` (microseconds since 1970) are index entries; None takes what the
    document says, and where a partial one says nothing they stay as they are. `etag` tells the new
    version from every other. The writer chooses it, so that repeating a write whose answer was
    lost is harmless; where it is empty, the store does. With `if_match` the write is done only
    over the version with that etag; "" is for where nothing is stored, "*" for where anything is.
    `owner` is the executor that runs the workflow, an index entry too.
    """

    workflow_id: str
    document: bytes
    whole: bool
    status: str | None = None
    updated_us: int | None = None
    etag: str = ""
    if_match: str | None = None
    owner: str | None = None

    @property
    def for_any_version(self) -> bool:
        """Whether a store has to remember the write by its name to know a repeat.

        Where it is for a certain version, a repeat that comes after another write is a conflict
        and changes nothing. To remember those too would cost the engine's appends a row more.
        """
        return self.if_match is None or self.if_match == ANY


class SoundWrite(Write):
    """A write that needs no checks, of a document that `wire` has just written.

    All its entries are filled in. Reading such a document again takes longer than writing it did.
    """

    __slots__ = ()


class Deletion(NamedTuple):
    """The end of a stored workflow, perhaps of a certain version only."""

    workflow_id: str
    if_match: str | None = None


class Keyed(NamedTuple):
    """A write or a deletion under a name.

    `key` is made of the workflow and the name, `request` of what is asked for under it. Where a
    store remembers the key, the same request is a success that changes nothing, and another one a
    `StoreKeyReusedError`.
    """

    key: bytes
    request: bytes
    work: Write | Deletion


Work = Write | Deletion | Keyed | Message | Hold | Discard


def new_etag() -> str:
    """Make a name for a version that no other version has."""
    return secrets.token_urlsafe(12)


def is_etag(text: str) -> bool:
    """Tell whether a text can name a version: a header has to carry it."""
    return text != ANY and _ETAG.fullmatch(text) is not None


def check_etag(etag: str) -> str:
    """Return an etag, or raise `ValueError` for what can be none."""
    if not is_etag(etag):
        raise ValueError(
            "an etag is 1 to 200 printable ASCII characters without spaces and quotes, and not *; "
            f"got {etag[:50]!r}"
        )
    return etag


def checked(write: Write) -> Write:
    """Return a write with its etag and index entries filled in.

    Raises `StoreDecodeError` for a document that would make the workflow unreadable, and
    `ValueError` for what is wrong with the rest.
    """
    if type(write) is SoundWrite:
        return write
    check_id(write.workflow_id)
    if write.etag:
        check_etag(write.etag)
    if write.if_match not in (None, "", ANY):
        check_etag(write.if_match)
    if write.whole:
        head: wire.Head | wire.PartHead = wire.head(write.document, payloads=True)
    else:
        head = wire.part_head(write.document)
    if head.workflow_id not in (UNSET, write.workflow_id):
        raise ValueError("WorkflowID in the document is not the id under which it is to be written")
    status, updated_us = write.status, write.updated_us
    if status is None and head.status is not UNSET:
        status = head.status
    if updated_us is None and head.updated_at is not UNSET:
        updated_us = wire.microseconds(head.updated_at)
    owner = write.owner
    if owner is None and (write.whole or head.owner is not UNSET):
        owner = head.owner or ""
    return Write(
        write.workflow_id,
        write.document,
        write.whole,
        status,
        updated_us,
        write.etag or new_etag(),
        write.if_match,
        owner,
    )


def sift(writes: Iterable[Write]) -> tuple[dict[int, Write], list[Outcome]]:
    """Check writes: those that can be done by their places, and for each place what is wrong."""
    sound: dict[int, Write] = {}
    outcomes: list[Outcome] = []
    for place, write in enumerate(writes):
        outcomes.append(None)
        try:
            sound[place] = checked(write)
        except (StoreError, TypeError, ValueError) as error:
            outcomes[place] = error
    return sound, outcomes


def is_done(work: Write | Deletion, etag: str | None) -> bool:
    """Tell whether nothing is left to do where this version is stored (None: nothing is)."""
    if isinstance(work, Deletion):
        return etag is None and not work.if_match
    return etag == work.etag


def conflict(work: Write | Deletion, etag: str | None) -> StoreConflictError | None:
    """Say why a work cannot be done over the version with this etag, or None if it can."""
    words = None
    if etag is None:
        if isinstance(work, Write) and not work.whole:
            words = "is not stored, so nothing can be added to it; save the whole state first"
        elif work.if_match:
            words = "is not stored any more; save it as a new one, if it is to be there again"
    elif work.if_match == "":
        words = "is stored already; load it and go on from there, or take another id"
    elif work.if_match not in (None, ANY, etag):
        words = "was changed by someone else meanwhile; load it again and repeat the change on that"
    if words is None:
        return None
    operation = _operation(work)
    return StoreConflictError(
        f"inngest/{operation}: {work.workflow_id!r} {words}",
        operation=operation,
        workflow_id=work.workflow_id,
    )


def _operation(work: Write | Deletion) -> str:
    if isinstance(work, Deletion):
        return "delete"
    return "save" if work.whole else "append"
