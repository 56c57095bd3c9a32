"""A worker: a process that runs a store's workflows, or those of a real Inngest server."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from inngest_nb.cli._signals import ended_by_signals
from inngest_nb.engine import Executor, workflow
from inngest_nb.engine.basics import is_registered, registered, registered_names
from inngest_nb.store import InngestStore, SqliteStore, WorkflowStore
from inngest_nb.worker import serve_on_inngest

_LOOK_SECONDS = 0.2  # between looks whether a worker serves by now


def run_worker(functions: tuple[str, ...], store: str | None, lease: float, workers: int) -> None:
    """Print the store and the workflows, then run them until a signal."""
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


def run_on_inngest(functions: tuple[str, ...], options: dict[str, Any]) -> None:
    """Serve workflows to a real Inngest server until a signal.

    Prints what is served, and where; once more when the server has it, if that takes longer.
    """
    found = [_register(function) for function in functions]
    if None in found:  # a module, for all that it registers
        every = [registered.find(name) for name in registered_names()]
        found += [fn for fn in every if fn is not None and fn not in found]
    served = [fn for fn in found if fn is not None]
    ended = threading.Event()
    with ended_by_signals(ended.set):
        try:
            worker = serve_on_inngest(served, **options)
        except (ImportError, TypeError) as error:  # said as it is to people, too
            raise click.ClickException(str(error)) from error
        click.echo(f"Worker on {worker!r}")
        comes_later = worker.state != "active"
        while worker.state in ("connecting", "away") and not ended.wait(_LOOK_SECONDS):
            pass
        if comes_later and not ended.is_set():
            click.echo(f"Worker on {worker!r}")
        ended.wait()
        if worker.close():
            # A thread cannot be interrupted, and Python waits for some kinds of them.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


def _register(given: str) -> Callable[..., Any] | None:
    """Import a module, which registers its workflows, and register the function if it has not.

    Returns the function, or None for a whole module.
    """
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)
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
        return None
    fn = getattr(module, name, None)
    if fn is None:
        raise ValueError(f"module {module_name!r} has no function {name!r}")
    if not is_registered(fn):
        try:
            workflow(fn)
        except TypeError as error:
            raise ValueError(str(error)) from error
    function: Callable[..., Any] = fn
    return function


def _open(store: str | None) -> WorkflowStore:
    if store is None or store.startswith(("http://", "https://")):
        return InngestStore(store)
    return SqliteStore(store)
