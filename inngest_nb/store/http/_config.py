"""Where a client finds its server, and how it keeps the key to itself."""

from __future__ import annotations

import ipaddress
import os
from typing import NoReturn
from urllib.parse import urlsplit

DEFAULT_BASE_URL = "http://localhost:8288"


class Key:
    """An event key that shows in no repr, pickle or copy; empty means that there is none."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text.isascii() or not text.isprintable() or text != text.strip():
            raise ValueError("the event key holds characters that a header cannot carry")
        self._text = text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "set" if self else "not set"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a store with a key is not to be pickled or copied; make another one")

    def headers(self) -> dict[str, str]:
        """Give the header that carries the key, or none."""
        return {"Authorization": f"Bearer {self._text}"} if self else {}

    def hidden(self, text: str) -> str:
        """Give a text that a server sent, without the key."""
        return text.replace(self._text, "[event key]") if self else text


def resolve_base_url(given: str | None) -> str:
    """Find the server: the argument, then INNGEST_BASE_URL, then INNGEST_DEV if it is a URL.

    The result has no slash at its end. Raises `ValueError` for what is not an HTTP address.
    """
    return named_base_url(given)[1]


def named_base_url(given: str | None) -> tuple[str, str]:
    """Find the server, and the name of what chose it: a variable, "base_url" or "default"."""
    dev = os.environ.get("INNGEST_DEV", "")
    named = {
        "base_url": given,
        "INNGEST_BASE_URL": os.environ.get("INNGEST_BASE_URL"),
        "INNGEST_DEV": dev if "://" in dev else None,
    }
    name, url = next(((n, u) for n, u in named.items() if u), ("default", DEFAULT_BASE_URL))
    return name, _checked(url.strip(), name)


def _checked(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # reading it checks it
    except ValueError:
        raise ValueError(f"{name} is not an address; write it like {DEFAULT_BASE_URL}") from None
    # The address itself is not repeated below: it may hold a password.
    if "@" in parts.netloc:
        raise ValueError(f"{name} holds a user name or password; give the key as event_key instead")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{name} is to begin with http:// or https://, as in {DEFAULT_BASE_URL}")
    if parts.query or parts.fragment:
        raise ValueError(f"{name} is to end before any ? or #, as in {DEFAULT_BASE_URL}")
    return url.rstrip("/")


def resolve_key(given: str | None) -> Key:
    """Find the event key: the argument, then INNGEST_EVENT_KEY. An empty text is no key."""
    return Key(os.environ.get("INNGEST_EVENT_KEY", "") if given is None else given)


def check_carriage(base_url: str, key: Key, *, allow_insecure: bool) -> None:
    """Refuse to send a key in clear over a network."""
    parts = urlsplit(base_url)
    if key and parts.scheme == "http" and not is_loopback(parts.hostname) and not allow_insecure:
        raise ValueError(
            f"the event key would go to {parts.hostname} unencrypted; use https://, "
            'event_key="" to send none, or allow_insecure=True'
        )


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name means this machine."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
