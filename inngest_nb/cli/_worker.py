"""A worker: a process that runs the workflows of a store that have no live owner."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import click

from inngest_nb.cli._signals import ended_by_signals
from inngest_nb.engine import Executor, workflow
from inngest_nb.engine.basics import is_registered, registered_names
from inngest_nb.store import InngestStore, SqliteStore, WorkflowStore


def run_worker(functions: tuple[str, ...], store: str | None, lease: float, workers: int) -> None:
    """Print the store and the workflows, then run them until a signal."""
    sys.path.insert(0, str(Path.cwd()))
    for function in functions:
        _register(function)
    ended = threading.Event()
    with (
        ended_by_signals(ended.set),
        _open(store) as opened,
        Executor(opened, supervise=True, lease=lease, workers=workers),
    ):
        names = ", ".join(registered_names())
        click.echo(f"Worker on {opened!r}, lease {lease:g} s, workflows: {names}")
        ended.wait()


def _register(given: str) -> None:
    """Import a module, which registers its workflows, and register the function if it has not."""
    module_name, _, name = given.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise ValueError(
            f"no module named {module_name!r} in this folder or among the installed packages"
        ) from error
    if not name:
        return
    fn = getattr(module, name, None)
    if fn is None:
        raise ValueError(f"module {module_name!r} has no function {name!r}")
    if not is_registered(fn):
        workflow(fn)


def _open(store: str | None) -> WorkflowStore:
    if store is None or store.startswith(("http://", "https://")):
        return InngestStore(store)
    return SqliteStore(store)
