"""What the clients over HTTP share: everything but sending.

Configuration, the building of requests, the words for what goes wrong, and each verb with its
effect on what the client has at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http.cookiejar import CookieJar
from typing import Any

import httpx

from inngest_nb import wire
from inngest_nb.errors import StoreConflictError, StoreConnectionError, StoreDecodeError, StoreError
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.conflicts import overtaken
from inngest_nb.store.heads import Head, head_of
from inngest_nb.store.http import _appending, _operations, _sharing
from inngest_nb.store.http._cache import Cache
from inngest_nb.store.http._config import (
    check_carriage,
    is_loopback,
    resolve_base_url,
    resolve_key,
)
from inngest_nb.store.http._direct import Deadline
from inngest_nb.store.http._forks import follow
from inngest_nb.store.http._operations import (
    Answer,
    ConnectionDroppedError,
    Operation,
    Request,
    Response,
)
from inngest_nb.store.messages import Hold, Message, check_hold, check_message
from inngest_nb.store.rows import Row, States, check_limit, states_of, status_text, write_of
from inngest_nb.store.writes import MAX_BODY_BYTES, Outcome, Write, sift

# What sending may raise; RuntimeError is httpx's word for a closed client.
TRANSPORT_ERRORS = (httpx.HTTPError, httpx.InvalidURL, RuntimeError)
_DROPPED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError)
_TIMEOUT_SECONDS = 10.0
_BODY_BYTES = 256 * 2**20
# Named, so that httpx does not look into each URL for a user name.
_NO_AUTH = httpx.Auth()


class _ForeignClientError(RuntimeError):
    """The client was handed over in another process: its connections are shared with that."""


@lru_cache(maxsize=1024)
def _parsed(url: str) -> httpx.URL:
    """Parse an address once; a workflow is saved many times under the same."""
    return httpx.URL(url)


class NoCookies(CookieJar):
    """A jar that stays empty: the contract has no cookies, and looking for them costs time."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take nothing out of a response."""


