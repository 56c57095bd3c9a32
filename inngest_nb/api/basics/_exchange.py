"""One request to the server and its answer: which key goes along, and what counts as an answer.

Operations are generators that yield requests and receive responses, written once for both clients.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeVar

import msgspec

from inngest_nb import wire, words
from inngest_nb.api.basics import _failures, _quirks
from inngest_nb.api.basics._failures import Request
from inngest_nb.api.basics._listed import Page, page_of
from inngest_nb.api.basics._settings import Settings
from inngest_nb.api.basics._values import ServerFeatures
from inngest_nb.errors import InngestError
from inngest_nb.store.http import ConnectionDroppedError, Response

T = TypeVar("T")
Query = list[tuple[str, str]]
Operation = Generator[Request, Response, T]

KIND = "x-inngest-server-kind"  # a header of all that a real Inngest answers


class Server:
    """What operations know of the server: its settings, and which signing key it accepts."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._accepted = 0  # the place of the signing key that was accepted last
        self.features: ServerFeatures | None = None  # once they were asked for
        self.without_graphql = False  # once it was found to be off

    def get(
        self, operation: str, path: str, query: Query | None = None
    ) -> Operation[Mapping[str, Any]]:
        """Read something; return the object that answers it, or raise."""
        request = Request(operation, "GET", path, tuple(query or ()), again=True)
        return (yield from self.ask(request))

    def page(self, operation: str, path: str, query: Query) -> Operation[Page]:
        """Read a page of a run list, or raise."""
        request = Request(operation, "GET", path, tuple(query), again=True)
        response = yield from self.signed(request)
        quickly = page_of(response.body) if response.status == 200 else None
        if quickly is not None:
            return quickly
        said = yield from self._judge(request, response)
        return page_of(said) or Page(())

    def ask(self, request: Request) -> Operation[Mapping[str, Any]]:
        """Send a request with a signing key; return the object that answers it, or raise."""
        response = yield from self.signed(request)
        return (yield from self._judge(request, response))

    def _judge(self, request: Request, response: Response) -> Operation[Mapping[str, Any]]:
        """Return the object that answers a request, or raise for what is none, or an error."""
        said = yield from self.read(request, response)
        if (trouble := _quirks.trouble(response.status, said)) is not None:
            raise _failures.refused(self.settings, request, trouble)
        if not isinstance(said, Mapping):
            media_type = response.headers.get("content-type", "")
            raise _failures.unreadable(self.settings, request, response.status, media_type)
        return said

    def signed(self, request: Request) -> Operation[Response]:
        """Send a request with a signing key, first the one that was accepted last."""
        keys = self.settings.signing_keys
        places = [self._accepted, *(n for n in range(len(keys)) if n != self._accepted)]
        for place in places:
            response = yield from self.send(request._replace(key=keys[place] if keys else None))
            if response.status != 401:
                self._accepted = place
                return response
        yield from self.read(request, response._replace(body=b"null"))  # an Inngest's at all?
        raise _failures.unsigned(self.settings, request, _text(response))

    def send(self, request: Request) -> Operation[Response]:
        """Send a request, and once more if it is harmless and a kept connection was closed."""
        try:
            return (yield request)
        except ConnectionDroppedError as dropped:
            if not request.again:
                raise _failures.unanswered(self.settings, request, str(dropped)) from dropped
        try:
            return (yield request)
        except ConnectionDroppedError as dropped:
            raise _failures.unanswered(self.settings, request, str(dropped)) from dropped

    def read(self, request: Request, response: Response) -> Operation[Any]:
        """Decode an answer; raise `NotInngestError` for what no Inngest API would say."""
        status = response.status
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        inngest = KIND in response.headers
        if inngest and media_type == "text/html":
            raise _failures.elsewhere(self.settings, request, _failures.DASHBOARD)
        if 300 <= status < 400 or media_type == "text/html" or (status >= 400 and not inngest):
            yield from self._check_health(request, response, media_type)
        try:
            return wire.flat(msgspec.json.decode, response.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            why: InngestError = _failures.unreadable(self.settings, request, status, media_type)
            if status < 400 and not inngest:
                yield from self._check_health(request, response, media_type)
            elif status == 404:
                why = _failures.elsewhere(self.settings, request, _failures.WRONG_PATH)
            elif status >= 400:
                return _text(response)
            raise why from error

    def check_address(self, operation: str) -> Operation[None]:
        """Raise `NotInngestError` unless this is an Inngest's address; no key is needed for it."""
        request = Request(operation, "GET", "/health", again=True)
        response = yield from self.send(request)
        yield from self.read(request, response)
        if KIND not in response.headers:
            yield from self._check_health(request, response, "")

    def _check_health(
        self, request: Request, response: Response, media_type: str
    ) -> Operation[None]:
        """Ask who is there, without a key; raise `NotInngestError` unless it is an Inngest."""
        health = yield from self.send(
            Request(request.operation, "GET", "/health", events=request.events, again=True)
        )
        try:
            said: object = msgspec.json.decode(health.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            said = None
        if isinstance(said, Mapping) and said.get("server") == "inngest-nb":
            raise _failures.elsewhere(self.settings, request, _failures.STATE_SERVER)
        if said != {"status": 200, "message": "OK"}:
            kind = words.short(media_type) or "no type"
            what = f"not an Inngest server (status {response.status}, {kind})"
            raise _failures.elsewhere(self.settings, request, what)


def _text(response: Response) -> str:
    return response.body[:300].decode(errors="replace").strip()
