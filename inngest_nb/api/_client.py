"""The API of a real Inngest server: one client that waits and one to await."""

from __future__ import annotations

import weakref
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
from inngest_nb.query import When
from inngest_nb.store.http import LIMITS, NoCookies, Response, drive, in_time, keep_open, receive


class InngestAPI(HttpAPI):
    """A real Inngest server: its runs, events, apps and functions.

        api = inb.InngestAPI()                        # a dev server on this machine
        api.runs(status="failed", since="24h")        # a list of Run
        api.send("shop/order.placed", {"order_id": "A1"})

    `base_url` falls back to INNGEST_API_BASE_URL, then INNGEST_BASE_URL, then INNGEST_DEV when it
    is a URL, then http://localhost:8288; `event_base_url` to `base_url`, then
    INNGEST_EVENT_API_BASE_URL, then the same. `signing_key` falls back to INNGEST_SIGNING_KEY,
    with INNGEST_SIGNING_KEY_FALLBACK as the key to try when that is rejected; `event_key` to
    INNGEST_EVENT_KEY. A dev server needs no keys. `timeout` is in seconds for each request, 30
    unless the `client` that you pass in has its own. `close` leaves that client open.
    A key is sent to the server's own origin only, and over plain HTTP to this machine only,
    unless `allow_insecure=True`. Safe to use from many threads.

    Every call raises `InngestError`: `InngestAuthError` for a rejected or missing key,
    `InngestNotFoundError` for an unknown run, app, function or step, `InngestConnectionError` where
    no response comes, `NotInngestError` where something else answers. Bad arguments raise
    `ValueError`.
    How the server behaves was seen on the open-source server of the 1.43 line.
    """

    def __init__(
        self,
        base_url: str | None = None,
        signing_key: str | None = None,
        event_key: str | None = None,
        client: httpx.Client | None = None,
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
        self._finalizer: weakref.finalize[..., InngestAPI] | None = None
        if client is not None:
            self._client = client
        else:
            self._connect()

    # Events

    def send(
        self,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        user: Mapping[str, Any] | None = None,
        ts: datetime | int | None = None,
    ) -> str:
        """Send an event and return its event_id.

        With an `id` of your own, sending it again within a day starts no function a second time;
        the event itself is stored again. `ts` is a time with its zone, or milliseconds since 1970;
        by default that of the arrival. The event can be read about 200 ms later. Integers above
        2^53 in `data` lose digits in the server: send them as text.

        Raises `ValueError` for what the server would refuse: no name, a name that begins with
        `inngest/`, more than 3 MiB as JSON.
        """
        event = {"name": name, "data": data, "id": id, "user": user, "ts": ts}
        return self._run(self._send_one(event))[0]

    def send_many(self, events: Iterable[NewEvent | Mapping[str, Any]]) -> list[str]:
        """Send events and return their event_ids, in order.

            api.send_many({"name": "shop/order.placed", "data": {"n": n}} for n in range(10_000))

        Each has a `name`, and may have `data`, `id`, `user`, `ts` and `v`. All are checked before
        the first is sent; more than 5,000 go in several requests. `InngestSendError` says which of
        them the server accepted when it did not accept all.
        """
        return self._run(self._send_many(events))

    def invoke(
        self,
        app: str,
        function: str,
        data: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> str:
        """Start a run of a function, and return its run_id at once, without waiting for its result.

            api.invoke("shop", "charge-card", {"order_id": "A1"}, idempotency_key="A1")

        The same `idempotency_key` again starts nothing and returns the first run's id. Functions
        with a schedule can be invoked too.
        """
        return self._run(_acting.invoke(self._server, app, function, data, idempotency_key))

    def events(
        self,
        name: str | None = None,
        *,
        since: When | None = None,
        until: When | None = None,
        limit: int | None = 100,
        before: str | None = None,
    ) -> Found[Event]:
        """Return events as a list, newest first, at most `limit` (None: all).

        `name` is an event's whole name. `since` and `until` are about the arrival: a time with its
        zone, a date (its first moment in UTC), or how long ago, such as "24h". The list's
        `truncated` says whether there are more. With `before`, an event_id, only older events are
        listed. Inngest's own events are left out.
        The server gives 51 at a time.
        """
        return self._run(self._list_events(name, since, until, limit, before))

    def event(self, event_id: str) -> Event:
        """Return one event by its `event_id`. The server caches it for 5 seconds."""
        return self._run(_events.event(self._server, event_id))

    def event_names(self, event_ids: Iterable[str]) -> dict[str, str]:
        """Return the names of events by their event_ids, 400 in a request.

        Only GraphQL has them without the events' data: where that is off, the dict is empty, and
        events that it does not know are not in it.
        """
        return self._run(_at_once.event_names(self._server, event_ids))

    def event_runs(self, event_id: str, *, output: bool = False) -> Found[Run]:
        """Return the runs that an event triggered, also as part of a batch, at most 40.

        An event that triggered nothing has none, and so has one that the server does not know.
        """
        page = self.event_runs_page(event_id, output=output)
        return Found(page.runs, truncated=page.cursor is not None)

    def event_runs_page(self, event_id: str, *, output: bool = False) -> Page:
        """Return these runs as a page, which shows them as they are listed, too."""
        return self._run(_runs.of_event(self._server, event_id, output=output))

    def skipped_runs(self, event_id: str) -> Found[Run]:
        """Return the runs of an event that were skipped because a singleton function was running.

        Other calls do not show them. Their `status` is skipped, and they have no times. Only
        GraphQL knows them: where that is off, the list is empty, `truncated`, and has `because`.
        """
        return self._run(_graphql.skipped_runs(self._server, event_id))

    # Runs

    def runs(
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
        """Return runs as a list, newest first, at most `limit` (None: all).

            api.runs(status=["failed", "canceled"], function="charge-card", since="7d", limit=None)

        `status` is queued, running, completed, failed or canceled, or several. `since` and `until`
        are a time with its zone, a date (its first moment in UTC), or how long ago, such as "24h"
        or timedelta(hours=24); both ends belong to the window. `by` is the time that they and the
        order are about; by "ended_at" a run that has not ended counts with its last activity.
        `output` adds outputs and errors. The list's `truncated` says whether there are more. `app`
        is one or several; an unknown app or function has no runs.

        For each request for 100 runs, the server scans every run between `since` and `until`.
        """
        wanted = self._wanted(status, app, function, since, until, by, order, output=output)
        return self._run(self._list_runs(wanted, limit))

    def runs_page(
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
        """Return one page of the list, and the `cursor` of the next one (None on the last).

        The other arguments, those of `runs`, have to be repeated with the cursor. Oldest first,
        the server shows the last run of a page once more on the next: pages of 1 do not advance.
        """
        wanted = self._wanted(status, app, function, since, until, by, order, output=output)
        return self._run(self._list_page(wanted, limit, cursor))

    def run(self, run_id: str, *, output: bool = True) -> Run:
        """Return one run.

        Without `output` that takes one request instead of two, and `output`, `error` and
        `original_run_id` are None.
        """
        return self._run(_runs.run(self._server, run_id, output=output))

    def first_executions(self, run_ids: Iterable[str]) -> dict[str, datetime | None]:
        """Return when runs were first executed, which lists lack, 200 in a request.

        It is None for a run that never was. Only GraphQL has it for many at once: where that is
        off, the dict is empty, and runs that it does not know are not in it.
        """
        return self._run(_at_once.first_executions(self._server, run_ids))

    def trace(self, run_id: str, *, output: bool = True) -> Trace:
        """Return what a run did, step by step; without `output` there are no inputs and outputs."""
        return self._run(_runs.trace(self._server, run_id, output=output))

    def jobs(self, run_id: str) -> list[Job]:
        """Return what the server will do next for a run, at most 10; nothing if it has ended.

        A run that has not ended and has no job is stuck for good. The server caches this for 5
        seconds.
        """
        return self._run(_runs.jobs(self._server, run_id))

    def batch_events(self, run_id: str) -> Found[str]:
        """Return the event_ids of all events of a run; `Run.event_ids` has a batch's first only.

        The others come from GraphQL. Where that is off, the list is `truncated`, with `because`,
        if events of the batch were sent with an id of their own.
        """
        return self._run(_graphql.batch_events(self._server, run_id))

    def waits(self, run_id: str) -> Found[Wait]:
        """Return the events that a run waits for, or has waited for, one entry per waiting step.

        The event's name comes from GraphQL. Where that is off, it is None for a wait that lasts or
        has timed out, and the list has `truncated` and `because`.
        """
        return self._run(_graphql.waits(self._server, run_id))

    def cancel(self, run_id: str) -> None:
        """Cancel a run, also a stuck one. Raises `InngestRunEndedError` for one that has ended."""
        self._run(_acting.cancel(self._server, run_id))

    def rerun(
        self, run_id: str, *, from_step: str | None = None, input: Any = msgspec.UNSET
    ) -> str:
        """Rerun a run with its event, and return the new run's id.

            api.rerun(run_id, from_step="charge", input=[{"amount": 10}])

        With `from_step`, a step's name or id, the results of earlier steps are kept; `input` is
        then the list of its arguments in place of the recorded ones. For a batch, the server uses
        the first event only: send the events again instead.
        """
        return self._run(_acting.rerun(self._server, run_id, from_step, input))

    # Apps

    def apps(self) -> list[App]:
        """Return the apps that have registered with the server."""
        return self._run(_catalog.apps(self._server))

    def functions(self, app: str | None = None) -> list[Function]:
        """Return the functions of an app, or of all apps."""
        return self._run(_catalog.functions(self._server, app))

    def function(self, app: str, function: str) -> Function:
        """Return one function by its short id, without the app's."""
        return self._run(_catalog.function(self._server, app, function))

    def workers(self) -> Found[Worker]:
        """Return the connections of workers, which apps of the method CONNECT have, latest first.

        At most 40. Only GraphQL knows them: where that is off, the list is empty, `truncated`, and
        has `because`. Apps of the method SERVE have no connections.
        """
        return self._run(_graphql.workers(self._server))

    def features(self) -> ServerFeatures:
        """Return which optional features this server has. It is asked once per client.

        `run_query` is reported but not used: what a newer server's `query` finds is incomplete (no
        run whose event was sent with an id of its own) and has wrong ends.
        """
        return self._run(_features.features(self._server))

    def health(self) -> ServerHealth:
        """Return the server's kind, queue depth and openness, from two or three small requests."""
        return self._run(_health.health(self._server))

    # The connection

    def close(self) -> None:
        """Close the connections; a `client` that you passed in stays open."""
        self._closed = True
        if self._own_client:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _connect(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()
            keep_open(self._client)
        proxies = self._through_proxies
        self._client = httpx.Client(cookies=NoCookies(), limits=LIMITS, trust_env=proxies)
        in_time(self._client)
        # Collected without a close, it leaves no socket behind to be warned about.
        self._finalizer = weakref.finalize(self, self._client.close)

    def _run(self, operation: Operation[T]) -> T:
        return drive(operation, self._send, self._failed)

    def _send(self, request: Request) -> Response:
        built = self._request(request, self._client)
        deadline = self._deadline(built, request)
        check = partial(check_size, request=request)
        auth = None if self._own_client else httpx.USE_CLIENT_DEFAULT
        return receive(self._client, built, auth, deadline, check)
