"""The address of a client's server, and its secret key."""

from __future__ import annotations

import ipaddress
import os
from typing import NoReturn
from urllib.parse import urlsplit

DEFAULT_BASE_URL = "http://localhost:8288"


class Key:
    """An event key that is hidden from reprs and cannot be pickled; empty means no key."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text.isascii() or not text.isprintable() or text != text.strip():
            raise ValueError(
                "the event key contains spaces or other characters that are not allowed in a header"
            )
        self._text = text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "set" if self else "not set"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a store with an event key cannot be pickled or copied; create another store instead"
        )

    def headers(self) -> dict[str, str]:
        """Return the header with the key, if there is one."""
        return {"Authorization": f"Bearer {self._text}"} if self else {}

    def hidden(self, text: str) -> str:
        """Replace the key in a text that came from a server."""
        return text.replace(self._text, "[event key]") if self else text


def resolve_base_url(given: str | None) -> str:
    """Return the server's address: the argument, INNGEST_BASE_URL, or INNGEST_DEV if it is a URL.

    The result has no trailing slash. Raises `ValueError` if it is not an HTTP address.
    """
    return named_base_url(given)[1]


def named_base_url(given: str | None) -> tuple[str, str]:
    """Return where the address came from (a variable, "base_url" or "default"), and the address."""
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
        raise ValueError(
            f"{name} is not a valid address; it should look like {DEFAULT_BASE_URL}"
        ) from None
    # These messages don't contain the address, because it may contain a password.
    if "@" in parts.netloc:
        raise ValueError(
            f"{name} must not contain a user name or password; pass the key as event_key instead"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(
            f"{name} must start with http:// or https://, for example {DEFAULT_BASE_URL}"
        )
    if parts.query or parts.fragment:
        raise ValueError(
            f"{name} must not have a query (?) or fragment (#), for example {DEFAULT_BASE_URL}"
        )
    return url.rstrip("/")


def resolve_key(given: str | None) -> Key:
    """Return the event key: the argument, then INNGEST_EVENT_KEY. An empty one means no key."""
    return Key(os.environ.get("INNGEST_EVENT_KEY", "") if given is None else given)


def check_carriage(base_url: str, key: Key, *, allow_insecure: bool) -> None:
    """Raise `ValueError` if the key would be sent unencrypted over a network."""
    parts = urlsplit(base_url)
    if key and parts.scheme == "http" and not is_loopback(parts.hostname) and not allow_insecure:
        raise ValueError(
            f"the event key would be sent to {parts.hostname} unencrypted; use https://, "
            'event_key="" for no key, or allow_insecure=True'
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
