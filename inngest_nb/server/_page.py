"""One page of the listing: its cursor and its rows.

A row that cannot be read is reported on the page and does not affect other rows.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

import msgspec

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError
from inngest_nb.server._guard import Refused
from inngest_nb.store.http import Listed, Listing, Unreadable, listing_of
from inngest_nb.store.ids import check_id
from inngest_nb.store.rows import Number, Position, Row

_PAGE, _LARGEST_PAGE = 100, 1000
_PLACE = re.compile(r"-?[0-9]{1,19}")
_encode = msgspec.json.Encoder().encode


def limit_of(text: str) -> int:
    """Parse the maximum number of workflows on a page."""
    if not text:
        return _PAGE
    # The length is checked first, because Python refuses to parse numbers with thousands of digits.
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= _LARGEST_PAGE:
        raise Refused(400, f"limit must be a number from 1 to {_LARGEST_PAGE}")
    return int(text)


def cursor_of(row: Row, *, numbered: bool) -> str:
    """Return the cursor after a row, in the order of first saves (`numbered`) or of updates."""
    text = str(row.number) if numbered else f"{row.updated_us} {row.workflow_id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def position_of(cursor: str, order: str) -> Position | Number | None:
    """Parse the start of a page, in the order of newest updates or of first saves."""
    if order not in ("", "first-saved"):
        raise Refused(400, "order must be first-saved, or omitted for the newest update first")
    if not cursor:
        return 0 if order else None
    try:
        place, _, workflow_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        if not _PLACE.fullmatch(place) or not -(2**63) <= int(place) < 2**63:
            raise ValueError(place)
        if order and not workflow_id:
            return int(place)
        return Position(int(place), check_id(workflow_id))
    except ValueError:
        raise Refused(400, "cursor must be a next_cursor that this server returned") from None


def page_of(rows: Sequence[Row], cursor: str) -> bytes:
    """Encode a page of rows."""
    if not any(row.flaw or wire.is_deeper(row.document, wire.MAX_DEPTH) for row in rows):
        page = _encode(Listing([_listed(row) for row in rows], cursor))
        try:
            listing_of(page)  # a quick check that clients can parse the page
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
    """Return the time of a first save as text, "" if there is none."""
    return "" if us is None else wire.time_of(us).isoformat()


def _listed(row: Row) -> Listed:
    return Listed(msgspec.Raw(row.document), time_text(row.first_saved_us), row.etag)


def _flaw(row: Row) -> str:
    if row.flaw:
        return row.flaw
    try:
        wire.head(row.document)
    except StoreDecodeError as error:
        return str(error)
    return ""
