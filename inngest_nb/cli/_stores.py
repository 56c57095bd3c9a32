"""How a store is named on the command line: a URL, a file, or a real Inngest server."""

from __future__ import annotations

from pathlib import Path

import click

from inngest_nb.store import InngestStore, SqliteStore, WorkflowStore


def open_store(place: str | None) -> WorkflowStore:
    """Open the store at a URL or in a file; None is the server of the environment."""
    if place is None or place.startswith(("http://", "https://")):
        return InngestStore(place)
    return SqliteStore(place)


def open_source(place: str) -> WorkflowStore:
    """Open a store to read from: also a bundle, or `inngest`; a missing file is not created."""
    if place == "inngest":
        from inngest_nb.api import RunStore

        return RunStore()
    from inngest_nb.bundles import is_bundle, open_bundle

    if is_bundle(Path(place)):
        return open_bundle(place)
    if not place.startswith(("http://", "https://")) and not Path(place).exists():
        raise click.ClickException(f"there is no file {place}")
    return open_store(place)
