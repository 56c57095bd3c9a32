"""The contract over HTTP: one client that waits and one to await."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Sequence
from typing import Self

import httpx

from inngest_nb.errors import WrongLoopError
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.heads import Head
from inngest_nb.store.http._direct import (
    LIMITS,
    AsyncDirectClient,
    DirectClient,
    in_time,
    until,
)
from inngest_nb.store.http._forks import leave_alone
from inngest_nb.store.http._http import TRANSPORT_ERRORS, HttpStore, NoCookies, check_size
from inngest_nb.store.http._operations import (
    Answer,
    Operation,
    Request,
    Response,
    T,
    resume,
)
from inngest_nb.store.messages import Message
from inngest_nb.store.rows import States
from inngest_nb.store.writes import Outcome, Write

__all__ = ["AsyncInngestStore", "InngestStore"]

# Requests of an async store at the same time; more wait their turn.
_AT_ONCE = 32


class InngestStore(HttpStore):
    """Workflow states on a server that keeps the contract of Beluga AI's Inngest provider.

    `base_url` falls back to INNGEST_BASE_URL, then INNGEST_DEV when it is a URL, then
    http://localhost:8288; `event_key` to INNGEST_EVENT_KEY, then none. `timeout` is in seconds,
    10 unless the `client` you hand over has its own. That client stays open on `close`.
    A key is sent to the server's own origin only, and over plain HTTP to this machine only,
    unless `allow_insecure=True`. Safe to use from many threads.
    """

    def __init__(
        self,
        base_url: str | None = None,
        event_key: str | None = None,
        client: httpx.Client | None = None,
        timeout: float | None = None,
        *,
        allow_insecure: bool = False,
    ) -> None:
        super().__init__(
            base_url, event_key, timeout, own_client=client is None, allow_insecure=allow_insecure
        )
        self._clients: list[httpx.Client | DirectClient] = []
        self._finalizer: weakref.finalize[..., InngestStore] | None = None
        if client is not None:
            self._clients.append(client)
        else:
            self._connect()

    def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Keep a state under its id.

        One that was loaded from a server that tells versions is kept only over the version that
        it came from, unless `force`; `StoreConflictError` says what the server has meanwhile.
        """
        self._run(self._save(state, force=force))

    def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the server has never seen this id."""
        return self._run(self._load(workflow_id))

    def delete(self, workflow_id: str) -> None:
        """Forget a workflow; one that is not there is no error."""
        self._run(self._delete(workflow_id))

    def can_append(self) -> bool:
        """Tell whether the server is one of ours, to which `append_history` can write.

        It is asked once; `StoreConnectionError` if nobody answers.
        """
        return self._run(self._can("appends"))

    def append_history(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Do writes in one request; return what went wrong with each, or None. All are durable."""
        return self._run(self._append_history(writes))

    def can_share(self) -> bool:
        """Tell whether the server is one of ours, through which executors know of each other.

        It is asked once; `StoreConnectionError` if nobody answers.
        """
        return self._run(self._can("shares"))

    def hold_lease(self, owner: str, seconds: float) -> None:
        """Begin or renew an executor's lease, for so many seconds from now; 0 ends it."""
        self._run(self._hold(owner, seconds))

    def leases(self) -> dict[str, float]:
        """Return for how many seconds each executor still holds its lease; ended ones are out."""
        return self._run(self._leases())

    def send(self, message: Message) -> None:
        """Leave a message; it is durable on return, and sending it again is harmless."""
        self._run(self._send_message(message))

    def receive(self, after: int = 0, to: str | None = None, wait: float = 0) -> Sequence[Message]:
        """Return messages with higher numbers, in order; wait for the first one if told to."""
        return self._run(self._receive(after, to, wait))

    def discard(self, ids: Sequence[str]) -> None:
        """Forget messages that were taken; unknown ids are no error."""
        self._run(self._discard(ids))

    def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        """Return the stored etag once it is not the given one, or after `wait` seconds as it is."""
        return self._run(self._watch(workflow_id, etag, wait))

    def abandoned(self, limit: int = 0) -> Sequence[str]:
        """Return the ids of workflows stored as running whose owner has no lease, oldest first."""
        return self._run(self._abandoned(limit))

    def fetch(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Read what the server holds now, newest update first, at most `limit` (0: all).

        Raises `ListingUnsupportedError` where the server has no listing.
        """
        return self._run(self._fetch(status, limit))

    def heads(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> Sequence[Head]:
        """Return what a listing says of each workflow, without reading documents.

        Newest update first, at most `limit` (0: all). What cannot be read is among them. An older
        state server sends documents all the same.
        Raises `ListingUnsupportedError` where the server has no listing.
        """
        return self._run(self._heads(status, limit))

    def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Fill the cache from a server that can list, and return how many workflows came.

        Without arguments the cache is replaced; filtered, what comes is added and updated.
        Raises `ListingUnsupportedError` where the server has no listing; nothing is changed then.
        """
        return self._run(self._refresh(status, limit))

    def close(self) -> None:
        """Close the connections; a client that was handed over stays open."""
        self._closed = True
        if self._own_client:
            _close_all(self._clients)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def list(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Return what this client saved and refreshed, newest update first, then by id.

        What cannot be read is left out: `unreadable` of the list says by its id why.
        """
        return self._list(status, limit)

    def _connect(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()
            leave_alone(self._clients)
        if self._local:
            # Those that wait for a change have a client of their own: a transport looks at all of
            # its connections for each request.
            self._clients = [DirectClient(), DirectClient()]
        else:
            client = httpx.Client(cookies=NoCookies(), limits=LIMITS)
            in_time(client)
            self._clients = [client]
        # Collected without a close, it leaves no socket behind to be warned about.
        self._finalizer = weakref.finalize(self, _close_all, self._clients)

    def _run(self, operation: Operation[T]) -> T:
        answer: Answer = None
        while True:
            try:
                request = resume(operation, answer)
            except StopIteration as done:
                result: T = done.value
                return result
            try:
                answer = self._send(request)
            except TRANSPORT_ERRORS as error:
                answer = self._failed(error, request)

    def _send(self, request: Request) -> Response:
        client = self._clients[-1 if request.wait else 0]
        built = self._request(request, client)
        deadline = self._deadline(built, request)
        with until(deadline):
            response = client.send(
                built, stream=True, auth=self._auth(request), follow_redirects=False
            )
        try:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                check_size(len(body), request)
                deadline.check(len(body))
            return self._response(response, bytes(body))
        finally:
            response.close()


def _close_all(clients: Iterable[httpx.Client | DirectClient]) -> None:
    for client in clients:
        client.close()


class AsyncInngestStore(HttpStore):
    """The same store for `await`, with the arguments of `InngestStore`.

    It belongs to the event loop of its first use; on another one it raises `WrongLoopError`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        event_key: str | None = None,
        client: httpx.AsyncClient | None = None,
        timeout: float | None = None,
        *,
        allow_insecure: bool = False,
    ) -> None:
        super().__init__(
            base_url, event_key, timeout, own_client=client is None, allow_insecure=allow_insecure
        )
        self._clients: list[httpx.AsyncClient | AsyncDirectClient] = []
        if client is not None:
            self._share([client])
        else:
            self._connect()

    async def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Keep a state under its id; one that was loaded only over its version, unless `force`."""
        await self._run(self._save(state, force=force))

    async def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the server has never seen this id."""
        return await self._run(self._load(workflow_id))

    async def delete(self, workflow_id: str) -> None:
        """Forget a workflow; one that is not there is no error."""
        await self._run(self._delete(workflow_id))

    async def can_append(self) -> bool:
        """Tell whether the server is one of ours, to which `append_history` can write."""
        return await self._run(self._can("appends"))

    async def append_history(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Do writes in one request; return what went wrong with each, or None. All are durable."""
        return await self._run(self._append_history(writes))

    async def can_share(self) -> bool:
        """Tell whether the server is one of ours, through which executors know of each other.

        It is asked once; `StoreConnectionError` if nobody answers.
        """
        return await self._run(self._can("shares"))

    async def hold_lease(self, owner: str, seconds: float) -> None:
        """Begin or renew an executor's lease, for so many seconds from now; 0 ends it."""
        await self._run(self._hold(owner, seconds))

    async def leases(self) -> dict[str, float]:
        """Return for how many seconds each executor still holds its lease; ended ones are out."""
        return await self._run(self._leases())

    async def send(self, message: Message) -> None:
        """Leave a message; it is durable on return, and sending it again is harmless."""
        await self._run(self._send_message(message))

    async def receive(
        self, after: int = 0, to: str | None = None, wait: float = 0
    ) -> Sequence[Message]:
        """Return messages with higher numbers, in order; wait for the first one if told to."""
        return await self._run(self._receive(after, to, wait))

    async def discard(self, ids: Sequence[str]) -> None:
        """Forget messages that were taken; unknown ids are no error."""
        await self._run(self._discard(ids))

    async def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        """Return the stored etag once it is not the given one, or after `wait` seconds as it is."""
        return await self._run(self._watch(workflow_id, etag, wait))

    async def abandoned(self, limit: int = 0) -> Sequence[str]:
        """Return the ids of workflows stored as running whose owner has no lease, oldest first."""
        return await self._run(self._abandoned(limit))

    async def fetch(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Read what the server holds now, newest update first, at most `limit` (0: all)."""
        return await self._run(self._fetch(status, limit))

    async def heads(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> Sequence[Head]:
        """Return what a listing says of each workflow, without reading documents."""
        return await self._run(self._heads(status, limit))

    async def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Fill the cache from a server that can list, and return how many workflows came."""
        return await self._run(self._refresh(status, limit))

    async def aclose(self) -> None:
        """Close the connections; a client that was handed over stays open."""
        self._closed = True
        for client in self._clients if self._own_client else ():
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def list(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Return what this client saved and refreshed, newest update first, then by id.

        What cannot be read is left out: `unreadable` of the list says by its id why.
        """
        return self._list(status, limit)

    def _connect(self) -> None:
        if self._clients:
            leave_alone(self._clients)
        if self._local:
            clients = [AsyncDirectClient() for _ in range(_AT_ONCE)]
            self._share(clients, waiting=AsyncDirectClient())
        else:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=_AT_ONCE)
            self._share([httpx.AsyncClient(limits=limits, cookies=NoCookies())])

    def _share(
        self,
        clients: Sequence[httpx.AsyncClient | AsyncDirectClient],
        waiting: AsyncDirectClient | None = None,
    ) -> None:
        """Let requests take turns on clients, `_AT_ONCE` at a time.

        Without turns of ours they wait within the transport, whose work for each grows with those
        that wait, and the wait counts as the server's. Those that wait for a change take no turn.
        """
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = waiting or clients[0]
        self._clients = [*clients, *([waiting] if waiting else ())]
        self._free = [client for client in clients for _ in range(_AT_ONCE // len(clients))]
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def _run(self, operation: Operation[T]) -> T:
        self._check_loop()
        answer: Answer = None
        while True:
            try:
                request = resume(operation, answer)
            except StopIteration as done:
                result: T = done.value
                return result
            try:
                answer = await self._send(request)
            except TRANSPORT_ERRORS as error:
                answer = self._failed(error, request)

    async def _send(self, request: Request) -> Response:
        if request.wait:
            return await self._send_by(self._waiting, request)
        async with self._turn:
            client = self._free.pop()  # the one used last, whose connection is open
            try:
                return await self._send_by(client, request)
            finally:
                self._free.append(client)

    async def _send_by(
        self, client: httpx.AsyncClient | AsyncDirectClient, request: Request
    ) -> Response:
        built = self._request(request, client)
        deadline = self._deadline(built, request)
        try:
            async with asyncio.timeout(deadline.left()):
                response = await client.send(
                    built, stream=True, auth=self._auth(request), follow_redirects=False
                )
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer came too slowly") from error
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                check_size(len(body), request)
                deadline.check(len(body))
            return self._response(response, bytes(body))
        finally:
            await response.aclose()

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise WrongLoopError(
                "this AsyncInngestStore belongs to another event loop, that of its first use",
                target=self.base_url,
                hint="make one for each loop, or use InngestStore, which works from everywhere",
            )
