"""The state server's routes for leases, messages, waiting for changes and following them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from urllib.parse import unquote

import msgspec
from starlette.responses import Response

from inngest_nb.server._guard import Refused
from inngest_nb.server._page import page_of
from inngest_nb.server._request import Request
from inngest_nb.store.changes import (
    BYTES_AT_ONCE,
    CHANGES_AT_ONCE,
    MIN_LOOK_INTERVAL,
    POLL_SECONDS,
    Changes,
    Told,
    shown,
)
from inngest_nb.store.heads import columns_of
from inngest_nb.store.http import (
    ABANDONED_PATH,
    CHANGES_PATH,
    DISCARD_PATH,
    LEASES_PATH,
    LONGEST_WAIT,
    MESSAGES_PATH,
    WATCH_PATH,
    ChangeColumns,
    ChangeListing,
    Ids,
    Leases,
    Messages,
    Seconds,
    Version,
    WireMessage,
    wire_message,
)
from inngest_nb.store.messages import Discard, Hold, Message, check_hold, check_message
from inngest_nb.store.table import StateTable
from inngest_nb.store.writes import Outcome, Work

T = TypeVar("T")

_LOOKS_AT_ONCE = 40
_MOST_IDS = 10_000
_LARGEST_NUMBER = 2**63 - 1
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,20})?")

_encode = msgspec.json.Encoder().encode

Handler = Callable[[Request], Awaitable[Response]]
Do = Callable[[Sequence[Work]], Awaitable[Sequence[Outcome]]]
Body = Callable[[Request], Awaitable[bytes]]


class Sharing:
    """Leases of and messages between executors in several processes.

    A long poll needs neither a thread nor a connection to the file: it is woken by this server's
    writes, and polls for writes of other processes to the same file.
    """

    def __init__(self, table: StateTable, do: Do, body: Body, closing: Callable[[], bool]) -> None:
        self._table = table
        self._do = do
        self._body = body
        self._closing = closing
        # Not asyncio's few threads: all of them may be searching, and no lease may wait for that.
        self._threads = ThreadPoolExecutor(_LOOKS_AT_ONCE, "inngest-nb-looks")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def handlers(self, path: str) -> Mapping[str, Handler] | None:
        """Return the handlers of a path by method, None for any other path."""
        if path == LEASES_PATH:
            return {"GET": self._leases}
        if path.startswith(LEASES_PATH + "/"):
            return {"PUT": self._hold}
        if path == MESSAGES_PATH:
            return {"GET": self._receive, "POST": self._send}
        if path == DISCARD_PATH:
            return {"POST": self._discard}
        if path == WATCH_PATH:
            return {"GET": self._watch}
        if path == CHANGES_PATH:
            return {"GET": self._changes}
        return {"GET": self._abandoned} if path == ABANDONED_PATH else None

    async def _leases(self, request: Request) -> Response:
        return _json(Leases(await self._look(self._table.leases)))

    async def _hold(self, request: Request) -> Response:
        owner = unquote(request.scope["raw_path"].decode("latin-1").rpartition("/")[2])
        seconds = decoded(await self._body(request), Seconds).seconds
        return await self._write(lambda: check_hold(Hold(owner, seconds)))

    async def _send(self, request: Request) -> Response:
        sent = decoded(await self._body(request), WireMessage).message()
        return await self._write(lambda: check_message(sent._replace(number=0)))

    async def _discard(self, request: Request) -> Response:
        ids = decoded(await self._body(request), Ids).ids
        if len(ids) > _MOST_IDS:
            raise Refused(400, f"at most {_MOST_IDS:,} messages can be discarded at once")
        return await self._write(lambda: Discard(tuple(ids)))

    async def _receive(self, request: Request) -> Response:
        query = request.query_params
        after = _number(query.get("after", "0"), "after")
        to = query.get("to")
        wait = _seconds(query.get("wait", "0"))
        look = partial(self._table.messages, after, to)
        found = await self._until(self._table.mail, look, bool, wait)
        return _json(Messages([wire_message(each) for each in found]))

    async def _watch(self, request: Request) -> Response:
        query = request.query_params
        workflow_id, known = query.get("id", ""), query.get("etag", "")
        wait = _seconds(query.get("wait", "0"))
        look = partial(self._table.etag, workflow_id)
        etag = await self._until(self._table.changes, look, lambda etag: etag != known, wait)
        return _json(Version(etag))

    async def _changes(self, request: Request) -> Response:
        query = request.query_params
        after = _number(query["after"], "after") if "after" in query else None
        heads = _is_true(query.get("heads", ""), "heads")
        documents = _is_true(query.get("documents", ""), "documents")
        look = partial(
            self._table.changed,
            after,
            min(_number(query.get("limit", "0"), "limit") or CHANGES_AT_ONCE, CHANGES_AT_ONCE),
            feed=query.get("feed", ""),
            documents=heads or documents,
            max_bytes=BYTES_AT_ONCE,
        )
        wait = 0 if after is None else _seconds(query.get("wait", "0"))
        told = await self._until(self._table.changes, look, lambda told: told.is_news, wait)
        page = partial(_changes_page, told, heads=heads, documents=documents)
        body = await self._look(page)
        return Response(body, media_type="application/json")

    async def _abandoned(self, request: Request) -> Response:
        limit = _number(request.query_params.get("limit", "0"), "limit")
        return _json(Ids(list(await self._look(partial(self._table.abandoned, limit)))))

    async def _write(self, work: Callable[[], Message | Hold | Discard]) -> Response:
        try:
            checked = work()
        except ValueError as error:
            raise Refused(400, str(error)) from error
        (failure,) = await self._do([checked])
        if failure is not None:
            raise failure
        return Response(status_code=204)

    async def _look(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _until(
        self, changes: Changes, look: Callable[[], T], good: Callable[[T], bool], seconds: float
    ) -> T:
        deadline = time.monotonic() + seconds
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def hear() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(changed.set)

        stop = changes.hear(hear)
        try:
            while True:
                changed.clear()
                count = await self._look(lambda: changes.count)
                seen = await self._look(look)
                left = deadline - time.monotonic()
                if good(seen) or left <= 0 or self._closing():
                    return seen
                await asyncio.sleep(min(left, MIN_LOOK_INTERVAL))
                while not changed.is_set():
                    if (left := deadline - time.monotonic()) <= 0 or self._closing():
                        return seen
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), min(left, POLL_SECONDS))
                    if await self._look(lambda: changes.count) != count:
                        break
        finally:
            stop()


def _changes_page(told: Told, *, heads: bool, documents: bool) -> bytes:
    changes = ChangeColumns(
        [number for number, _, _ in told.lines],
        [workflow_id for _, workflow_id, _ in told.lines],
        [deleted for _, _, deleted in told.lines],
    )
    page = ChangeListing(changes, told.last, told.feed, told.reset)
    if heads:
        page.heads = columns_of(shown(told, heads=True, documents=False).heads)
    if documents:
        page.workflows = msgspec.Raw(page_of(told.rows, ""))
    return _encode(page)


def _is_true(text: str, name: str) -> bool:
    if text not in ("", "true"):
        raise Refused(400, f"{name} must be true, or left out")
    return bool(text)


def _seconds(text: str) -> float:
    if not _SECONDS.fullmatch(text):
        raise Refused(400, "wait must be a number of seconds")
    return min(float(text), LONGEST_WAIT)


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20) or int(text) > _LARGEST_NUMBER:
        raise Refused(400, f"{name} must be a non-negative integer")
    return int(text)


def decoded(body: bytes, kind: type[T]) -> T:
    """Decode a request's body; raise `Refused` if it is not of this kind."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is invalid: {error}") from error


def _json(value: object) -> Response:
    return Response(_encode(value), media_type="application/json")