class HttpStore:
    """A client without its driver; each `_verb` is an operation for one to run."""

    def __init__(
        self,
        base_url: str | None,
        event_key: str | None,
        timeout: float | None,
        *,
        own_client: bool,
        allow_insecure: bool,
    ) -> None:
        self.base_url = resolve_base_url(base_url)
        self._key = resolve_key(event_key)
        check_carriage(self.base_url, self._key, allow_insecure=allow_insecure)
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout is a number of seconds above 0, got {timeout!r}")
        self._timeout = timeout
        seconds = httpx.Timeout(_TIMEOUT_SECONDS if timeout is None else timeout)
        self._extensions = {"timeout": seconds.as_dict()}
        self._own_client = own_client
        self._closed = False
        self._foreign = False  # the user's client is another process's
        self._cache = Cache()
        self._abilities: frozenset[str] | None = None
        follow(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r}, event_key={self._key!r})"

    @property
    def _local(self) -> bool:
        """Whether the server is on this machine, where a proxy has no business."""
        return is_loopback(httpx.URL(self.base_url).host)

    # In a process that forks

    def hold(self) -> None:
        """Let nothing be half done while the process forks."""
        self._cache.hold()

    def let_go(self) -> None:
        """Go on in the process that forked."""
        self._cache.let_go()

    def begin_anew(self) -> None:
        """Go on in the forked process, without the connections of the other one."""
        self._cache.begin_anew()
        if not self._own_client:
            self._foreign = True
        elif not self._closed:
            self._connect()

    def _connect(self) -> None:
        """Make a client of this process; the one before it, if any, is another process's."""
        raise NotImplementedError

    # Requests

    def _request(self, request: Request, client: Any) -> httpx.Request:
        if self._foreign:
            raise _ForeignClientError
        headers = self._key.headers() if request.keyed else {}
        headers |= request.headers
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if self._own_client:
            # Not `build_request`: merging with a client's defaults costs as much as the rest.
            return httpx.Request(
                request.method,
                _parsed(request.url),
                headers=headers,
                content=request.body,
                extensions=self._extensions if not request.wait else self._patience(request.wait),
            )
        built: httpx.Request = client.build_request(
            request.method,
            request.url,
            headers=headers,
            content=request.body,
            timeout=self._limits(client.timeout, request.wait),
        )
        if not request.keyed:
            built.headers.pop("Authorization", None)  # a user's default is a key too
        return built

    def _limits(self, timeout: httpx.Timeout, wait: float) -> httpx.Timeout:
        limits = timeout if self._timeout is None else httpx.Timeout(self._timeout)
        read = None if limits.read is None else limits.read + wait
        return httpx.Timeout(
            connect=limits.connect, read=read, write=limits.write, pool=limits.pool
        )

    def _patience(self, wait: float) -> dict[str, Any]:
        return {"timeout": self._limits(httpx.Timeout(_TIMEOUT_SECONDS), wait).as_dict()}

    def _deadline(self, built: httpx.Request, request: Request) -> Deadline:
        """Give all of a request the time that a transport gives to each of its reads."""
        seconds = built.extensions.get("timeout", {}).get("read")
        return Deadline(seconds, len(request.body or b""))

    def _auth(self, request: Request) -> httpx.Auth | Any:
        """Leave a user's client its own `auth`, but for another origin."""
        own = self._own_client or not request.keyed
        return _NO_AUTH if own else httpx.USE_CLIENT_DEFAULT

    def _failed(self, error: Exception, request: Request) -> Answer:
        """Turn a transport's error into ours, for the operation to judge."""
        if isinstance(error, _ForeignClientError):
            return StoreError(
                f"inngest/{request.operation}: nothing was sent to {self.base_url}: the client= of "
                "this store belongs to the process that this one was forked from",
                operation=request.operation,
                workflow_id=request.workflow_id,
                target=self.base_url,
                hint="make another store here, with another client or with none",
            )
        said = self._key.hidden(str(error))
        if isinstance(error, _DROPPED):
            return ConnectionDroppedError(said or "the connection broke off")
        if isinstance(error, httpx.TimeoutException):
            why, hint = "it took too long", "give a longer timeout= if the server is slow"
        elif isinstance(error, httpx.ConnectError):
            why = f"cannot connect ({said})"
            hint = (
                "start `inngest-nb serve`, or inb.local() in a notebook; "
                "or check base_url and INNGEST_BASE_URL"
            )
        elif isinstance(error, RuntimeError):  # what httpx says of a closed client
            why, hint = said, "make a new store; this one was closed"
        else:
            why, hint = said, "check base_url and what answers there with `inngest-nb doctor`"
        failure = StoreConnectionError(
            f"inngest/{request.operation}: no answer from {self.base_url}: {why}",
            operation=request.operation,
            workflow_id=request.workflow_id,
            target=self.base_url,
            hint=hint,
        )
        failure.__cause__ = error
        return failure

    def _response(self, response: httpx.Response, body: bytes) -> Response:
        if response.status_code >= 400:  # shown to people; elsewhere a body stays as it is
            body = self._key.hidden(body.decode(errors="replace")).encode()
        # A plain dict: httpx's own headers are slow to look things up in.
        headers = {
            k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers.raw
        }
        return Response(response.status_code, headers, body)

    def _save(self, state: WorkflowState, *, force: bool) -> Operation[None]:
        write = write_of(state, force=force)
        try:
            if len(write.document) > MAX_BODY_BYTES and write.if_match:
                etag = yield from self._save_edits(state, write)
            else:
                etag = yield from _operations.save(self.base_url, write)
        except StoreConflictError as conflict:
            stored = yield from self._load(state.workflow_id)
            if stored is None or wire.encode(stored) != write.document:  # or it was done before
                raise overtaken(state, stored, conflict.target) from conflict
            etag = stored.etag
        self._remember(write, etag)

    def _save_edits(self, state: WorkflowState, write: Write) -> Operation[str]:
        """Save what is too long for one request by what was changed since it was loaded."""
        part = wire.edits(state)
        able = part is not None and (yield from self._can("appends"))
        if part is None or not able:
            return (yield from _operations.save(self.base_url, write))
        added = write._replace(document=part, whole=False)
        (error,) = yield from _appending.write_all(self.base_url, [added])
        if error is not None:
            raise error
        return write.etag

    def _load(self, workflow_id: str) -> Operation[WorkflowState | None]:
        return (yield from _operations.load(self.base_url, workflow_id))

    def _delete(self, workflow_id: str) -> Operation[None]:
        yield from _operations.delete(self.base_url, workflow_id)
        self._cache.forget(workflow_id)

    def _fetch(self, status: WorkflowStatus | str | None, limit: int) -> Operation[States]:
        rows = yield from _operations.fetch(self.base_url, status_text(status), check_limit(limit))
        return states_of(rows)

    def _heads(self, status: WorkflowStatus | str | None, limit: int) -> Operation[list[Head]]:
        given = status_text(status), check_limit(limit)
        rows = yield from _operations.fetch(self.base_url, *given, documents=False)
        return [head_of(row) for row in rows]

    def _refresh(self, status: WorkflowStatus | str | None, limit: int) -> Operation[int]:
        since = self._cache.now()
        rows = yield from _operations.fetch(self.base_url, status_text(status), check_limit(limit))
        self._cache.fill(rows, since, replace=status is None and not limit)
        return len(rows)

    def _can(self, ability: str) -> Operation[bool]:
        if self._abilities is None:
            self._abilities = yield from _appending.abilities(self.base_url)
        return ability in self._abilities

    def _hold(self, owner: str, seconds: float) -> Operation[None]:
        return _sharing.hold(self.base_url, check_hold(Hold(owner, seconds)))

    def _leases(self) -> Operation[dict[str, float]]:
        return _sharing.leases(self.base_url)

    def _send_message(self, message: Message) -> Operation[None]:
        return _sharing.send(self.base_url, check_message(message))

    def _receive(self, after: int, to: str | None, wait: float) -> Operation[list[Message]]:
        return _sharing.receive(self.base_url, after, to, wait)

    def _discard(self, ids: Sequence[str]) -> Operation[None]:
        return _sharing.discard(self.base_url, ids)

    def _watch(self, workflow_id: str, etag: str, wait: float) -> Operation[str | None]:
        return _sharing.watch(self.base_url, workflow_id, etag, wait)

    def _abandoned(self, limit: int) -> Operation[list[str]]:
        return _sharing.abandoned(self.base_url, check_limit(limit))

    def _append_history(self, given: Sequence[Write]) -> Operation[list[Outcome]]:
        writes, outcomes = sift(given)
        try:
            able = yield from self._can("appends")
            if not able:
                raise _appending.cannot_append(self.base_url)
            results = yield from _appending.write_all(self.base_url, [*writes.values()])
        except StoreError as error:
            results = [error] * len(writes)
        for (place, write), result in zip(writes.items(), results, strict=True):
            outcomes[place] = result
            if result is None:
                self._cache.update(write)
        return outcomes

    def _remember(self, write: Write, etag: str) -> None:
        entries = write.workflow_id, write.status or "", write.updated_us or 0, None
        self._cache.put(Row(*entries, write.document, etag))

    def _list(self, status: WorkflowStatus | str | None, limit: int) -> States:
        return states_of(self._cache.rows(status_text(status), check_limit(limit)))


def check_size(size: int, request: Request) -> None:
    """Stop reading an answer that has no end."""
    if size > _BODY_BYTES:
        raise StoreDecodeError(
            f"inngest/{request.operation}: the answer is longer than {_BODY_BYTES >> 20} MiB",
            operation=request.operation,
            workflow_id=request.workflow_id,
        )
