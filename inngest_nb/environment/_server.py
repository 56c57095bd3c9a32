"""Checks the server that `InngestStore()` would use."""

from __future__ import annotations

from collections.abc import Iterator

from inngest_nb.findings import Finding, Level
from inngest_nb.store.http import ServerKind, identify, named_base_url, resolve_key

_OWN_SERVER = (
    "start a state server, `inngest-nb serve --port 8290`, and set "
    "INNGEST_BASE_URL=http://localhost:8290; in a notebook, inb.local() needs neither"
)
_CURES = {
    ServerKind.STATE_SERVER: "",
    ServerKind.CONTRACT_SERVER: "save, load and delete work there; refresh() and frame(store) need "
    "a server that can list, such as `inngest-nb serve`",
    ServerKind.KEY_REFUSED: "set INNGEST_EVENT_KEY to the key that the server was started with",
    ServerKind.INNGEST_DEV: _OWN_SERVER,
    ServerKind.INNGEST_SELF_HOSTED: _OWN_SERVER,
    ServerKind.INNGEST_DASHBOARD: _OWN_SERVER,
    ServerKind.OTHER: _OWN_SERVER,
    ServerKind.NOTHING: "start one there with `inngest-nb serve`; in a notebook, inb.local() "
    "starts its own",
}
_USABLE = (ServerKind.STATE_SERVER, ServerKind.CONTRACT_SERVER)
_STATELESS = (ServerKind.INNGEST_DEV, ServerKind.INNGEST_SELF_HOSTED)


def server(base_url: str | None, event_key: str | None, timeout: float) -> Iterator[Finding]:
    """Report whether a key is set, and which kind of server answers at the base URL.

    A problem needs action only if the address was chosen explicitly; at the default address it is
    just a note.
    """
    try:
        name, base = named_base_url(base_url)
    except ValueError as error:
        yield Finding(Level.TO_DO, "server", str(error))
        return
    try:
        key = resolve_key(event_key)
    except ValueError as error:
        yield Finding(Level.TO_DO, "event key", str(error), "set INNGEST_EVENT_KEY to a valid key")
        event_key = ""
    else:
        given = " by INNGEST_EVENT_KEY" if key and event_key is None else ""
        yield Finding(Level.OK, "event key", f"{key!r}{given}")
    try:
        found = identify(base, event_key, timeout)
    except ValueError as error:
        cure = "use an https:// address, or unset INNGEST_EVENT_KEY"
        yield Finding(Level.TO_DO, "event key", str(error), cure)
        found = identify(base, "", timeout)
    words = f"{base} ({name}): {found.words}"
    if found.kind in _STATELESS:
        words += ", which does not store workflow states"
    level = Level.OK if found.kind is ServerKind.STATE_SERVER else Level.NOTE
    if found.kind not in _USABLE and name != "default":
        level = Level.TO_DO
    yield Finding(level, "server", words, _CURES[found.kind])
