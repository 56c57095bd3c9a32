"""Where the servers are and which keys they get: by argument, then by the SDK's own variables."""

from __future__ import annotations

import logging
import os
import re
from typing import NamedTuple

from inngest_nb.store.http import DEFAULT_BASE_URL, Key, check_carriage, checked_url

# A dev server takes any event key, but not none.
_ANY_EVENT_KEY = "inngest-nb"
_INGEST = re.compile(r"(https?://[^?#\s]+/e/)[^/?#\s]+")
_SIGNING_KEY = re.compile(r"(signkey-\w+-)?([0-9a-fA-F]{2})+")
SIGNING_FORM = "signkey-prod-<hex> (or the hex alone), as in `inngest start --signing-key`"


class NamedKey(NamedTuple):
    """A key, the argument or variable that gave it, and whether it looks as such a key does."""

    key: Key
    source: str
    looks_right: bool


class Settings:
    """The two addresses and the keys of a client. A repr shows no key."""

    def __init__(
        self,
        base_url: str | None,
        event_base_url: str | None,
        signing_key: str | None,
        event_key: str | None,
        *,
        allow_insecure: bool,
    ) -> None:
        dev = os.environ.get("INNGEST_DEV", "")
        shared = [
            ("INNGEST_BASE_URL", os.environ.get("INNGEST_BASE_URL")),
            ("INNGEST_DEV", dev if "://" in dev else None),
            ("the default address", DEFAULT_BASE_URL),
        ]
        api = ("INNGEST_API_BASE_URL", os.environ.get("INNGEST_API_BASE_URL"))
        events = ("INNGEST_EVENT_API_BASE_URL", os.environ.get("INNGEST_EVENT_API_BASE_URL"))
        given, given_events = ("base_url", base_url), ("event_base_url", event_base_url)
        self.url_source, self.url = _first([given, api, *shared])
        self.event_url_source, self.event_url = _first([given_events, given, events, *shared])
        self.signing_keys = _signing_keys(signing_key)
        self.event_key = _event_key(event_key)
        for named in self.signing_keys:
            check_carriage(self.url, named.key, allow_insecure=allow_insecure)
        if self.event_key:
            check_carriage(self.event_url, self.event_key.key, allow_insecure=allow_insecure)
            _hide_in_logs()

    def __repr__(self) -> str:
        events = "" if self.event_url == self.url else f", event_base_url={self.event_url!r}"
        signing = "set" if self.signing_keys else "not set"
        event = "set" if self.event_key else "not set"
        return f"{self.url!r}{events}, signing_key={signing}, event_key={event}"

    @property
    def code(self) -> str | None:
        """Python that makes a client of the same settings; None where a key was an argument."""
        named = [each.source for each in (*self.signing_keys, self.event_key) if each]
        if "signing_key" in named or "event_key" in named:
            return None
        given = [repr(self.url)] if self.url_source == "base_url" else []
        if self.event_url_source == "event_base_url":
            given.append(f"event_base_url={self.event_url!r}")
        return f"inb.InngestAPI({', '.join(given)})"

    def url_of(self, *, events: bool) -> str:
        """Return the address of the API, or the one that takes events."""
        return self.event_url if events else self.url

    def ingest_path(self) -> str:
        """Return the path that takes events. It holds the key: not to be shown."""
        return f"/e/{self.event_key.key.in_path() if self.event_key else _ANY_EVENT_KEY}"

    def hidden(self, text: str) -> str:
        """Return what a server said without the keys."""
        for named in (*self.signing_keys, self.event_key):
            if named:
                text = named.key.hidden(text)
        return text


def _first(choices: list[tuple[str, str | None]]) -> tuple[str, str]:
    name, url = next((name, url) for name, url in choices if url)
    return name, checked_url(url.strip(), name, "signing_key or event_key")


def _signing_keys(given: str | None) -> tuple[NamedKey, ...]:
    """Return the key to send, and the one to try when that is rejected."""
    if given is not None:
        texts = [("signing_key", given)]
    else:
        names = ("INNGEST_SIGNING_KEY", "INNGEST_SIGNING_KEY_FALLBACK")
        texts = [(name, os.environ.get(name, "")) for name in names]
    return tuple(
        NamedKey(_key(text, "signing key", source), source, bool(_SIGNING_KEY.fullmatch(text)))
        for source, text in texts
        if text
    )


def _event_key(given: str | None) -> NamedKey | None:
    source = "INNGEST_EVENT_KEY" if given is None else "event_key"
    text = os.environ.get("INNGEST_EVENT_KEY", "") if given is None else given
    return (
        NamedKey(_key(text, "event key", source), source, not text.startswith("signkey-"))
        if text
        else None
    )


def _key(text: str, name: str, source: str) -> Key:
    try:
        return Key(text, name)
    except ValueError as error:
        raise ValueError(f"{source} cannot be used: {error}") from None


class _NoEventKeys(logging.Filter):
    """Takes event keys out of what httpx logs: they are part of the address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{match[1]}[event key]" if (match := _INGEST.fullmatch(str(each))) else each
                for each in record.args
            )
        return True


_filter = _NoEventKeys()


def _hide_in_logs() -> None:
    logging.getLogger("httpx").addFilter(_filter)  # the same one is added once only
