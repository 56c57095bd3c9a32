"""What the HTTP clients share: everything except sending.

That is the configuration, the requests, the errors, and each operation with its effect on the
cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http.cookiejar import CookieJar
from typing import Any

import httpx

from inngest_nb import wire
from inngest_nb.errors import (
    ListingUnsupportedError,
    StoreConflictError,
    StoreConnectionError,
    StoreDecodeError,
    StoreError,
)
from inngest_nb.query import Path, Search
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.changes import Changed, changed_of, check_after, check_most
from inngest_nb.store.conflicts import overtaken
from inngest_nb.store.heads import Head
from inngest_nb.store.http._cache import Cache
from inngest_nb.store.http._config import (
    check_carriage,
    is_loopback,
    resolve_base_url,
    resolve_key,
)
from inngest_nb.store.http._forks import follow
from inngest_nb.store.http.calls import appending, operations, searching, sharing
from inngest_nb.store.http.calls.direct import (
    DROPPED,
    NOT_CONNECTED,
    TIMED_OUT,
    AsyncDirectClient,
    Built,
    DirectClient,
    direct_request,
)
from inngest_nb.store.http.calls.driving import ConnectionDroppedError, Response
from inngest_nb.store.http.calls.operations import Answer, Operation, Request
from inngest_nb.store.http.calls.streams import Deadline
from inngest_nb.store.messages import Hold, Message, check_hold, check_message
from inngest_nb.store.rows import Row, States, check_limit, states_of, status_text, write_of
from inngest_nb.store.searching import Found, search_for, search_rows
from inngest_nb.store.writes import MAX_BODY_BYTES, Outcome, Write, sift

_TIMEOUT_SECONDS = 10.0
_BODY_BYTES = 256 * 2**20
# Passed explicitly, so that httpx does not check each URL for a user name.
_NO_AUTH = httpx.Auth()


class _ForeignClientError(RuntimeError):
    """The user's `client` belongs to the parent process, which shares its connections."""


@lru_cache(maxsize=1024)
def _parsed(url: str) -> httpx.URL:
    """Parse a URL once; the same workflow is saved many times."""
    return httpx.URL(url)


class NoCookies(CookieJar):
    """A cookie jar that stays empty: the contract has no cookies, and parsing them takes time."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Do nothing."""


