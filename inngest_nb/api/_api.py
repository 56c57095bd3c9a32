"""What both clients share: everything but sending, and each call's check of its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import urlencode, urlsplit

import httpx

from inngest_nb.api.basics._checks import (
    Order,
    TimeField,
    check_apps,
    check_choice,
    check_limit,
    check_name,
    check_statuses,
    check_ulid,
)
from inngest_nb.api.basics._exchange import Operation, Server
from inngest_nb.api.basics._failures import Request, unanswered
from inngest_nb.api.basics._listed import Page
from inngest_nb.api.basics._settings import Settings
from inngest_nb.api.basics._values import Event, Found, Run
from inngest_nb.api.calls import _events, _runs
from inngest_nb.errors import InngestDecodeError, InngestError
from inngest_nb.query import When, check_window
from inngest_nb.store.http import (
    DROPPED,
    ConnectionDroppedError,
    Deadline,
    follow,
    is_loopback,
)

_TIMEOUT_SECONDS = 30.0  # a page of a long history takes seconds
_BODY_BYTES = 256 * 2**20


class _ForeignClientError(RuntimeError):
    """The client was passed to the parent process: its connections are shared with that one."""


class HttpAPI:
    """A client without its driver; each `_verb` is an operation for one to run."""

    def __init__(
        self,
        base_url: str | None,
        signing_key: str | None,
        event_key: str | None,
        event_base_url: str | None,
        timeout: float | None,
        *,
        own_client: bool,
        allow_insecure: bool,
    ) -> None:
        self._settings = Settings(
            base_url, event_base_url, signing_key, event_key, allow_insecure=allow_insecure
        )
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout must be a number of seconds above 0, got {timeout!r}")
        self._timeout = timeout
        self._server = Server(self._settings)
        self._own_client = own_client
        self._closed = False
        self._foreign = False  # the user's client is another process's
        follow(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings!r})"

    @property
    def base_url(self) -> str:
        """The address of the server's APIs."""
        return self._settings.url

    @property
    def event_base_url(self) -> str:
        """The address that takes events."""
        return self._settings.event_url

    @property
    def base_url_source(self) -> str:
        """The argument or variable that gave that address."""
        return self._settings.url_source

    @property
    def code(self) -> str | None:
        """Python that makes such a client again; None where a key was passed in."""
        return self._settings.code

    # In a process that forks

    def before_fork(self) -> None:
        """Nothing has to be waited for."""

    def after_fork_in_parent(self) -> None:
        """Nothing was held."""

    def after_fork_in_child(self) -> None:
        """Continue in the new process, with new connections."""
        if not self._own_client:
            self._foreign = True
        elif not self._closed:
            self._connect()

    def _connect(self) -> None:
        """Make a client of this process; the one before it, if any, is another process's."""
        raise NotImplementedError

    # Requests

    @property
    def _through_proxies(self) -> bool:
        """Whether a proxy may stand before a server; before this machine it has no business."""
        urls = self._settings.url, self._settings.event_url
        return not all(is_loopback(urlsplit(url).hostname) for url in urls)

    def _request(self, request: Request, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        if self._foreign:
            raise _ForeignClientError
        url = self._settings.url_of(events=request.events) + request.path
        if request.query:
            url += f"?{urlencode(request.query)}"
        headers = request.key.key.headers() if request.key else {}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        timeout = self._timeout or (_TIMEOUT_SECONDS if self._own_client else client.timeout)
        return client.build_request(
            request.method, url, headers=headers, content=request.body, timeout=timeout
        )

    def _deadline(self, built: httpx.Request, request: Request) -> Deadline:
        """Give all of a request the time that a transport gives to each of its reads."""
        seconds = built.extensions.get("timeout", {}).get("read")
        return Deadline(seconds, len(request.body or b""))

    def _failed(self, error: Exception, request: Request) -> Exception:
        """Turn a transport's error into ours, for the operation to judge."""
        url = self._settings.url_of(events=request.events)
        said = self._settings.hidden(str(error))
        if isinstance(error, DROPPED):
            return ConnectionDroppedError(said or "the connection broke")
        if isinstance(error, RuntimeError):  # what httpx says of a closed client
            why = (
                "its client= belongs to the parent of this process"
                if self._foreign
                else "it is closed"
            )
            return InngestError(
                f"inngest {request.operation}: this InngestAPI cannot be used: {why}",
                operation=request.operation,
                target=url,
                hint="create a new one",
            )
        if isinstance(error, httpx.TimeoutException):
            why, hint = "timed out", "if the server is slow, pass a longer timeout= (seconds)"
        elif isinstance(error, httpx.ConnectError):
            settings = self._settings
            source = settings.event_url_source if request.events else settings.url_source
            why = f"cannot connect ({said})"
            hint = (
                "start a dev server with `npx inngest-cli dev`, or pass the server's address as "
                f"base_url or INNGEST_API_BASE_URL (the address came from {source})"
            )
        else:
            why, hint = said, "check base_url and the server at that address"
        sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        failure = unanswered(self._settings, request, why, hint, sent=sent)
        failure.__cause__ = error
        return failure

    # Calls

    def _wanted(
        self, status: Any, app: Any, function: Any, since: Any, until: Any, by: Any, order: Any,
        *, output: bool,
    ) -> _runs.Wanted:  # fmt: skip
        window = check_window(since, until, datetime.now(UTC))
        return _runs.wanted(
            check_statuses(status),
            check_apps(app),
            function if function is None else check_name(function, "function", "charge-card"),
            window,
            check_choice(by, "by", get_args(TimeField)),
            check_choice(order, "order", get_args(Order)),
            output=output,
        )

    def _list_runs(self, wanted: _runs.Wanted, limit: int | None) -> Operation[Found[Run]]:
        return _runs.listing(self._server, wanted, check_limit(limit))

    def _list_page(self, wanted: _runs.Wanted, limit: int, cursor: str | None) -> Operation[Page]:
        if not isinstance(limit, int) or not 1 <= limit <= _runs.MOST_A_PAGE:
            raise ValueError(f"limit of a page must be a number from 1 to 100, got {limit!r}")
        return _runs.page(self._server, wanted, limit, cursor)

    def _list_events(
        self,
        name: str | None,
        since: When | None,
        until: When | None,
        limit: int | None,
        before: str | None,
    ) -> Operation[Found[Event]]:
        window = check_window(since, until, datetime.now(UTC))
        if name is not None:
            check_name(name, "name", "shop/order.placed")
        if before is not None:
            check_ulid(before, "before")
        return _events.listing(self._server, name, window, check_limit(limit), before or "")

    def _send_many(self, events: Iterable[Mapping[str, Any]]) -> Operation[list[str]]:
        return _events.send(self._server, _events.checked(events))

    def _send_one(self, event: Mapping[str, Any]) -> Operation[list[str]]:
        given = {key: value for key, value in event.items() if value is not None}
        return _events.send(self._server, _events.checked([given]))


def check_size(size: int, request: Request) -> None:
    """Stop reading a response that has no end."""
    if size > _BODY_BYTES:
        raise InngestDecodeError(
            f"inngest {request.operation}: the response is longer than {_BODY_BYTES >> 20} MiB",
            operation=request.operation,
        )
