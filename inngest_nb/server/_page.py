"""One page of the list: a row that cannot be read is named on it, and spoils no other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.store.http import Listed, Listing, Unreadable, listing_of
from inngest_nb.store.rows import Row

_encode = msgspec.json.Encoder().encode


def page_of(rows: Sequence[Row], cursor: str) -> bytes:
    """Write a page of rows."""
    if not any(wire.is_deeper(row.document, wire.MAX_DEPTH) for row in rows):
        page = _encode(Listing([_listed(row) for row in rows], cursor))
        try:
            listing_of(page)  # a quick look: nothing that a client would stumble over
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return page
    flaws = [(row, _flaw(row)) for row in rows]
    sound = [_listed(row) for row, flaw in flaws if not flaw]
    unreadable = [
        Unreadable(row.workflow_id, flaw, row.status, row.updated_us, row.etag)
        for row, flaw in flaws
        if flaw
    ]
    return _encode(Listing(sound, cursor, unreadable))


def time_text(us: int | None) -> str:
    """Write the time of a first save, "" for none."""
    return "" if us is None else wire.time_of(us).isoformat()


def _listed(row: Row) -> Listed:
    return Listed(msgspec.Raw(row.document), time_text(row.first_saved_us), row.etag)


def _flaw(row: Row) -> str:
    try:
        wire.head(row.document)
    except StoreDecodeError as error:
        return str(error)
    return ""
