"""One request to the server and its answer: keys, repeats, and what each kind of error means.

Operations are generators that yield requests and receive responses, written once for both clients.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec

from inngest_nb import wire, words
from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._settings import SIGNING_FORM, NamedKey, Settings
from inngest_nb.errors import (
    InngestAuthError,
    InngestConnectionError,
    InngestDecodeError,
    InngestRunEndedError,
    InngestStatusError,
    InngestUnavailableError,
    NotInngestError,
)
from inngest_nb.store.http import ConnectionDroppedError, Response

T = TypeVar("T")
Query = list[tuple[str, str]]

_KIND = "x-inngest-server-kind"
_ENDED = ("run_already_ended", "run_already_cancelled")


class Request(NamedTuple):
    """What a driver is to send. `key` goes with it as a header, `path` may hold the event key.

    `again` tells whether repeating the request is harmless.
    """

    operation: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    events: bool = False  # whether it goes to the address for events
    key: NamedKey | None = None
    again: bool = False


Operation = Generator[Request, Response, T]
encode = msgspec.json.Encoder().encode


class Server:
    """What operations know of the server: its settings, and which signing key it accepts."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._accepted = 0  # the place of the signing key that was accepted last

    def url_of(self, request: Request) -> str:
        """Return the address of the server that gets a request."""
        return self.settings.event_url if request.events else self.settings.url

    def get(self, operation: str, path: str, query: Query | None = None) -> Operation[Any]:
        """Read something; return the decoded answer, or raise what is wrong with it."""
        return (
            yield from self.ask(Request(operation, "GET", path, tuple(query or ()), again=True))
        )

    def post(
        self, operation: str, path: str, body: object, *, again: bool = False
    ) -> Operation[Any]:
        """Write something; return the decoded answer, or raise what is wrong with it."""
        return (
            yield from self.ask(Request(operation, "POST", path, body=encode(body), again=again))
        )

    def ask(self, request: Request) -> Operation[Any]:
        """Send a request with a signing key and return the decoded answer."""
        response = yield from self.answer(request)
        said = yield from self.read(request, response)
        if (trouble := _quirks.trouble(response.status, said)) is not None:
            self.refuse(request, trouble)
        return said

    def answer(self, request: Request) -> Operation[Response]:
        """Send a request with a signing key, the one that was accepted last first."""
        keys = self.settings.signing_keys
        places = [self._accepted, *(n for n in range(len(keys)) if n != self._accepted)]
        for place in places[: max(1, len(keys))]:
            response = yield from self.send(request._replace(key=keys[place] if keys else None))
            if response.status != 401:
                self._accepted = place
                return response
        yield from self.check_inngest(request, response)
        raise self.unwelcome(request, response)

    def send(self, request: Request) -> Operation[Response]:
        """Send a request, and once more if it is harmless and a kept connection was closed."""
        try:
            return (yield request)
        except ConnectionDroppedError as dropped:
            if not request.again:
                raise self.lost(request, str(dropped)) from dropped
        try:
            return (yield request)
        except ConnectionDroppedError as dropped:
            raise self.lost(request, str(dropped)) from dropped

    def read(self, request: Request, response: Response) -> Operation[Any]:
        """Decode an answer; raise what says that it is not one of an Inngest API."""
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if response.status >= 400:
            yield from self.check_inngest(request, response)
        if 300 <= response.status < 400 or media_type == "text/html" or not response.body:
            yield from self.check_inngest(request, response, always=True)
        try:
            return wire.flat(msgspec.json.decode, response.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield from self.check_inngest(request, response, always=response.status < 400)
            if response.status >= 500:
                return response.body[:300].decode(errors="replace")
            if response.status == 404:
                raise self._elsewhere(
                    request, "an Inngest server, but not under this path", bare=True
                ) from None
            raise InngestDecodeError(
                f"inngest {request.operation}: the answer of {self.url_of(request)} cannot be read "
                f"(status {response.status}, {words.short(media_type) or 'no type'})",
                operation=request.operation,
                target=self.url_of(request),
            ) from error

    def check_inngest(
        self, request: Request, response: Response, *, always: bool = False
    ) -> Operation[None]:
        """Raise `NotInngestError` unless an Inngest API has answered; ask who it is if need be."""
        if _KIND in response.headers and not always:
            return
        if (
            _KIND in response.headers
            and response.headers.get("content-type", "")[:9] == "text/html"
        ):
            raise self._elsewhere(
                request,
                "the dashboard of an Inngest server: the address has a path too many",
                bare=True,
            )
        health = yield from self.send(
            Request(request.operation, "GET", "/health", events=request.events, again=True)
        )
        try:
            said: object = msgspec.json.decode(health.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            said = None
        if isinstance(said, Mapping) and said.get("server") == "inngest-nb":
            raise self._elsewhere(
                request,
                "a state server of inngest_nb, which keeps workflow states, not runs",
                state=True,
            )
        if said == {"status": 200, "message": "OK"} or _KIND in health.headers:
            return
        kind = words.short(response.headers.get("content-type", "").partition(";")[0]) or "no type"
        raise self._elsewhere(
            request, f"a server of another kind (status {response.status}, {kind})"
        )

    def _elsewhere(
        self, request: Request, what: str, *, bare: bool = False, state: bool = False
    ) -> NotInngestError:
        url, source = self._address(request)
        if state:
            hint = (
                f"read it with inb.InngestStore({url!r}); InngestAPI wants the address of a real "
                f"Inngest, as base_url or INNGEST_API_BASE_URL (this one came from {source})"
            )
        elif bare:
            origin = "/".join(url.split("/")[:3])
            hint = f"give the address without a path: inb.InngestAPI({origin!r}); "
            hint += f"this one came from {source}"
        else:
            hint = (
                "give the address of an Inngest server as base_url or INNGEST_API_BASE_URL; a dev "
                f"server is at http://localhost:8288 (this one came from {source})"
            )
        return NotInngestError(
            f"inngest {request.operation}: {url} is {what}",
            operation=request.operation,
            target=url,
            hint=hint,
        )

    def _address(self, request: Request) -> tuple[str, str]:
        settings = self.settings
        if request.events:
            return settings.event_url, settings.event_url_source
        return settings.url, settings.url_source

    # Errors

    def refuse(self, request: Request, trouble: _quirks.Trouble) -> NoReturn:
        """Raise the error for what the server said is wrong."""
        url = self.url_of(request)
        reason = words.short(self.settings.hidden(trouble.reason), 300)
        details: dict[str, Any] = {
            "status": trouble.status,
            "code": trouble.code,
            "reason": reason,
            "operation": request.operation,
            "target": url,
        }
        if trouble.status == 501:
            raise InngestUnavailableError(
                f"inngest {request.operation}: the open-source server does not offer this",
                hint=f"{url} said: {reason}",
                **details,
            )
        if trouble.code in _ENDED:
            raise InngestRunEndedError(
                f"inngest {request.operation}: nothing was changed: {reason}", **details
            )
        raise InngestStatusError(
            f"inngest {request.operation}: {reason or 'the server gave no reason'} "
            f"(status {trouble.status})",
            **details,
        )

    def lost(self, request: Request, why: str) -> InngestConnectionError:
        """Make the error for an answer that did not come."""
        url = self.url_of(request)
        hint = (
            None if request.method == "GET" else "whether the server did it is unknown: look there"
        )
        return InngestConnectionError(
            f"inngest {request.operation}: no answer from {url}: {self.settings.hidden(why)}",
            operation=request.operation,
            target=url,
            hint=hint,
        )

    def unwelcome(self, request: Request, response: Response) -> InngestAuthError:
        """Make the error for a signing key that is rejected or missing."""
        keys, url = self.settings.signing_keys, self.url_of(request)
        if not keys:
            said = "wants a signing key, and none is set"
            hint = f"give signing_key or set INNGEST_SIGNING_KEY, in the form {SIGNING_FORM}"
        elif strange := [named.source for named in keys if not named.looks_right]:
            said = f"rejected the key, and {strange[0]} does not hold a signing key"
            hint = (
                f"a signing key has the form {SIGNING_FORM}; an event key is for sending only, "
                "as event_key or INNGEST_EVENT_KEY"
            )
        else:
            names = " and ".join(named.source for named in keys)
            said = f"rejected the signing key from {names}"
            hint = f"it has to be the key that the server was started with: {SIGNING_FORM}"
        return InngestAuthError(
            f"inngest {request.operation}: {url} {said}",
            status=401,
            reason=words.short(response.body[:300].decode(errors="replace").strip()),
            operation=request.operation,
            target=url,
            hint=hint,
        )
