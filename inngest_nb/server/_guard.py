"""Access control of the state server: local programs, or clients with the key."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from inngest_nb.errors import ServerStartError
from inngest_nb.store.http import Key, is_loopback


class Refused(Exception):  # noqa: N818  # a response rather than an error
    """Rejects a request with an error status and a reason."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class Guard:
    """The checks that every request must pass first."""

    def __init__(self, host: str, event_key: str | None) -> None:
        self._expected = Key(event_key or "").headers().get("Authorization", "").encode()
        self._loopback = is_loopback(host)
        self._local_host: str | None = None
        if not self._loopback and not self._expected:
            raise ServerStartError(
                f"cannot listen on {host} without a key, because other machines could connect; "
                "set INNGEST_EVENT_KEY or pass event_key, or use host 127.0.0.1"
            )

    def check_sender(self, headers: Mapping[str, str]) -> None:
        """Reject requests of web pages: DNS rebinding, and other origins."""
        host = headers.get("host", "")
        # A server that does not listen on loopback has any host name, but always requires the key.
        if self._loopback and host != self._local_host:
            if not is_loopback(_hostname(host)):
                raise Refused(
                    403,
                    "this server accepts requests to localhost only; to change that, use --host",
                )
            self._local_host = host  # most requests have the Host of the one before
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host.lower():
            raise Refused(403, "web pages from other origins must not use this server")

    def check_key(self, headers: Mapping[str, str]) -> None:
        """Reject a request without the key, in constant time."""
        if not self._expected:
            return
        given = headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, self._expected):
            raise Refused(401, "the event key is missing or wrong", {"WWW-Authenticate": "Bearer"})


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
