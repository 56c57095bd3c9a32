"""The work of a table: writes and deletions, which may be conditional on the stored version."""

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

# The outcome of a write: None, or the error.
Outcome = BaseException | None

# The condition that any version is stored, as in `If-Match: *`.
ANY = "*"
# The limit of a request to a state server, and of what a write of the engine adds to a history,
# unless a single event is longer.
MAX_BODY_BYTES = 16 * 2**20
MAX_ADDED_BYTES = 4 * 2**20
# A workflow's input and result are written twice: in the state and in an event.
MAX_PAYLOAD_BYTES = 7 * 2**20
_ETAG = re.compile(r"(?!\*\Z)[!#-~]{1,200}")


class Write(NamedTuple):
    """A write of a workflow: a whole document, or an addition to the stored one.

    A partial document (`whole=False`) comes from `wire.encode_part`: its history events are
    appended, and its other keys replace the stored ones.

    `status`, `updated_us` (microseconds since 1970) and `owner` (the executor that runs the
    workflow) are index entries; None takes them from the document, and a partial document without
    them leaves them unchanged. `etag` identifies the new version. The writer chooses it, so that a
    write can be repeated if its response was lost; if it is empty, the store chooses one. With
    `if_match`, the write succeeds only if the stored version has that etag; "" requires that
    nothing is stored, "*" that something is.
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
        """Whether a store must remember the write's key to recognize a repeat.

        A write that requires a certain version does not need that: a repeat after another write is
        a conflict and changes nothing. Remembering those, too, would cost each append of the engine
        another row.
        """
        return self.if_match is None or self.if_match == ANY


class SoundWrite(Write):
    """A write that needs no checks, because `wire` has just written its document.

    All its entries are filled in. Parsing the document again would take longer than writing it.
    """

    __slots__ = ()


class Deletion(NamedTuple):
    """A deletion of a workflow, which may be conditional on the stored version."""

    workflow_id: str
    if_match: str | None = None


class Keyed(NamedTuple):
    """A write or a deletion with an idempotency key.

    `key` is a digest of the workflow's id and the key, `request` of the work. If a store remembers
    the key, the same request succeeds without changing anything, and a different one is a
    `StoreKeyReusedError`.
    """

    key: bytes
    request: bytes
    work: Write | Deletion


Work = Write | Deletion | Keyed | Message | Hold | Discard


def new_etag() -> str:
    """Return a new, unique etag."""
    return secrets.token_urlsafe(12)


def is_etag(text: str) -> bool:
    """Tell whether a text is a valid etag, which must fit into a header."""
    return _ETAG.fullmatch(text) is not None


def check_etag(etag: str) -> str:
    """Return an etag, or raise `ValueError` if it is invalid."""
    if _ETAG.fullmatch(etag) is None:
        raise ValueError(
            "an etag must have 1 to 200 printable ASCII characters without spaces and quotes, and "
            f"must not be *; got {etag[:50]!r}"
        )
    return etag


def checked(write: Write) -> Write:
    """Check a write, and fill in its etag and index entries.

    Raises `StoreDecodeError` for a document that would make the workflow unreadable, and
    `ValueError` for anything else that is invalid.
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
        raise ValueError("WorkflowID in the document differs from the id of the write")
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
    """Check writes; return the valid ones by position, and a list with the errors of the others."""
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
    """Tell whether the stored version (None: nothing is stored) is already the result of a work."""
    if isinstance(work, Deletion):
        return etag is None and not work.if_match
    return etag == work.etag


def conflict(work: Write | Deletion, etag: str | None) -> StoreConflictError | None:
    """Return the error if the stored etag (None: nothing is stored) conflicts with a work."""
    words = None
    if etag is None:
        if isinstance(work, Write) and not work.whole:
            words = "is not stored, so nothing can be appended to it; save the whole state first"
        elif work.if_match:
            words = "is no longer stored; to restore it, save it as a new workflow"
    elif work.if_match == "":
        words = "is already stored; load it to continue from there, or use a different id"
    elif work.if_match not in (None, ANY, etag):
        words = "has been changed by someone else; load it again and reapply your change"
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
