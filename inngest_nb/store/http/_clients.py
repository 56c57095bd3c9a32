"""The clients of the contract over HTTP: a blocking and an async one."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Self

import httpx

from inngest_nb.errors import WrongLoopError
from inngest_nb.query import Path, Search
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.changes import Changed
from inngest_nb.store.heads import Head
from inngest_nb.store.http._forks import keep_open
from inngest_nb.store.http._http import HttpStore, NoCookies, check_size
from inngest_nb.store.http.calls.direct import LIMITS, AsyncDirectClient, DirectClient
from inngest_nb.store.http.calls.driving import (
    Response,
    T,
    drive,
    drive_async,
    receive,
    receive_async,
)
from inngest_nb.store.http.calls.operations import Operation, Request
from inngest_nb.store.http.calls.searching import MOST_IDS
from inngest_nb.store.http.calls.streams import in_time
from inngest_nb.store.messages import Message
from inngest_nb.store.rows import Row, States
from inngest_nb.store.searching import Found
from inngest_nb.store.writes import Outcome, Write

__all__ = ["AsyncInngestStore", "InngestStore"]

# Concurrent requests of an async store; more wait for their turn.
_AT_ONCE = 32


class InngestStore(HttpStore):
    """A store on a server that implements the contract of Beluga AI's Inngest provider.

        with InngestStore("http://localhost:8290") as store:
            state = store.load("order-1")

    `base_url` defaults to INNGEST_NB_URL, then to INNGEST_BASE_URL, then to INNGEST_DEV if that is
    a URL, then to http://localhost:8288; `event_key` to INNGEST_EVENT_KEY, then to no key. `client`
    is your own `httpx.Client`, which `close` leaves open. `timeout`, in seconds, limits each
    request; it defaults to the client's own, else to 10. The key is sent only to the server's own
    origin, and without TLS only to this machine, unless `allow_insecure=True`. Thread-safe.

    Raises `ValueError` for an invalid address or key.
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
        """Save a state under its id.

        If the state was loaded from a server with versions and has changed there since, raises
        `StoreConflictError`, which describes the change; `force=True` overwrites it.
        """
        self._run(self._save(state, force=force))

    def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the server does not know the id."""
        return self._run(self._load(workflow_id))

    def delete(self, workflow_id: str) -> None:
        """Delete a workflow; does nothing if the server does not know the id."""
        self._run(self._delete(workflow_id))

    def can_append(self) -> bool:
        """Tell whether the server supports `append_history`, as our state server does.

        Asks the server once. Raises `StoreConnectionError` if it does not answer.
        """
        return self._run(self._can("appends"))

    def append_history(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Send writes in one request; return an error or None (durable) for each."""
        return self._run(self._append_history(writes))

    def can_share(self) -> bool:
        """Tell whether the server supports leases and messages, as our state server does.

        Asks the server once. Raises `StoreConnectionError` if it does not answer.
        """
        return self._run(self._can("shares"))

    def hold_lease(self, owner: str, seconds: float) -> None:
        """Start or renew an executor's lease for `seconds` from now; 0 ends it."""
        self._run(self._hold(owner, seconds))

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each executor's lease, without expired ones."""
        return self._run(self._leases())

    def send(self, message: Message) -> None:
        """Store a message; it is durable on return, and sending it again has no effect."""
        self._run(self._send_message(message))

    def receive(self, after: int = 0, to: str | None = None, wait: float = 0) -> Sequence[Message]:
        """Return messages numbered above `after`, in order; wait for one up to `wait` seconds."""
        return self._run(self._receive(after, to, wait))

    def discard(self, ids: Sequence[str]) -> None:
        """Delete handled messages; unknown ids are ignored."""
        self._run(self._discard(ids))

    def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        """Return the stored etag once it differs from `etag`, or after `wait` seconds anyway."""
        return self._run(self._watch(workflow_id, etag, wait))

    def abandoned(self, limit: int = 0) -> Sequence[str]:
        """Return the ids of workflows stored as running whose owner has no lease, oldest first."""
        return self._run(self._abandoned(limit))

    def can_follow(self) -> bool:
        """Tell whether the server numbers its changes, as our state server does.

        Asks the server once. Raises `StoreConnectionError` if it does not answer.
        """
        return self._run(self._can("changes"))

    def changes(
        self,
        after: int | None = 0,
        wait: float = 0,
        limit: int = 0,
        *,
        heads: bool = False,
        documents: bool = False,
        feed: str = "",
    ) -> Changed:
        """Return the changes numbered above `after`, each of them, in order.

        None means the newest number. Waits up to `wait` seconds if there is nothing to tell.
        `heads` and `documents` add each workflow's head and state as they are now. At most `limit`
        changes come at once, and at most 1,000. Raises `StoreError` if the server does not number
        its changes.
        """
        return self._run(
            self._changes(after, wait, limit, heads=heads, documents=documents, feed=feed)
        )

    def last_change(self) -> int:
        """Return the number of the newest change, 0 if there is none."""
        return self.changes(None).last

    def fetch(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Read workflows from the server, newest update first, at most `limit` (0 means all).

        Raises `ListingUnsupportedError` if the server cannot list.
        """
        return self._run(self._fetch(status, limit))

    def heads(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> Sequence[Head]:
        """Return the head of each workflow, without reading documents.

        Newest update first, at most `limit` (0: all). What cannot be read is among them. Raises
        `ListingUnsupportedError` where the server has no search.
        """
        return self._run(self._heads(status, limit))

    def find(self, search: Search, fields: Sequence[Path] = ()) -> Found:
        """Search the server's workflows, and look up fields of their payloads there.

        Raises `ListingUnsupportedError` where the server has no search.
        """
        return self._run(self._find(search, fields))

    def documents(self, ids: Sequence[str]) -> Iterator[Row]:
        """Yield the documents of some workflows in their order, without those that are gone.

        They are read in parts of some megabytes. Raises `ListingUnsupportedError` where the server
        sends documents only one by one.
        """
        for start in range(0, len(ids), MOST_IDS):
            left = list(ids[start : start + MOST_IDS])
            while left and (rows := self._run(self._documents(left))):
                yield from rows
                left = left[left.index(rows[-1].workflow_id) + 1 :]

    def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Fill this client's cache, which `list` reads, and return the number of workflows fetched.

        Without arguments the cache is replaced; with a filter, the fetched workflows are added or
        updated. Raises `ListingUnsupportedError`, and leaves the cache unchanged, if the server
        cannot list.
        """
        return self._run(self._refresh(status, limit))

    def close(self) -> None:
        """Close the connections, but not a `client` that you passed in."""
        self._closed = True
        if self._own_client:
            _close_all(self._clients)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def list(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Return what this client has saved and refreshed, newest update first, then by id.

        At most `limit` states (0 means all). Workflows that cannot be read are left out; the list's
        attribute `unreadable` maps their ids to the reason.
        """
        return self._list(status, limit)

    def _connect(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()
            keep_open(self._clients)
        if self._local:
            # Long polls have their own client, because a transport checks all of its connections
            # for each request.
            self._clients = [DirectClient(), DirectClient()]
        else:
            client = httpx.Client(cookies=NoCookies(), limits=LIMITS)
            in_time(client)
            self._clients = [client]
        # Close the sockets on garbage collection, so that there is no ResourceWarning.
        self._finalizer = weakref.finalize(self, _close_all, self._clients)

    def _run(self, operation: Operation[T]) -> T:
        return drive(operation, self._send, self._failed)

    def _send(self, request: Request) -> Response:
        client = self._clients[-1 if request.wait else 0]
        built = self._request(request, client)
        deadline = self._deadline(built, request)
        check = partial(check_size, request=request)
        return self._shown(receive(client, built, self._auth(request), deadline, check))


def _close_all(clients: Iterable[httpx.Client | DirectClient]) -> None:
    for client in clients:
        client.close()


class AsyncInngestStore(HttpStore):
    """The async version of `InngestStore`, with the same arguments.

        async with AsyncInngestStore("http://localhost:8290") as store:
            state = await store.load("order-1")

    It belongs to the event loop that uses it first; on another one, it raises `WrongLoopError`.
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
        """Save a state under its id; see `InngestStore.save`."""
        await self._run(self._save(state, force=force))

    async def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the server does not know the id."""
        return await self._run(self._load(workflow_id))

    async def delete(self, workflow_id: str) -> None:
        """Delete a workflow; does nothing if the server does not know the id."""
        await self._run(self._delete(workflow_id))

    async def can_append(self) -> bool:
        """Tell whether the server supports `append_history`, as our state server does."""
        return await self._run(self._can("appends"))

    async def append_history(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Send writes in one request; return an error or None (durable) for each."""
        return await self._run(self._append_history(writes))

    async def can_share(self) -> bool:
        """Tell whether the server supports leases and messages, as our state server does.

        Asks the server once. Raises `StoreConnectionError` if it does not answer.
        """
        return await self._run(self._can("shares"))

    async def hold_lease(self, owner: str, seconds: float) -> None:
        """Start or renew an executor's lease for `seconds` from now; 0 ends it."""
        await self._run(self._hold(owner, seconds))

    async def leases(self) -> dict[str, float]:
        """Return the seconds left of each executor's lease, without expired ones."""
        return await self._run(self._leases())

    async def send(self, message: Message) -> None:
        """Store a message; it is durable on return, and sending it again has no effect."""
        await self._run(self._send_message(message))

    async def receive(
        self, after: int = 0, to: str | None = None, wait: float = 0
    ) -> Sequence[Message]:
        """Return messages numbered above `after`, in order; wait for one up to `wait` seconds."""
        return await self._run(self._receive(after, to, wait))

    async def discard(self, ids: Sequence[str]) -> None:
        """Delete handled messages; unknown ids are ignored."""
        await self._run(self._discard(ids))

    async def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        """Return the stored etag once it differs from `etag`, or after `wait` seconds anyway."""
        return await self._run(self._watch(workflow_id, etag, wait))

    async def abandoned(self, limit: int = 0) -> Sequence[str]:
        """Return the ids of workflows stored as running whose owner has no lease, oldest first."""
        return await self._run(self._abandoned(limit))

    async def can_follow(self) -> bool:
        """Tell whether the server numbers its changes, as our state server does."""
        return await self._run(self._can("changes"))

    async def changes(
        self,
        after: int | None = 0,
        wait: float = 0,
        limit: int = 0,
        *,
        heads: bool = False,
        documents: bool = False,
        feed: str = "",
    ) -> Changed:
        """Return the changes numbered above `after`, each of them, in order."""
        return await self._run(
            self._changes(after, wait, limit, heads=heads, documents=documents, feed=feed)
        )

    async def last_change(self) -> int:
        """Return the number of the newest change, 0 if there is none."""
        return (await self.changes(None)).last

    async def fetch(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Read workflows from the server; see `InngestStore.fetch`."""
        return await self._run(self._fetch(status, limit))

    async def heads(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> Sequence[Head]:
        """Return the head of each workflow, without reading documents."""
        return await self._run(self._heads(status, limit))

    async def find(self, search: Search, fields: Sequence[Path] = ()) -> Found:
        """Search the server's workflows; see `InngestStore.find`."""
        return await self._run(self._find(search, fields))

    async def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Fill this client's cache and return the number of workflows fetched."""
        return await self._run(self._refresh(status, limit))

    async def aclose(self) -> None:
        """Close the connections, but not a `client` that you passed in."""
        self._closed = True
        for client in self._clients if self._own_client else ():
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def list(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> States:
        """Return what this client has saved and refreshed, newest update first, then by id.

        At most `limit` states (0 means all). Workflows that cannot be read are left out; the list's
        attribute `unreadable` maps their ids to the reason.
        """
        return self._list(status, limit)

    def _connect(self) -> None:
        if self._clients:
            keep_open(self._clients)
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
        """Set up the clients, with at most `_AT_ONCE` requests at a time.

        Otherwise requests would queue in the transport, where each costs more the longer the queue
        is and where the wait counts towards the timeout. Long polls don't count.
        """
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = waiting or clients[0]
        self._clients = [*clients, *([waiting] if waiting else ())]
        self._free = [client for client in clients for _ in range(_AT_ONCE // len(clients))]
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def _run(self, operation: Operation[T]) -> T:
        self._check_loop()
        return await drive_async(operation, self._send, self._failed)

    async def _send(self, request: Request) -> Response:
        if request.wait:
            return await self._send_by(self._waiting, request)
        async with self._turn:
            client = self._free.pop()  # the one used last, which has an open connection
            try:
                return await self._send_by(client, request)
            finally:
                self._free.append(client)

    async def _send_by(
        self, client: httpx.AsyncClient | AsyncDirectClient, request: Request
    ) -> Response:
        built = self._request(request, client)
        deadline = self._deadline(built, request)
        check = partial(check_size, request=request)
        return self._shown(await receive_async(client, built, self._auth(request), deadline, check))

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise WrongLoopError(
                "this AsyncInngestStore belongs to another event loop, the one that used it first",
                target=self.base_url,
                hint="create one for each loop, or use InngestStore, which works with any loop",
            )
