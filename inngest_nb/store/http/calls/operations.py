"""The contract's operations, written once for all clients.

Each is a generator that yields requests and receives responses; a short driver runs it, blocking or
async. Status codes, redirects, retries and paging are all handled here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec

from inngest_nb import wire
from inngest_nb.errors import (
    ListingUnsupportedError,
    NotAStateServerError,
    StoreConflictError,
    StoreConnectionError,
    StoreDecodeError,
    StoreError,
    StoreStatusError,
)
from inngest_nb.state import WorkflowState
from inngest_nb.store.http.calls.driving import ConnectionDroppedError, Response, T
from inngest_nb.store.ids import path_of
from inngest_nb.store.rows import REMEDY, Row, order
from inngest_nb.store.writes import ANY, Write, is_etag

Header = tuple[str, str]
_Page = tuple[list[Row], str]  # and where the next one begins

LIST_PATH = "/v1/workflows"
FIRST_SAVED_HEADER = "x-inngest-nb-first-saved"
# In an error response: the document is at fault, not the server.
UNREADABLE_HEADER = "x-inngest-nb-unreadable"
_PAGE = 500
_REDIRECTS = 5
# To catch updates during a listing: rows per page, and the maximum number of passes.
_LOOK, _LOOKS = 50, 10


class Request(NamedTuple):
    """A request for the driver to send, with the event key if `keyed`.

    The server may take `wait` seconds longer than usual to respond. A `bulk` response is compressed
    if it comes from another machine.
    """

    operation: str
    method: str
    url: str
    body: bytes | None = None
    workflow_id: str | None = None
    keyed: bool = True
    headers: tuple[Header, ...] = ()
    wait: float = 0
    bulk: bool = False


# What a driver passes in: None at first, then a response or an error.
Answer = Response | ConnectionDroppedError | StoreError | None
Operation = Generator[Request, Response, T]


class Listed(msgspec.Struct):
    """A workflow in a listing of our state server."""

    state: msgspec.Raw
    first_saved_at: str = ""
    etag: str = ""


class Unreadable(msgspec.Struct):
    """A workflow whose stored document cannot be read, with the reason and its index entries."""

    id: str
    why: str
    status: str = ""
    updated_us: int = 0
    etag: str = ""


class Listing(msgspec.Struct):
    """A page of our state server's listing; `next_cursor` is empty on the last one."""

    workflows: list[Listed]
    next_cursor: str = ""
    unreadable: list[Unreadable] = []


listing_of = msgspec.json.Decoder(Listing).decode
_id_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def save(base: str, write: Write) -> Operation[str]:
    """Put a document and return its etag, "" if the server has none.

    Version headers are not part of the contract; only conditional writes send them.
    """
    headers = (key(write), *conditions(write)) if write.if_match else ()
    path = base + path_of(write.workflow_id)
    request = Request("save", "PUT", path, write.document, write.workflow_id, headers=headers)
    try:
        return _etag((yield from exchange(request)))
    except StoreStatusError as error:
        if error.status == 412:
            raise conflict_said(request, error.reason) from error
        raise


def key(write: Write) -> Header:
    """Return the header by which a server recognizes a repeated request."""
    return "Idempotency-Key", f'"{write.etag}"'


def conditions(write: Write) -> Iterator[Header]:
    """Yield the header with the version that a conditional write must replace."""
    if write.if_match == "":
        yield "If-None-Match", ANY
    elif write.if_match is not None:
        yield "If-Match", ANY if write.if_match == ANY else f'"{write.if_match}"'


def conflict_said(request: Request, reason: str) -> StoreConflictError:
    """Return the error for a write whose condition the server has rejected."""
    return StoreConflictError(
        f"inngest/{request.operation}: {reason}",
        operation=request.operation,
        workflow_id=request.workflow_id,
        target=target_of(request),
    )


def load(base: str, workflow_id: str) -> Operation[WorkflowState | None]:
    """Get a state, or None if the server does not know the id."""
    request = Request("load", "GET", base + path_of(workflow_id), workflow_id=workflow_id)
    response = yield from exchange(request, absent=True)
    if response.status == 404:
        return None
    with naming(request):
        first_saved_at = _time(response.headers.get(FIRST_SAVED_HEADER, ""))
        state = wire.decode(response.body, first_saved_at=first_saved_at, etag=_etag(response))
    if state.workflow_id != workflow_id:
        raise StoreDecodeError(
            f"inngest/load: asked for workflow {workflow_id!r}, but the server sent another one",
            place="$.WorkflowID",
            operation="load",
            workflow_id=workflow_id,
            target=target_of(request),
        )
    return state