class HttpStore:
    """A client without its driver, which runs the operations that the private methods return."""

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
            raise ValueError(f"timeout must be a positive number of seconds, got {timeout!r}")
        self._timeout = timeout
        seconds = httpx.Timeout(_TIMEOUT_SECONDS if timeout is None else timeout)
        self._extensions = {"timeout": seconds.as_dict()}
        self._own_client = own_client
        self._closed = False
        self._foreign = False  # the user's client belongs to the parent process
        self._cache = Cache()
        self._abilities: frozenset[str] | None = None
        follow(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r}, event_key={self._key!r})"

    @property
    def _local(self) -> bool:
        """Whether the server is on this machine, so that no proxy is needed."""
        return is_loopback(httpx.URL(self.base_url).host)

    # When the process forks

    def before_fork(self) -> None:
        """Wait until no thread is changing anything."""
        self._cache.before_fork()

    def after_fork_in_parent(self) -> None:
        """Continue in the process that has forked."""
        self._cache.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Continue in the new process, with new connections."""
        self._cache.after_fork_in_child()
        if not self._own_client:
            self._foreign = True
        elif not self._closed:
            self._connect()

    def _connect(self) -> None:
        """Create this process's HTTP client; an existing one belongs to the parent process."""
        raise NotImplementedError

    # Requests

    def _request(self, request: Request, client: Any) -> Built:
        if self._foreign:
            raise _ForeignClientError
        headers = self._key.headers() if request.keyed else {}
        headers |= request.headers
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if self._own_client and request.bulk and not self._local:
            headers["Accept-Encoding"] = "gzip"
        if self._own_client:
            extensions = self._extensions if not request.wait else self._long_poll(request.wait)
            if isinstance(client, DirectClient | AsyncDirectClient):
                return direct_request(
                    request.method, request.url, headers, request.body, extensions
                )
            # Not `build_request`, which takes as long as everything else to merge the defaults. A
            # request with a stream is sent with just these headers, and not prepared further.
            url = _parsed(request.url)
            headers["Host"] = url.netloc.decode("ascii")
            if request.body is not None:
                headers["Content-Length"] = str(len(request.body))
            return httpx.Request(
                request.method,
                url,
                headers=headers,
                stream=httpx.ByteStream(request.body or b""),
                extensions=extensions,
            )
        built: httpx.Request = client.build_request(
            request.method,
            request.url,
            headers=headers,
            content=request.body,
            timeout=self._limits(client.timeout, request.wait),
        )
        if not request.keyed:
            built.headers.pop("Authorization", None)  # the user's default header is a key, too
        return built

    def _limits(self, timeout: httpx.Timeout, wait: float) -> httpx.Timeout:
        limits = timeout if self._timeout is None else httpx.Timeout(self._timeout)
        read = None if limits.read is None else limits.read + wait
        return httpx.Timeout(
            connect=limits.connect, read=read, write=limits.write, pool=limits.pool
        )

    def _long_poll(self, wait: float) -> dict[str, Any]:
        return {"timeout": self._limits(httpx.Timeout(_TIMEOUT_SECONDS), wait).as_dict()}

    def _deadline(self, built: Built, request: Request) -> Deadline:
        """Limit the whole request to the time that the transport allows for each read."""
        seconds = built.extensions.get("timeout", {}).get("read")
        return Deadline(seconds, len(request.body or b""))

    def _auth(self, request: Request) -> httpx.Auth | Any:
        """Use the `auth` of a user's client, except for another origin."""
        own = self._own_client or not request.keyed
        return _NO_AUTH if own else httpx.USE_CLIENT_DEFAULT

    def _failed(self, error: Exception, request: Request) -> Answer:
        """Turn a transport's error into ours, for the operation to handle."""
        if isinstance(error, _ForeignClientError):
            return StoreError(
                f"inngest/{request.operation}: nothing was sent to {self.base_url} because the "
                "client= of this store belongs to the process from which this one was forked",
                operation=request.operation,
                workflow_id=request.workflow_id,
                target=self.base_url,
                hint="create a new store in this process, with a new client or without one",
            )
        said = self._key.hidden(str(error))
        if isinstance(error, DROPPED):
            return ConnectionDroppedError(said or "the connection was closed")
        if isinstance(error, TIMED_OUT):
            why, hint = "timed out", "if the server is slow, pass a longer timeout="
        elif isinstance(error, NOT_CONNECTED):
            why = f"cannot connect ({said})"
            hint = (
                "start a server with `inngest-nb serve`, or with inb.local() in a notebook, "
                "or check base_url and INNGEST_NB_URL"
            )
        elif isinstance(error, RuntimeError):  # httpx raises it if the client is closed
            why, hint = said, "this store was closed; create a new one"
        else:
            why, hint = said, "check base_url with `inngest-nb doctor`"
        failure = StoreConnectionError(
            f"inngest/{request.operation}: no response from {self.base_url}: {why}",
            operation=request.operation,
            workflow_id=request.workflow_id,
            target=self.base_url,
            hint=hint,
        )
        failure.__cause__ = error
        failure.closed = self._closed and isinstance(error, RuntimeError)
        return failure

    def _shown(self, response: Response) -> Response:
        """Take the key out of what is shown to people; elsewhere a body stays as it is."""
        if response.status < 400:
            return response
        said = self._key.hidden(response.body.decode(errors="replace"))
        return response._replace(body=said.encode())

    def _save(self, state: WorkflowState, *, force: bool) -> Operation[None]:
        write = write_of(state, force=force)
        try:
            if len(write.document) > MAX_BODY_BYTES and write.if_match:
                etag = yield from self._save_edits(state, write)
            else:
                etag = yield from operations.save(self.base_url, write)
        except StoreConflictError as conflict:
            stored = yield from self._load(state.workflow_id)
            if stored is None or wire.encode(stored) != write.document:  # else it was a repeat
                raise overtaken(state, stored, conflict.target) from conflict
            etag = stored.etag
        self._remember(write, etag)

    def _save_edits(self, state: WorkflowState, write: Write) -> Operation[str]:
        """Save only the changes since a state was loaded, because it is too long for a request."""
        part = wire.edits(state)
        able = part is not None and (yield from self._can("appends"))
        if part is None or not able:
            return (yield from operations.save(self.base_url, write))
        added = write._replace(document=part, whole=False)
        (error,) = yield from appending.write_all(self.base_url, [added])
        if error is not None:
            raise error
        return write.etag

    def _load(self, workflow_id: str) -> Operation[WorkflowState | None]:
        return (yield from operations.load(self.base_url, workflow_id))

    def _delete(self, workflow_id: str) -> Operation[None]:
        yield from operations.delete(self.base_url, workflow_id)
        self._cache.forget(workflow_id)

    def _fetch(self, status: WorkflowStatus | str | None, limit: int) -> Operation[States]:
        rows = yield from operations.fetch(self.base_url, status_text(status), check_limit(limit))
        return states_of(rows)

    def _heads(self, status: WorkflowStatus | str | None, limit: int) -> Operation[Sequence[Head]]:
        return (yield from self._find(search_for(status, limit))).heads

    def _find(self, search: Search, fields: Sequence[Path] = ()) -> Operation[Found]:
        try:
            return (yield from searching.find(self.base_url, search, fields))
        except ListingUnsupportedError:  # an older state server lists documents only
            rows = yield from operations.fetch(self.base_url, None, 0)
            return search_rows(rows, search, fields)

    def _documents(self, ids: Sequence[str]) -> Operation[list[Row]]:
        return searching.documents(self.base_url, ids)

    def _refresh(self, status: WorkflowStatus | str | None, limit: int) -> Operation[int]:
        since = self._cache.now()
        rows = yield from operations.fetch(self.base_url, status_text(status), check_limit(limit))
        self._cache.fill(rows, since, replace=status is None and not limit)
        return len(rows)

    def _can(self, ability: str) -> Operation[bool]:
        if self._abilities is None:
            self._abilities = yield from appending.abilities(self.base_url)
        return ability in self._abilities

    def _hold(self, owner: str, seconds: float) -> Operation[None]:
        return sharing.hold(self.base_url, check_hold(Hold(owner, seconds)))

    def _leases(self) -> Operation[dict[str, float]]:
        return sharing.leases(self.base_url)

    def _send_message(self, message: Message) -> Operation[None]:
        return sharing.send(self.base_url, check_message(message))

    def _receive(self, after: int, to: str | None, wait: float) -> Operation[list[Message]]:
        return sharing.receive(self.base_url, after, to, wait)

    def _discard(self, ids: Sequence[str]) -> Operation[None]:
        return sharing.discard(self.base_url, ids)

    def _watch(self, workflow_id: str, etag: str, wait: float) -> Operation[str | None]:
        return sharing.watch(self.base_url, workflow_id, etag, wait)

    def _abandoned(self, limit: int) -> Operation[list[str]]:
        return sharing.abandoned(self.base_url, check_limit(limit))

    def _changes(
        self,
        after: int | None,
        wait: float,
        limit: int,
        *,
        heads: bool,
        documents: bool,
        feed: str,
    ) -> Operation[Changed]:
        check_after(after)
        able = yield from self._can("changes")
        if not able:
            raise sharing.cannot_follow(self.base_url)
        most = check_most(limit)
        told = yield from sharing.changes(
            self.base_url, after, wait, most, heads=heads, documents=documents, feed=feed
        )
        return changed_of(told)

    def _append_history(self, given: Sequence[Write]) -> Operation[list[Outcome]]:
        writes, outcomes = sift(given)
        try:
            able = yield from self._can("appends")
            if not able:
                raise appending.cannot_append(self.base_url)
            results = yield from appending.write_all(self.base_url, [*writes.values()])
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
    """Raise `StoreDecodeError` for a response that is too long."""
    if size > _BODY_BYTES:
        raise StoreDecodeError(
            f"inngest/{request.operation}: the response is longer than {_BODY_BYTES >> 20} MiB",
            operation=request.operation,
            workflow_id=request.workflow_id,
        )
