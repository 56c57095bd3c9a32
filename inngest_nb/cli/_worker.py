"""A worker: a process that takes over the workflows of a store that nobody runs."""

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
    """Work until a signal ends it, after one line that says where, and on which workflows."""
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
    """Import a module, which registers its workflows, and see that one function is among them."""
    module_name, _, name = given.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise ValueError(
            f"there is no module {module_name!r} here or among the packages"
        ) from error
    if not name:
        return
    fn = getattr(module, name, None)
    if fn is None:
        raise ValueError(f"module {module_name!r} has no {name!r}; name a workflow's function")
    if not is_registered(fn):
        workflow(fn)


def _open(store: str | None) -> WorkflowStore:
    if store is None or store.startswith(("http://", "https://")):
        return InngestStore(store)
    return SqliteStore(store)
