"""Who may ask the state server: its own machine's programs, or holders of the key."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from inngest_nb.errors import ServerStartError
from inngest_nb.store.http import Key, is_loopback


class Refused(Exception):  # noqa: N818  # an answer, not an error of ours
    """A request that is answered with an error status and the reason."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class Guard:
    """The checks that every request passes before it is looked at."""

    def __init__(self, host: str, event_key: str | None) -> None:
        self._expected = Key(event_key or "").headers().get("Authorization", "").encode()
        self._loopback = is_loopback(host)
        if not self._loopback and not self._expected:
            raise ServerStartError(
                f"without a key, the state server listens on this machine only, not on {host}; "
                "set INNGEST_EVENT_KEY or event_key, or take host 127.0.0.1"
            )

    def check_sender(self, headers: Mapping[str, str]) -> None:
        """Refuse what a web page sends: under a name bent to point here, or across origins."""
        host = headers.get("host", "")
        # A name that leads here from elsewhere needs the key, where there is no loopback to trust.
        if self._loopback and not is_loopback(_hostname(host)):
            raise Refused(403, "this server answers to localhost only; see its --host")
        origin = headers.get("origin")
        if origin is not None and _netloc(origin) != host.lower():
            raise Refused(403, "web pages of another origin may not use this server")

    def check_key(self, headers: Mapping[str, str]) -> None:
        """Refuse a request without the key, in a time that tells nothing of the key."""
        given = headers.get("authorization", "").encode("latin-1", "replace")
        if self._expected and not hmac.compare_digest(given, self._expected):
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
