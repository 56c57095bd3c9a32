"""The state server as a process of its own."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import click

from inngest_nb.cli._signals import ended_by_signals
from inngest_nb.server import StateServer


def run_server(path: Path, host: str, port: int, event_key: str | None) -> None:
    """Print the address, the file and whether there is a key, then serve until a signal."""
    key = os.environ.get("INNGEST_EVENT_KEY") if event_key is None else event_key
    server = StateServer(path, host, port, key or None)

    ended = threading.Event()

    def end() -> None:
        ended.set()
        server.stop_soon()

    def tell() -> None:
        keyed = "set" if key else "not set"
        click.echo(f"State server at {server.url}, states in {server.path}, event key {keyed}")
        if ended.is_set():  # before there was anything to stop
            server.stop_soon()

    with ended_by_signals(end):
        server.run(tell)
