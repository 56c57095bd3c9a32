"""The errors of failed requests: what happened, where, and what to try next."""

from __future__ import annotations

from typing import Any, NamedTuple

from inngest_nb import words
from inngest_nb.api.basics._quirks import Trouble
from inngest_nb.api.basics._settings import SIGNING_FORM, NamedKey, Settings
from inngest_nb.errors import (
    InngestAuthError,
    InngestConnectionError,
    InngestDecodeError,
    InngestError,
    InngestRunEndedError,
    InngestStatusError,
    InngestUnavailableError,
    NotInngestError,
)

GRAPHQL = "/v0/gql"

_ENDED = ("run_already_ended", "run_already_cancelled")
_IN_DOUBT = "the server may or may not have done it: check before you try again"


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

    @property
    def reads(self) -> bool:
        """Whether it changes nothing on the server; GraphQL is only read here."""
        return self.method == "GET" or self.path == GRAPHQL


def refused(settings: Settings, request: Request, trouble: Trouble) -> InngestStatusError:
    """Make the error for what the server says is wrong."""
    url = settings.url_of(events=request.events)
    reason = words.short(settings.hidden(trouble.reason), 300)
    details: dict[str, Any] = {
        "status": trouble.status,
        "code": settings.hidden(trouble.code),
        "reason": reason,
        "operation": request.operation,
        "target": url,
    }
    if trouble.status == 501:
        return InngestUnavailableError(
            f"inngest {request.operation}: the open-source server does not offer this call",
            hint=f"{url} said: {reason}",
            **details,
        )
    if trouble.code in _ENDED:
        return InngestRunEndedError(
            f"inngest {request.operation}: nothing was changed: {reason}", **details
        )
    busy = trouble.status == 429 or trouble.status >= 500
    return InngestStatusError(
        f"inngest {request.operation}: {url} answered with status {trouble.status}: "
        f"{reason or 'it gave no reason'}",
        hint="try again later, and see the server's log" if busy else None,
        **details,
    )


def unanswered(
    settings: Settings, request: Request, why: str, hint: str = "", *, sent: bool = True
) -> InngestError:
    """Make the error for a missing response."""
    url = settings.url_of(events=request.events)
    error = InngestConnectionError(
        f"inngest {request.operation}: no response from {url}: {settings.hidden(why)}",
        operation=request.operation,
        target=url,
        hint=hint or None,
    )
    return in_doubt(error) if sent and not request.reads else error


def in_doubt(error: InngestError) -> InngestError:
    """Say that the server may have done what it was asked to."""
    error.maybe_done = True
    error.add_note(_IN_DOUBT)
    return error


def unreadable(settings: Settings, request: Request, status: int, media_type: str) -> InngestError:
    """Make the error for a response that is not JSON."""
    url = settings.url_of(events=request.events)
    error = InngestDecodeError(
        f"inngest {request.operation}: the response from {url} cannot be read "
        f"(status {status}, {words.short(media_type) or 'no type'})",
        operation=request.operation,
        target=url,
    )
    return error if request.reads else in_doubt(error)


def unsigned(settings: Settings, request: Request, reason: str) -> InngestAuthError:
    """Make the error for a signing key that is rejected or missing."""
    keys = settings.signing_keys
    if not keys:
        said = "requires a signing key, but none is set"
        hint = f"pass signing_key or set INNGEST_SIGNING_KEY, in the form {SIGNING_FORM}"
    elif strange := [named.source for named in keys if not named.looks_right]:
        said = f"rejected the key, and {strange[0]} does not contain a signing key"
        hint = (
            f"a signing key has the form {SIGNING_FORM}; an event key is only for sending, "
            "pass it as event_key or in INNGEST_EVENT_KEY"
        )
    else:
        said = f"rejected the signing key from {' and '.join(named.source for named in keys)}"
        hint = f"it must be the key that the server was started with: {SIGNING_FORM}"
    return _rejected(settings, request, said, reason, hint)


def uninvited(settings: Settings, request: Request, reason: str) -> InngestAuthError:
    """Make the error for an event key that is rejected or missing."""
    named = settings.event_key
    if named is None:
        said = "requires an event key, but none is set"
    elif not named.looks_right:
        said = f"rejected the event key, and {named.source} contains a signing key"
    else:
        said = f"rejected the event key from {named.source}"
    hint = (
        "pass event_key or set INNGEST_EVENT_KEY to a key that the server was started with, "
        "as in `inngest start --event-key`"
    )
    return _rejected(settings, request, said, reason, hint)


def _rejected(
    settings: Settings, request: Request, said: str, reason: str, hint: str
) -> InngestAuthError:
    url = settings.url_of(events=request.events)
    return InngestAuthError(
        f"inngest {request.operation}: {url} {said}",
        status=401,
        reason=words.short(settings.hidden(reason), 300),
        operation=request.operation,
        target=url,
        hint=hint,
    )


# What else may answer at an address

DASHBOARD = "the dashboard of an Inngest server; the address has an extra path"
WRONG_PATH = "an Inngest server, but its API is not under this path"
STATE_SERVER = "a state server of inngest_nb, which stores workflow states, not runs"


def elsewhere(settings: Settings, request: Request, what: str) -> NotInngestError:
    """Make the error for an address where something else answers; say which call is right."""
    url = settings.url_of(events=request.events)
    source = settings.event_url_source if request.events else settings.url_source
    origin = "/".join(url.split("/")[:3])
    own = request.events and source != settings.url_source  # an address that only events go to
    argument = "event_base_url" if own else "base_url"
    named = f"{argument} or {'INNGEST_EVENT_API_BASE_URL' if own else 'INNGEST_API_BASE_URL'}"
    if what == STATE_SERVER:
        hint = f"use inb.InngestStore({url!r}) for it; InngestAPI needs the address of a real "
        hint += f"Inngest server, as {named}"
    elif what in (DASHBOARD, WRONG_PATH):
        given = f"event_base_url={origin!r}" if own else repr(origin)
        hint = f"pass the address without a path: inb.InngestAPI({given})"
    else:
        hint = f"pass the address of an Inngest server as {named}; a dev "
        hint += "server is usually at http://localhost:8288"
    return NotInngestError(
        f"inngest {request.operation}: {url} is {what}",
        operation=request.operation,
        target=url,
        hint=f"{hint} (the address came from {source})",
    )
