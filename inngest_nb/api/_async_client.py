"""The API of a real Inngest server, to await."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Self

import httpx
import msgspec

from inngest_nb.api._api import HttpAPI, check_size
from inngest_nb.api.basics._checks import Order, TimeField
from inngest_nb.api.basics._exchange import Operation, T
from inngest_nb.api.basics._failures import Request
from inngest_nb.api.basics._listed import Page
from inngest_nb.api.basics._values import (
    App,
    Event,
    Found,
    Function,
    Job,
    Run,
    ServerFeatures,
    ServerHealth,
    Trace,
    Wait,
    Worker,
)
from inngest_nb.api.calls import (
    _acting,
    _at_once,
    _catalog,
    _events,
    _features,
    _graphql,
    _health,
    _runs,
)
from inngest_nb.api.calls._events import NewEvent
from inngest_nb.errors import InngestError
from inngest_nb.query import When
from inngest_nb.store.http import (
    LIMITS,
    NoCookies,
    Response,
    drive_async,
    keep_open,
    receive_async,
)


class AsyncInngestAPI(HttpAPI):
    """The same API for `await`, with the arguments and calls of `InngestAPI`.

        async with inb.AsyncInngestAPI() as api:
            failed = await api.runs(status="failed", since="24h")

    It belongs to the event loop of its first use; on another one it raises `InngestError`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        signing_key: str | None = None,
        event_key: str | None = None,
        client: httpx.AsyncClient | None = None,
        timeout: float | None = None,
        *,
        event_base_url: str | None = None,
        allow_insecure: bool = False,
    ) -> None:
        super().__init__(
            base_url,
            signing_key,
            event_key,
            event_base_url,
            timeout,
            own_client=client is None,
            allow_insecure=allow_insecure,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        if client is not None:
            self._client = client
        else:
            self._connect()

    # Events

    async def send(
        self,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        user: Mapping[str, Any] | None = None,
        ts: datetime | int | None = None,
    ) -> str:
        """Send an event and return its event_id."""
        event = {"name": name, "data": data, "id": id, "user": user, "ts": ts}
        return (await self._run(self._send_one(event)))[0]

    async def send_many(self, events: Iterable[NewEvent | Mapping[str, Any]]) -> list[str]:
        """Send events and return their event_ids, in order."""
        return await self._run(self._send_many(events))

    async def invoke(
        self,
        app: str,
        function: str,
        data: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> str:
        """Start a run of a function, and return its run_id at once."""
        return await self._run(_acting.invoke(self._server, app, function, data, idempotency_key))

    async def events(
        self,
        name: str | None = None,
        *,
        since: When | None = None,
        until: When | None = None,
        limit: int | None = 100,
        before: str | None = None,
    ) -> Found[Event]:
        """Return events as a list, newest first, at most `limit` (None: all)."""
        return await self._run(self._list_events(name, since, until, limit, before))

    async def event(self, event_id: str) -> Event:
        """Return one event by the server's id."""
        return await self._run(_events.event(self._server, event_id))

    async def event_names(self, event_ids: Iterable[str]) -> dict[str, str]:
        """Return the names of events by their event_ids, as far as GraphQL knows them."""
        return await self._run(_at_once.event_names(self._server, event_ids))

    async def event_runs(self, event_id: str, *, output: bool = False) -> Found[Run]:
        """Return the runs that an event triggered, at most 40."""
        page = await self.event_runs_page(event_id, output=output)
        return Found(page.runs, truncated=page.cursor is not None)

    async def event_runs_page(self, event_id: str, *, output: bool = False) -> Page:
        """Return these runs as a page, which shows them as they are listed, too."""
        return await self._run(_runs.of_event(self._server, event_id, output=output))

    async def skipped_runs(self, event_id: str) -> Found[Run]:
        """Return the runs of an event that a singleton function skipped because it was running."""
        return await self._run(_graphql.skipped_runs(self._server, event_id))

    # Runs

    async def runs(
        self,
        *,
        status: str | Iterable[str] | None = None,
        app: str | Iterable[str] | None = None,
        function: str | None = None,
        since: When | None = None,
        until: When | None = None,
        by: TimeField = "queued_at",
        order: Order = "newest",
        output: bool = False,
        limit: int | None = 100,
    ) -> Found[Run]:
        """Return runs as a list, newest first, at most `limit` (None: all)."""
        wanted = self._wanted(status, app, function, since, until, by, order, output=output)
        return await self._run(self._list_runs(wanted, limit))

    async def runs_page(
        self,
        *,
        status: str | Iterable[str] | None = None,
        app: str | Iterable[str] | None = None,
        function: str | None = None,
        since: When | None = None,
        until: When | None = None,
        by: TimeField = "queued_at",
        order: Order = "newest",
        output: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return one page of the list, and the `cursor` of the next one (None on the last)."""
        wanted = self._wanted(status, app, function, since, until, by, order, output=output)
        return await self._run(self._list_page(wanted, limit, cursor))

    async def run(self, run_id: str, *, output: bool = True) -> Run:
        """Return one run."""
        return await self._run(_runs.run(self._server, run_id, output=output))

    async def first_executions(self, run_ids: Iterable[str]) -> dict[str, datetime | None]:
        """Return when runs were first executed, as far as GraphQL knows it."""
        return await self._run(_at_once.first_executions(self._server, run_ids))

    async def trace(self, run_id: str, *, output: bool = True) -> Trace:
        """Return what a run did, step by step."""
        return await self._run(_runs.trace(self._server, run_id, output=output))

    async def jobs(self, run_id: str) -> list[Job]:
        """Return what the server will do next for a run; nothing if it has ended."""
        return await self._run(_runs.jobs(self._server, run_id))

    async def batch_events(self, run_id: str) -> Found[str]:
        """Return the event_ids of all events of a run, also of a batch."""
        return await self._run(_graphql.batch_events(self._server, run_id))

    async def waits(self, run_id: str) -> Found[Wait]:
        """Return the events that a run waits for, or has waited for."""
        return await self._run(_graphql.waits(self._server, run_id))

    async def cancel(self, run_id: str) -> None:
        """Cancel a run. Raises `InngestRunEndedError` for one that has ended."""
        await self._run(_acting.cancel(self._server, run_id))

    async def rerun(
        self, run_id: str, *, from_step: str | None = None, input: Any = msgspec.UNSET
    ) -> str:
        """Rerun a run, all of it or from a step, and return the new run's id."""
        return await self._run(_acting.rerun(self._server, run_id, from_step, input))

    # Apps

    async def apps(self) -> list[App]:
        """Return the apps that have registered with the server."""
        return await self._run(_catalog.apps(self._server))

    async def functions(self, app: str | None = None) -> list[Function]:
        """Return the functions of an app, or of all apps."""
        return await self._run(_catalog.functions(self._server, app))

    async def function(self, app: str, function: str) -> Function:
        """Return one function by its short id, without the app's."""
        return await self._run(_catalog.function(self._server, app, function))

    async def workers(self) -> Found[Worker]:
        """Return the connections of workers, which apps of the method CONNECT have."""
        return await self._run(_graphql.workers(self._server))

    async def features(self) -> ServerFeatures:
        """Return which optional features this server has."""
        return await self._run(_features.features(self._server))

    async def health(self) -> ServerHealth:
        """Return the server's kind, queue depth and openness."""
        return await self._run(_health.health(self._server))

    # The connection

    async def aclose(self) -> None:
        """Close the connections; a `client` that you passed in stays open."""
        self._closed = True
        if self._own_client:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def _connect(self) -> None:
        if self._loop is not None:
            keep_open(self._client)
        self._loop = None
        self._client = httpx.AsyncClient(
            cookies=NoCookies(), limits=LIMITS, trust_env=self._through_proxies
        )

    async def _run(self, operation: Operation[T]) -> T:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            raise InngestError(
                "this AsyncInngestAPI belongs to another event loop, the one that used it first",
                target=self.base_url,
                hint="create one for each loop, or use InngestAPI, which works from everywhere",
            )
        return await drive_async(operation, self._send, self._failed)

    async def _send(self, request: Request) -> Response:
        built = self._request(request, self._client)
        deadline = self._deadline(built, request)
        check = partial(check_size, request=request)
        auth = None if self._own_client else httpx.USE_CLIENT_DEFAULT
        return await receive_async(self._client, built, auth, deadline, check)
