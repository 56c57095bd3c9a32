"""Searches of workflows, by columns, and documents in bulk, as NDJSON.

The table is read in threads: the event loop answers others meanwhile.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec
from starlette.responses import Response

from inngest_nb.query import Path
from inngest_nb.server._guard import Refused
from inngest_nb.server._request import Request
from inngest_nb.server._sharing import decoded
from inngest_nb.store.heads import columns_of
from inngest_nb.store.http import (
    DOCUMENTS_PATH,
    HEADS_A_PAGE,
    MOST_IDS,
    NDJSON,
    SEARCH_PATH,
    Columns,
    Ids,
    Line,
    Question,
)
from inngest_nb.store.rows import Row
from inngest_nb.store.searching import DETAILS, Found, FoundHere, Slice
from inngest_nb.store.table import StateTable

_JSON = "application/json"
_SLICE_BYTES = 8 * 2**20
_MOST_FIELDS = 100
_NOTHING = msgspec.Raw(b"null")
_encode = msgspec.json.Encoder().encode

Handler = Callable[[Request], Awaitable[Response]]
Body = Callable[[Request], Awaitable[bytes]]


class Searching:
    """The routes of searches."""

    def __init__(self, table: StateTable, body: Body) -> None:
        self._table = table
        self._body = body

    def handlers(self, path: str) -> Mapping[str, Handler] | None:
        """Return the handlers of a path by method, None for any other path."""
        if path == SEARCH_PATH:
            return {"POST": self._search}
        return {"POST": self._documents} if path == DOCUMENTS_PATH else None

    async def _search(self, request: Request) -> Response:
        question = decoded(await self._body(request), Question)
        answer = partial(self._found, question)
        return await _bulk(request, answer, _JSON)

    def _found(self, question: Question) -> bytes:
        paths, search = _paths(question.fields), question.search
        try:
            search.check()
        except (TypeError, ValueError) as error:
            raise Refused(400, str(error)) from error
        if question.after is None and not 0 < search.limit <= HEADS_A_PAGE:
            raise Refused(400, f"a search of more than {HEADS_A_PAGE:,} heads needs after=0")
        if question.after is None:
            found = FoundHere(self._table.find(search, paths), 0)
        else:
            found = self._table.find_in(Slice(question.after, HEADS_A_PAGE), search, paths)
        return _encode(_columns(*found))

    async def _documents(self, request: Request) -> Response:
        ids = decoded(await self._body(request), Ids).ids
        if len(ids) > MOST_IDS:
            raise Refused(400, f"at most {MOST_IDS:,} documents can be read at once")
        return await _bulk(request, partial(self._lines, ids), NDJSON)

    def _lines(self, ids: list[str]) -> bytes:
        return b"\n".join(map(_line, self._table.documents(ids, _SLICE_BYTES)))


def _columns(found: Found, following: int) -> Columns:
    fields = [
        [_NOTHING if raw is None else msgspec.Raw(raw) for raw in column] for column in found.fields
    ]
    return Columns(columns_of(found.heads), found.total, fields, following, found.change)


def _line(row: Row) -> bytes:
    line = Line(row.workflow_id, row.etag, row.first_saved_us, row.flaw)
    if not row.flaw:
        line.state = msgspec.Raw(_on_one_line(row.document))
    return _encode(line)


def _on_one_line(document: bytes) -> bytes:
    """Replace line breaks, which JSON has only between values."""
    return document.replace(b"\r", b" ").replace(b"\n", b" ")


async def _bulk(request: Request, work: Callable[[], bytes], media_type: str) -> Response:
    """Answer with what a thread works out, compressed if the client takes that."""
    zips = "gzip" in request.fields.get("accept-encoding", "")
    body = await (asyncio.to_thread(_zipped, work) if zips else asyncio.to_thread(work))
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"} if zips else {}
    return Response(body, 200, headers, media_type)


def _zipped(work: Callable[[], bytes]) -> bytes:
    return gzip.compress(work(), compresslevel=1, mtime=0)


def _paths(texts: list[str]) -> list[Path]:
    if len(texts) > _MOST_FIELDS:
        raise Refused(400, f"at most {_MOST_FIELDS} fields can be looked up at once")
    try:
        return [
            DETAILS[text] if text in DETAILS else Path.parse(text, name="fields") for text in texts
        ]
    except ValueError as error:
        raise Refused(400, str(error)) from error
