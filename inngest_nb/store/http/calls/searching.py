"""Searches on our state server, and documents in bulk.

Heads travel by columns: one JSON object of arrays a page. Documents travel as NDJSON, one line a
workflow, and are not decoded here.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inngest_nb import wire
from inngest_nb.errors import StoreDecodeError, StoreStatusError
from inngest_nb.query import Path, Search
from inngest_nb.store.heads import Head, heads_in
from inngest_nb.store.http.calls.driving import Response
from inngest_nb.store.http.calls.operations import (
    Operation,
    Request,
    cannot_list,
    exchange,
    naming,
)
from inngest_nb.store.http.calls.sharing import Ids
from inngest_nb.store.rows import Row
from inngest_nb.store.searching import Fields, Found, merged

SEARCH_PATH = "/v1/search"
DOCUMENTS_PATH = "/v1/documents"
# Heads on a page, and the most that a server sorts and cuts by itself.
HEADS_A_PAGE = 20_000
MOST_IDS = 1_000
NDJSON = "application/x-ndjson"

# A first search may have to make the heads of all workflows.
_PATIENCE = 600.0
# What servers say that don't know a path or a method.
_UNKNOWN = (404, 405, 501)
_encode = msgspec.json.Encoder().encode


class Question(msgspec.Struct):
    """A search, the paths to look up in payloads, and the number after which the page begins.

    A search that is limited to no more than a page has only one, in order (`after` is None).
    """

    search: Search
    fields: list[str] = []
    after: int | None = None


class Columns(msgspec.Struct):
    """A page of heads: an array for each column of `Head`, all of one length.

    `fields` has an array for each path, with JSON as it is stored, or null. `next` is the number
    with which the next page begins, 0 on the last one.
    """

    heads: dict[str, list[str | int | None]]
    total: int
    fields: list[list[msgspec.Raw]] = []
    next: int = 0
    change: int = 0


class Line(msgspec.Struct):
    """One document of an NDJSON response, or why it cannot be read."""

    id: str
    etag: str = ""
    first_saved_us: int | None = None
    flaw: str = ""
    state: msgspec.Raw = msgspec.Raw(b"")


_page_of = msgspec.json.Decoder(Columns).decode
_lines_of = msgspec.json.Decoder(Line).decode_lines


def find(base: str, search: Search, paths: Sequence[Path]) -> Operation[Found]:
    """Search a state server page by page.

    Raises `ListingUnsupportedError` where the server has no search.
    """
    fields = [str(path) for path in paths]
    if 0 < search.limit <= HEADS_A_PAGE:
        page = yield from _page(base, Question(search, fields))
        return _found(page)
    pages: list[Found] = []
    after = 0
    while True:
        page = yield from _page(base, Question(search, fields, after))
        pages.append(_found(page))
        if not page.next:
            return merged(pages, search)
        after = page.next


def _page(base: str, question: Question) -> Operation[Columns]:
    request = Request(
        "search", "POST", base + SEARCH_PATH, _encode(question), wait=_PATIENCE, bulk=True
    )
    response = yield from _exchange(request)
    return _decoded(response, request)


def _exchange(request: Request) -> Operation[Response]:
    try:
        return (yield from exchange(request))
    except StoreStatusError as error:
        if error.status in _UNKNOWN:
            raise cannot_list(request) from error
        raise


def _decoded(response: Response, request: Request) -> Columns:
    """Read a page; anything else means that the server has no search like ours."""
    try:
        page = wire.flat(_page_of, response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise cannot_list(request) from error
    lengths = {len(page.heads.get(name, ())) for name in Head._fields}
    if len(lengths) > 1 or not set(Head._fields) <= page.heads.keys():
        raise cannot_list(request)
    return page


def _found(page: Columns) -> Found:
    heads = heads_in(page.heads)
    fields: list[Fields] = [
        [None if (raw := bytes(value)) == b"null" else raw for value in column]
        for column in page.fields
    ]
    return Found(heads, page.total, fields, page.change)


def documents(base: str, ids: Sequence[str]) -> Operation[list[Row]]:
    """Read the documents of some workflows, at least one; those that are gone are left out.

    The server may send fewer than were asked for: the first ones.
    """
    request = Request(
        "search", "POST", base + DOCUMENTS_PATH, _encode(Ids(list(ids))), wait=_PATIENCE, bulk=True
    )
    response = yield from _exchange(request)
    try:
        lines = wire.flat(_lines_of, response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        with naming(request):
            raise StoreDecodeError(f"the response has no lines of documents: {error}") from error
    return [_row(line) for line in lines]


def _row(line: Line) -> Row:
    return Row(line.id, "", 0, line.first_saved_us, bytes(line.state), line.etag, flaw=line.flaw)


__all__ = [
    "DOCUMENTS_PATH",
    "HEADS_A_PAGE",
    "MOST_IDS",
    "NDJSON",
    "SEARCH_PATH",
    "Columns",
    "Line",
    "Question",
    "documents",
    "find",
]
