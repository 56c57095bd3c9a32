"""The walkthroughs in JupyterLab, with a state server beside it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from inngest_nb.cli._signals import ended_by_signals
from inngest_nb.cli._walkthroughs import Outcome, copy_walkthroughs, walkthroughs
from inngest_nb.server import StateServer
from inngest_nb.store.http import OWN_VARIABLE, SDK_VARIABLES, identify, named_base_url

_STATES = Path(".inngest-nb") / "state.db"


def run_lab(folder: Path, port: int | None, path: Path | None, options: Sequence[str]) -> int:
    """Open the walkthroughs until a signal arrives or JupyterLab ends; return its exit status.

    Each walkthrough starts its own embedded server (`inb.local()`) on the folder's states. The
    server started here uses the same file, so `InngestStore()` sees the same workflows.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise click.ClickException(
            'JupyterLab is not installed in this Python; pip install "inngest-nb[lab]"'
        )
    from inngest_nb.cli._jupyter import JupyterLab

    folder = folder.absolute()
    _tell("Walkthroughs", str(folder))
    copies = copy_walkthroughs(walkthroughs(), folder)
    for name, outcome in copies.items():
        if outcome is not Outcome.UNCHANGED:
            _tell("", f"{name}: {outcome}")
    end = threading.Event()
    with (
        ended_by_signals(end.set),
        # In a thread of this process, so that it cannot outlive it.
        _server(folder, path) as environment,
        JupyterLab(folder, min(copies), port, options, environment) as jupyter,
    ):
        if (url := jupyter.wait_for_url(end)) is not None:
            _tell("JupyterLab", url)
            _tell("", "Press Ctrl-C to stop.")
        return jupyter.wait(end)


@contextlib.contextmanager
def _server(folder: Path, path: Path | None) -> Iterator[dict[str, str]]:
    """Run a server and yield the variables that name it, unless the user has chosen another."""
    name, base_url = named_base_url(None)
    if path is None and _is_chosen(name):
        _tell("State server", f"{base_url}, from {name}")
        yield {}
        return
    # The user's own key lets his other clients use this server, too.
    key = os.environ.get("INNGEST_EVENT_KEY") or secrets.token_urlsafe(32)
    with StateServer(path or folder / _STATES, port=0, event_key=key) as server:
        _tell("State server", f"{server.url}, for InngestStore() in notebooks")
        _tell("States", str(server.path))
        yield {OWN_VARIABLE: server.url, "INNGEST_EVENT_KEY": key}


def _is_chosen(name: str) -> bool:
    """Tell whether a variable names a state server; the SDK's may name a real Inngest instead."""
    return name == OWN_VARIABLE or (
        name in SDK_VARIABLES and not identify(event_key="").kind.is_inngest
    )


def _tell(subject: str, words: str) -> None:
    click.echo(f"{subject:<13} {words}")
