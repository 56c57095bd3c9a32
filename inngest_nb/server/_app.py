"""The state server's routes: the contract's three, appending, batches, listing and a health check.

Plain ASGI: routes are matched on the raw path, which is then decoded once, so that `a%2Fb` and
`a/b` are different ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from inngest_nb import wire
from inngest_nb._version import __version__
from inngest_nb.errors import StoreConflictError, StoreDecodeError, StoreError, StoreKeyReusedError
from inngest_nb.server._conditions import chosen_etag, condition, etag_header, is_known, key_of
from inngest_nb.server._guard import Guard, Refused
from inngest_nb.server._page import cursor_of, limit_of, page_of, position_of, time_text
from inngest_nb.server._request import Request
from inngest_nb.server._searching import Searching
from inngest_nb.server._sharing import Sharing
from inngest_nb.server._wakeups import Wakeups
from inngest_nb.store.http import (
    FIRST_SAVED_HEADER,
    LIST_PATH,
    UNREADABLE_HEADER,
    BatchItem,
    BatchOutcome,
    BatchOutcomes,
    batch_of,
)
from inngest_nb.store.ids import check_id
from inngest_nb.store.keys import by_names, keyed
from inngest_nb.store.rows import Number, Position
from inngest_nb.store.table import StateTable
from inngest_nb.store.writes import MAX_BODY_BYTES, Deletion, Outcome, Work, Write, checked, sift

_PAGE_BYTES = 8 * 2**20
# Longer documents are processed in a thread, so that they don't block other requests.
_AT_ONCE_BYTES = 128 * 2**10
_JSON = "application/json"
_ITEM_PREFIX = LIST_PATH.encode() + b"/"

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

T = TypeVar("T")
Handler = Callable[..., Awaitable[Response]]


class App:
    """The ASGI application: stores documents in a table and returns them byte for byte."""

    def __init__(
        self,
        table: StateTable,
        guard: Guard,
        max_body: int = MAX_BODY_BYTES,
        closing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._table = table
        self._guard = guard
        self._max_body = max_body
        self._wakeups = Wakeups()
        self._sharing = Sharing(table, self._do, self._json_body, closing)
        self._searching = Searching(table, self._json_body)

    def close(self) -> None:
        """End the threads that it has started."""
        self._sharing.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Refused as refused:
            response = _refusal(refused)
        except StoreError as error:
            response = _refusal(_refused(error))
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001  # logged; the client gets a response anyway
            _log.exception("the state server failed to handle a request")
            response = _refusal(Refused(500, "internal error of the state server; see its log"))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        self._guard.check_sender(request.fields)
        path: bytes = request.scope["raw_path"]
        if path == b"/health":
            return await _dispatch(request, {"GET": self._health})
        self._guard.check_key(request.fields)
        if path == LIST_PATH.encode():
            return await _dispatch(request, {"GET": self._list, "POST": self._save_many})
        if path.startswith(_ITEM_PREFIX):
            item, _, rest = path[len(_ITEM_PREFIX) :].partition(b"/")
            verbs = {"GET": self._load, "PUT": self._save, "DELETE": self._delete}
            if rest == b"history":
                verbs = {"POST": self._append}
            elif b"/" in path[len(_ITEM_PREFIX) :]:
                raise Refused(404, "no such path; encode a slash in an id as %2F")
            return await _dispatch(request, verbs, _id_of(item))
        for room in (self._sharing, self._searching):
            if (handlers := room.handlers(path.decode("latin-1"))) is not None:
                return await _dispatch(request, handlers)
        raise Refused(404, f"no such path; the path of a workflow is {LIST_PATH}/{{id}}")

    async def _health(self, request: Request) -> Response:
        return _json(
            {
                "status": "ok",
                "server": "inngest-nb",
                "version": __version__,
                "appends": True,
                "shares": True,
                "changes": True,
            }
        )

    async def _load(self, workflow_id: str, request: Request) -> Response:
        row = self._table.get(workflow_id, _AT_ONCE_BYTES)
        if row is None:
            raise Refused(404, "no workflow has this id")
        if not row.document and not row.flaw and not is_known(request.fields, row.etag):
            row = await asyncio.to_thread(self._table.get, workflow_id)
            if row is None:
                raise Refused(404, "no workflow has this id")
        if row.flaw:
            why = f"stored workflow {workflow_id!r} cannot be read: {row.flaw}"
            raise Refused(500, why, {UNREADABLE_HEADER: "1"})
        headers = etag_header(row.etag) | {FIRST_SAVED_HEADER: time_text(row.first_saved_us)}
        if is_known(request.fields, row.etag):
            return Response(status_code=304, headers=headers)
        return Response(row.document, media_type=_JSON, headers=headers)

    async def _save(self, workflow_id: str, request: Request) -> Response:
        return await self._write(workflow_id, request, whole=True)

    async def _append(self, workflow_id: str, request: Request) -> Response:
        try:
            return await self._write(workflow_id, request, whole=False)
        except StoreConflictError as error:
            if self._etag(workflow_id) is None:
                raise Refused(404, "no workflow has this id; PUT the whole state first") from error
            raise

    async def _write(self, workflow_id: str, request: Request, *, whole: bool) -> Response:
        _check_media_type(request)
        body = await self._body(request)
        key = key_of(request.fields)
        etag = chosen_etag(request.fields, key)
        given = Write(workflow_id, body, whole, etag=etag)
        write = await _aside(len(body), partial(_checked, given))
        await self._do_once(request, write, key)
        return Response(status_code=204, headers=etag_header(etag))

    async def _delete(self, workflow_id: str, request: Request) -> Response:
        await self._do_once(request, Deletion(workflow_id), key_of(request.fields))
        return Response(status_code=204)

    async def _do_once(self, request: Request, work: Write | Deletion, key: str) -> None:
        """Perform a work if the headers' conditions hold, and with an Idempotency-Key only once."""
        stored = partial(self._etag, work.workflow_id)
        once = keyed(key, work) if key else None
        try:
            etag = work.etag if isinstance(work, Write) else ""
            if (if_match := condition(request.fields, etag, stored)) is not None:
                work = work._replace(if_match=if_match)
        except Refused:
            if once is None or self._table.request_under(once.key) != once.request:
                raise
            return  # a repeat: the condition is about the version before it
        (error,) = await self._do([work if once is None else once._replace(work=work)])
        if error is not None:
            raise error

    async def _save_many(self, request: Request) -> Response:
        _check_media_type(request)
        body = await self._body(request)
        writes, outcomes, works = await _aside(len(body), partial(_sifted, body))
        results = await self._do(works)
        for place, result in zip(writes, results, strict=True):
            outcomes[place] = result
        return _json(BatchOutcomes([_said(error) for error in outcomes]))

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        limit = limit_of(query.get("limit", ""))
        after = position_of(query.get("cursor", ""), query.get("order", ""))
        body = await asyncio.to_thread(self._page, query.get("status"), limit, after)
        return Response(body, media_type=_JSON)

    def _page(self, status: str | None, limit: int, after: Position | Number | None) -> bytes:
        rows = self._table.page(status, limit, after, _PAGE_BYTES)
        size = sum(len(row.document) for row in rows)
        more = len(rows) == limit or size >= _PAGE_BYTES
        cursor = cursor_of(rows[-1], numbered=isinstance(after, Number)) if more else ""
        return page_of(rows, cursor)

    async def _do(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Perform works, and return their outcomes once they are durable."""
        future, done = self._wakeups.expect()
        self._table.apply_soon(works, done)
        return await future

    def _etag(self, workflow_id: str) -> str | None:
        return self._table.etag(workflow_id)

    async def _json_body(self, request: Request) -> bytes:
        _check_media_type(request)
        return await self._body(request)

    async def _body(self, request: Request) -> bytes:
        body = await request.read(self._max_body)
        if body is None:
            raise Refused(413, f"the request is too large: at most {self._max_body:,} bytes")
        return body


async def _aside(size: int, work: Callable[[], T]) -> T:
    """Process a body of this size, in a thread if it is large."""
    return work() if size <= _AT_ONCE_BYTES else await asyncio.to_thread(work)


async def _dispatch(request: Request, handlers: Mapping[str, Handler], *of: str) -> Response:
    """Let the handler of the method respond; `of` is the workflow's id in the path, if any."""
    method = "GET" if request.method == "HEAD" else request.method
    if method not in handlers:
        allowed = ", ".join(handlers)
        raise Refused(
            405, f"{request.method} is not supported here; use {allowed}", {"Allow": allowed}
        )
    return await handlers[method](*of, request)


def _id_of(raw: bytes) -> str:
    """Decode the id in a path, once."""
    try:
        return check_id(unquote_to_bytes(raw).decode())
    except UnicodeDecodeError:
        raise Refused(400, "the id in the path is not valid UTF-8") from None
    except ValueError as error:
        raise Refused(400, str(error)) from error


def _checked(write: Write) -> Write:
    try:
        return checked(write)
    except (StoreDecodeError, ValueError) as error:
        raise _refused(error) from error


def _sifted(body: bytes) -> tuple[dict[int, Write], list[Outcome], Sequence[Work]]:
    given = [
        Write(item.id, bytes(item.document), item.whole, etag=item.etag, if_match=item.if_match)
        for item in _batch_of(body)
    ]
    writes, outcomes = sift(given)
    return writes, outcomes, by_names(given, writes)


def _batch_of(body: bytes) -> list[BatchItem]:
    try:
        items = wire.flat(batch_of, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not a batch of writes: {error}") from error
    if len({item.id for item in items}) < len(items):
        raise Refused(
            400,
            "the batch contains a workflow twice, so it could not be repeated safely; send two "
            "batches",
        )
    return items


def _check_media_type(request: Request) -> None:
    media_type = request.fields.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise Refused(415, f"the body must be sent with Content-Type: {_JSON}")
    if request.fields.get("content-encoding", "identity") != "identity":
        raise Refused(415, "the body must be sent without Content-Encoding")


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_encode(value), status, headers, _JSON)


def _refused(error: BaseException) -> Refused:
    """Return the HTTP status and reason for an error."""
    if isinstance(error, StoreConflictError):
        return Refused(412, str(error).partition(": ")[2])
    if isinstance(error, StoreKeyReusedError):
        return Refused(422, str(error))
    if isinstance(error, StoreDecodeError | ValueError):
        return Refused(400, str(error))
    if isinstance(error, StoreError):
        return Refused(507 if getattr(error, "full", False) else 503, str(error))
    raise error


def _said(error: Outcome) -> BatchOutcome | None:
    if error is None:
        return None
    refused = _refused(error)
    return BatchOutcome(refused.status, refused.reason)


def _refusal(refused: Refused) -> Response:
    return _json({"error": refused.reason}, refused.status, refused.headers)
