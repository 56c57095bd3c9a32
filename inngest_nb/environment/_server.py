"""Checks the servers that `InngestStore()` and `InngestAPI()` would use."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from inngest_nb.api import InngestAPI
from inngest_nb.environment._inngest import inngest
from inngest_nb.findings import Finding, Level
from inngest_nb.store.http import (
    OWN_VARIABLE,
    SDK_VARIABLES,
    ServerKind,
    identify,
    named_base_url,
    resolve_key,
)

_OWN_SERVER = (
    "start a state server, `inngest-nb serve --port 8290`, and set "
    f"{OWN_VARIABLE}=http://localhost:8290; in a notebook, inb.local() needs neither"
)
_CURES = {
    ServerKind.STATE_SERVER: "",
    ServerKind.CONTRACT_SERVER: "save, load and delete work there; refresh() and frame(store) need "
    "a server that can list, such as `inngest-nb serve`",
    ServerKind.KEY_REFUSED: "set INNGEST_EVENT_KEY to the key that the server was started with",
    ServerKind.OTHER: _OWN_SERVER,
    ServerKind.NOTHING: "start one there with `inngest-nb serve`; in a notebook, inb.local() "
    "starts its own",
}
_USABLE = (ServerKind.STATE_SERVER, ServerKind.CONTRACT_SERVER)


def servers(base_url: str | None, event_key: str | None, timeout: float) -> Iterator[Finding]:
    """Report which kind of server answers at the base URL, and what can be done with it.

    Without one, these are the state server that `InngestStore()` would use and the real Inngest
    server of `InngestAPI()`, which may be the same address. A problem needs action only if the
    address was chosen explicitly; at the default address it is just a note.
    """
    try:
        name, base = named_base_url(base_url)
    except ValueError as error:
        yield Finding(Level.TO_DO, "server", str(error))
        return
    event_key = yield from _checked_key(event_key)
    try:
        found = identify(base, event_key, timeout)
    except ValueError as error:
        cure = "use an https:// address, or unset INNGEST_EVENT_KEY"
        yield Finding(Level.TO_DO, "event key", str(error), cure)
        found = identify(base, "", timeout)
    words = f"{base} ({name}): {found.words}"
    if found.kind.is_inngest and name != OWN_VARIABLE:
        yield from inngest(base, words, found.kind, timeout)
        if base_url is None:
            said = "InngestStore() has no state server: its address is the Inngest server above"
            yield Finding(Level.NOTE, "state server", said, _OWN_SERVER)
        return
    yield _state_server(name, base, words, found.kind)
    if base_url is None:
        yield from _other_inngest(base, timeout)


def _checked_key(event_key: str | None) -> Generator[Finding, None, str | None]:
    """Report whether a key is set; return what to send: nothing instead of an invalid one."""
    try:
        key = resolve_key(event_key)
    except ValueError as error:
        yield Finding(Level.TO_DO, "event key", str(error), "set INNGEST_EVENT_KEY to a valid key")
        return ""
    given = " from INNGEST_EVENT_KEY" if key and event_key is None else ""
    yield Finding(Level.OK, "event key", f"{key!r}{given}")
    return event_key


def _state_server(name: str, base: str, words: str, kind: ServerKind) -> Finding:
    if kind.is_inngest:  # at our own variable
        said = f"{words}, which does not store workflow states"
        cure = f"unset {OWN_VARIABLE}, which is for a state server only, or {_OWN_SERVER}"
        return Finding(Level.TO_DO, "server", said, cure)
    if kind not in _USABLE:
        level = Level.NOTE if name == "default" else Level.TO_DO
        return Finding(level, "server", words, _CURES[kind])
    cure = _CURES[kind]
    if name in SDK_VARIABLES:
        instead = f"Inngest's own client reads {name}, too: set {OWN_VARIABLE}={base} instead"
        return Finding(Level.NOTE, "server", words, "; ".join(filter(None, [cure, instead])))
    level = Level.OK if kind is ServerKind.STATE_SERVER else Level.NOTE
    return Finding(level, "server", words, cure)


def _other_inngest(base: str, timeout: float) -> Iterator[Finding]:
    """Report on the server of `InngestAPI()`, if that is another one."""
    try:
        with InngestAPI() as api:
            url, source = api.base_url, api.base_url_source
    except ValueError as error:
        yield Finding(Level.TO_DO, "Inngest", str(error))
        return
    if url == base:
        return
    found = identify(url, "", timeout)
    words = f"{url} ({source}): {found.words}"
    if found.kind.is_inngest:
        yield from inngest(url, words, found.kind, timeout)
    elif source != "the default address":
        cure = f"start the Inngest server there, or correct {source}"
        yield Finding(Level.TO_DO, "Inngest", words, cure)
