"""Finds out what kind of server answers at a base URL, with read-only requests."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec

from inngest_nb.store.http._config import check_carriage, is_loopback, resolve_base_url, resolve_key
from inngest_nb.store.http.calls.operations import LIST_PATH

_BODY_BYTES = 64 * 2**10
# An id and a status that no workflow has, so that the responses are short.
_UNKNOWN = f"{LIST_PATH}/inngest-nb-who-is-there"
_EMPTY_LIST = f"{LIST_PATH}?limit=1&status=inngest-nb-nobody"


class ServerKind(StrEnum):
    """The kinds of servers that a base URL can belong to."""

    STATE_SERVER = "state server"
    CONTRACT_SERVER = "contract server"
    KEY_REFUSED = "key refused"
    INNGEST_DEV = "Inngest dev server"
    INNGEST_SELF_HOSTED = "self-hosted Inngest"
    INNGEST_DASHBOARD = "Inngest dashboard"
    OTHER = "something else"
    NOTHING = "nothing"

    @property
    def is_inngest(self) -> bool:
        """Whether it is a real Inngest server, which stores no workflow states."""
        return self in (self.INNGEST_DEV, self.INNGEST_SELF_HOSTED, self.INNGEST_DASHBOARD)


class Identified(NamedTuple):
    """The kind of server, and a description that can follow its address."""

    kind: ServerKind
    words: str


class _Reply(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def media_type(self) -> str:
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    def json(self) -> object:
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None


def identify(
    base_url: str | None = None, event_key: str | None = None, timeout: float = 3.0
) -> Identified:
    """Find out what answers at a base URL; both arguments default as for `InngestStore`.

    Nothing is written, and the key is not sent to an Inngest server. `timeout`, in seconds, is for
    each of at most three requests. Raises `ValueError` for an invalid address or key.
    """
    base = resolve_base_url(base_url)
    key = resolve_key(event_key)
    check_carriage(base, key, allow_insecure=False)
    local = is_loopback(urlsplit(base).hostname)
    try:
        with httpx.Client(timeout=timeout, trust_env=not local) as client:
            return _identify(client, base, key.headers())
    except httpx.ConnectTimeout:
        return Identified(ServerKind.NOTHING, f"no connection within {timeout:g} s")
    except httpx.TimeoutException:
        return Identified(
            ServerKind.OTHER,
            f"something that accepts connections but sent no HTTP response within {timeout:g} s",
        )
    except (httpx.ConnectError, httpx.ProxyError) as error:
        return Identified(ServerKind.NOTHING, f"no connection ({_plain(str(error))})")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = key.hidden(_plain(str(error))) or "the connection was closed"
        return Identified(ServerKind.OTHER, f"something that does not speak HTTP ({why})")


def _identify(client: httpx.Client, base: str, key: dict[str, str]) -> Identified:
    health = _get(client, f"{base}/health")
    if (inngest := _inngest(health)) is not None:
        return inngest
    said = health.json()
    if isinstance(said, dict) and said.get("server") == "inngest-nb":
        name = f"the state server of inngest_nb {_plain(str(said.get('version', '')))}"
        return _state_server(_get(client, base + _EMPTY_LIST, key), name, keyed=bool(key))
    unknown = _get(client, base + _UNKNOWN, key)
    return _stranger(unknown, _get(client, base + _EMPTY_LIST, key), keyed=bool(key))


def _inngest(health: _Reply) -> Identified | None:
    """Recognize a real Inngest server by the header of all its responses, or its health check."""
    name = health.headers.get("x-inngest-server-kind")
    if name is None and health.json() != {"status": 200, "message": "OK"}:
        return None
    if health.media_type == "text/html":
        return Identified(
            ServerKind.INNGEST_DASHBOARD,
            "the dashboard of an Inngest server; remove the path from the address",
        )
    if name == "cloud":
        return Identified(ServerKind.INNGEST_SELF_HOSTED, "a self-hosted Inngest server")
    return Identified(ServerKind.INNGEST_DEV, "an Inngest dev server")


def _state_server(listing: _Reply, name: str, *, keyed: bool) -> Identified:
    if listing.status == 200:
        return Identified(ServerKind.STATE_SERVER, name)
    if listing.status in (401, 403):
        return Identified(ServerKind.KEY_REFUSED, f"{name}; {_refusal(keyed)}")
    return Identified(ServerKind.OTHER, f"{name}, which reports an error ({listing.status})")


def _stranger(unknown: _Reply, listing: _Reply, *, keyed: bool) -> Identified:
    """Classify a server by its responses for an unknown workflow and for the listing."""
    if (found := _inngest(unknown)) is not None:
        return found
    if unknown.status in (401, 403):
        return Identified(ServerKind.KEY_REFUSED, f"a server; {_refusal(keyed)}")
    if 300 <= unknown.status < 400:
        place = _redirect_goal(unknown.headers.get("location", ""))
        return Identified(ServerKind.OTHER, f"a server that redirects to {place}")
    if unknown.status == 404 and unknown.media_type != "text/html":
        listed = listing.json()
        if listing.status == 200 and isinstance(listed, dict) and "workflows" in listed:
            return Identified(ServerKind.CONTRACT_SERVER, "a contract server that can list")
        return Identified(
            ServerKind.CONTRACT_SERVER,
            "a server that looks like a plain contract server, which cannot list",
        )
    kind = _plain(unknown.media_type) or "no type"
    return Identified(ServerKind.OTHER, f"another kind of web server ({unknown.status}, {kind})")


def _redirect_goal(location: str) -> str:
    try:
        goal = urlsplit(location)
        return _plain(f"{goal.scheme}://{goal.hostname}") if goal.hostname else "another path"
    except ValueError:
        return "an invalid address"


def _get(client: httpx.Client, url: str, key: dict[str, str] | None = None) -> _Reply:
    """Send a GET request, and read a limited part of the response in a limited time."""
    deadline = time.monotonic() + (client.timeout.read or 0)
    headers = {"Accept-Encoding": "identity", **(key or {})}
    body = b""
    with client.stream("GET", url, headers=headers) as response:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > _BODY_BYTES or time.monotonic() > deadline:
                break
        return _Reply(response.status_code, response.headers, body[:_BODY_BYTES])


def _refusal(keyed: bool) -> str:
    return "it rejects the event key" if keyed else "it requires an event key"


def _plain(text: str) -> str:
    """Make text from an unknown server short and printable."""
    return "".join(c if c.isprintable() else " " for c in text)[:80].strip()