def delete(base: str, workflow_id: str) -> Operation[None]:
    """Delete a document; an unknown id is ignored."""
    request = Request("delete", "DELETE", base + path_of(workflow_id), workflow_id=workflow_id)
    yield from exchange(request, absent=True)


def fetch(base: str, status: str | None, limit: int) -> Operation[list[Row]]:
    """Read our state server's listing page by page: everything, or the newest `limit` updates.

    Updates between two pages neither hide a workflow nor list it twice.
    """
    found: dict[str, Row] = {}
    read = partial(_page, base, status)
    if limit:
        yield from _newest(read, limit, found)
    else:
        cursor = ""
        while True:
            rows, cursor = yield from read(_PAGE, cursor, by="first-saved")
            found.update((row.workflow_id, row) for row in rows)
            if not cursor:
                break
    rows = sorted(found.values(), key=order)
    return rows[:limit] if limit else rows


def _newest(
    read: Callable[[int, str], Operation[_Page]], limit: int, found: dict[str, Row]
) -> Operation[None]:
    """Find the newest updates.

    Workflows that are updated between two pages move to the front, so the front is read again, down
    to what is known, until all that is new fits on one page.
    """
    cursor, pages = "", 0
    while len(found) < limit:
        rows, cursor = yield from read(min(_PAGE, limit - len(found)), cursor)
        found.update((row.workflow_id, row) for row in rows)
        pages += 1
        if not cursor:
            break
    for _ in range(_LOOKS):
        if pages == 1:
            return
        cursor, pages, known = "", 0, False
        while not known:
            rows, cursor = yield from read(_LOOK, cursor)
            fresh = [row for row in rows if found.get(row.workflow_id) != row]
            known = len(fresh) < len(rows) or not cursor
            found.update((row.workflow_id, row) for row in fresh)
            pages += 1


def _page(base: str, status: str | None, limit: int, cursor: str, by: str = "") -> Operation[_Page]:
    """Read a page, and the cursor of the next one ("" after the last)."""
    query = {"status": status, "order": by or None, "limit": limit, "cursor": cursor or None}
    given = {name: value for name, value in query.items() if value is not None}
    request = Request("refresh", "GET", f"{base}{LIST_PATH}?{urlencode(given)}")
    response = yield from exchange(request, absent=True, unlisted=True)
    listing = _listing(response, request)
    return rows_in(listing), listing.next_cursor


def rows_in(listing: Listing) -> list[Row]:
    """Return the rows of a page, those that cannot be read at its end."""
    rows = [_row(one) for one in listing.workflows]
    rows += [
        Row(one.id, one.status, one.updated_us, None, b"", one.etag, flaw=one.why)
        for one in listing.unreadable
    ]
    return rows


