"""The address of a client's server, and its secret key."""

from __future__ import annotations

import ipaddress
import os
from typing import NoReturn
from urllib.parse import quote, urlsplit

DEFAULT_BASE_URL = "http://localhost:8288"
OWN_VARIABLE = "INNGEST_NB_URL"
# Read after ours, as in the preview. An Inngest client in the same process reads them, too:
# where they name a state server, that client breaks.
SDK_VARIABLES = ("INNGEST_BASE_URL", "INNGEST_DEV")


class Key:
    """A key that is hidden from reprs and cannot be pickled; empty means no key."""

    __slots__ = ("_text", "name")

    def __init__(self, text: str, name: str = "event key") -> None:
        if not text.isascii() or not text.isprintable() or text != text.strip():
            raise ValueError(
                f"the {name} contains spaces or other characters that are not allowed in a header"
            )
        self._text = text
        self.name = name

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "set" if self else "not set"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a client with a {self.name} cannot be pickled or copied; create another one instead"
        )

    def headers(self) -> dict[str, str]:
        """Return the header with the key, if there is one."""
        return {"Authorization": f"Bearer {self._text}"} if self else {}

    def in_path(self) -> str:
        """Return the key as a segment of a path."""
        return quote(self._text, safe="")

    def revealed(self) -> str:
        """Return the key itself, for another client that the program makes; never to be shown."""
        return self._text

    def hidden(self, text: str) -> str:
        """Replace the key in a text that came from a server."""
        for form in {self._text, self.in_path()} if self else ():
            text = text.replace(form, f"[{self.name}]")
        return text


def resolve_base_url(given: str | None) -> str:
    """Return the server's address: the argument, INNGEST_NB_URL, or what `SDK_VARIABLES` name.

    The result has no trailing slash. Raises `ValueError` if it is not an HTTP address.
    """
    return named_base_url(given)[1]


def named_base_url(given: str | None) -> tuple[str, str]:
    """Return where the address came from (a variable, "base_url" or "default"), and the address."""
    dev = os.environ.get("INNGEST_DEV", "")
    named = {
        "base_url": given,
        OWN_VARIABLE: os.environ.get(OWN_VARIABLE),
        "INNGEST_BASE_URL": os.environ.get("INNGEST_BASE_URL"),
        "INNGEST_DEV": dev if "://" in dev else None,
    }
    name, url = next(((n, u) for n, u in named.items() if u), ("default", DEFAULT_BASE_URL))
    return name, checked_url(url.strip(), name)


def checked_url(url: str, name: str, keys: str = "event_key") -> str:
    """Return an address without a slash at its end, or raise `ValueError` for what is none.

    `keys` are the arguments in which a key may be given instead of in the address.
    """
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
            f"{name} must not contain a user name or password; pass the key as {keys} instead"
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
            f"the {key.name} would be sent to {parts.hostname} unencrypted; use https://, "
            f'{key.name.replace(" ", "_")}="" for no key, or allow_insecure=True'
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