def _listing(response: Response, request: Request) -> Listing:
    try:
        if response.status == 200:
            return wire.flat(listing_of, response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # a 200 with something else means that the server cannot list
    if response.status == 200 and response.body.lstrip()[:1] == b"<":
        raise NotAStateServerError(
            f"inngest/refresh: {target_of(request)} is not a state server: it responded with a "
            "web page",
            operation="refresh",
            target=target_of(request),
            hint="check base_url or INNGEST_NB_URL; `inngest-nb serve` starts a state server",
        )
    raise cannot_list(request)


def cannot_list(request: Request) -> ListingUnsupportedError:
    """Return the error for a server that has the contract's operations only."""
    return ListingUnsupportedError(
        "inngest/refresh: this server stores states but cannot list them",
        operation="refresh",
        target=target_of(request),
        hint="list() returns what this client saved; to list everything, use a state server: "
        "`inngest-nb serve`",
    )


def _row(one: Listed) -> Row:
    document = bytes(one.state)
    try:
        head = wire.head(document)
        first = _time(one.first_saved_at)
    except StoreDecodeError as error:
        return Row(_id_in(document), "", 0, None, document, one.etag, flaw=str(error))
    updated_us = wire.microseconds(head.updated_at)
    first_us = wire.microseconds(first) if first else None
    return Row(head.workflow_id, head.status, updated_us, first_us, document, one.etag)


def _id_in(document: bytes) -> str:
    """Find the id in an invalid document, "" if there is none."""
    try:
        found = wire.flat(_id_of, document).get("WorkflowID", b'""')
        return msgspec.json.decode(found, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _etag(response: Response) -> str:
    """Return a response's etag, "" for a weak one, which cannot be used in a condition."""
    text = response.headers.get("etag", "")
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1] if quoted and is_etag(text[1:-1]) else ""


def _time(text: str) -> datetime | None:
    return wire.decode_time(text) if text else None


@contextlib.contextmanager
def naming(request: Request) -> Iterator[None]:
    """Add the operation and the server to the error for an unreadable document."""
    try:
        yield
    except StoreDecodeError as error:
        error.operation, error.workflow_id = request.operation, request.workflow_id
        error.target = target_of(request)
        error.add_note(f"{error.target} sent this document; is it really a state server?")
        raise


def exchange(
    request: Request, *, absent: bool = False, unlisted: bool = False
) -> Operation[Response]:
    """Send a request, follow redirects, and raise an error for a response that means failure.

    With `absent`, a 404 is returned; with `unlisted`, a 405.
    """
    first = request
    for _ in range(_REDIRECTS + 1):
        response = yield from _answer(request)
        if "x-inngest-server-kind" in response.headers:
            raise NotAStateServerError(
                f"inngest/{request.operation}: {target_of(request)} is an Inngest server, "
                "which does not store workflow states",
                operation=request.operation,
                workflow_id=request.workflow_id,
                target=target_of(request),
                hint="start a state server with `inngest-nb serve --port 8290`, or with "
                "inb.local() in a notebook, and pass its address as base_url or INNGEST_NB_URL; "
                "inb.search_runs() finds the runs of an Inngest server",
            )
        if (response.status == 404 and absent) or (response.status == 405 and unlisted):
            return response
        if UNREADABLE_HEADER in response.headers:
            unreadable = StoreDecodeError(
                f"inngest/{request.operation}: {_reason(response)}",
                operation=request.operation,
                workflow_id=request.workflow_id,
                target=target_of(request),
            )
            unreadable.add_note(REMEDY.format(request.workflow_id))
            raise unreadable
        if response.status >= 400:
            raise StoreStatusError(
                operation=request.operation,
                status=response.status,
                reason=_reason(response),
                workflow_id=request.workflow_id,
                target=target_of(request),
            )
        location = response.headers.get("location")
        if not (300 <= response.status < 400 and location):
            return response
        request = _redirected(request, response.status, location, _origin(first.url))
    raise _unreachable(request, f"redirected more than {_REDIRECTS} times")


def _answer(request: Request) -> Operation[Response]:
    """Retry once if a kept-alive connection turns out to be closed; all requests are idempotent."""
    try:
        return (yield request)
    except ConnectionDroppedError:
        pass
    try:
        return (yield request)
    except ConnectionDroppedError as dropped:
        raise _unreachable(request, str(dropped)) from dropped


def _redirected(request: Request, status: int, location: str, origin: str) -> Request:
    """Follow a redirect with the same method, and with the key only to the same origin."""
    try:
        url = urljoin(request.url, location)
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        raise _unreachable(request, "redirected to an invalid address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _unreachable(request, "redirected to an address that is not HTTP")
    if request.method != "GET" and status not in (307, 308):
        # These redirects mean a GET, whose success would look as if the save had succeeded.
        raise _unreachable(
            request, f"redirected with status {status}, which does not repeat a {request.method}"
        )
    return request._replace(url=url, keyed=request.keyed and _origin(url) == origin)


def _unreachable(request: Request, why: str) -> StoreConnectionError:
    return StoreConnectionError(
        f"inngest/{request.operation}: no response from {target_of(request)}: {why}",
        operation=request.operation,
        workflow_id=request.workflow_id,
        target=target_of(request),
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def target_of(request: Request) -> str:
    """Return the server's address without user name, path and query."""
    parts = urlsplit(request.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _reason(response: Response) -> str:
    """Return the reason in an error response: its JSON key `error`, else the text."""
    try:
        said = msgspec.json.decode(response.body, type=dict[str, object]).get("error", "")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = response.body[:300].decode(errors="replace")
    return " ".join(str(said).split())[:300]
