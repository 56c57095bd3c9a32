"""`serve_on_inngest`: the one call that serves workflows to an Inngest server."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from inngest_nb.engine.driven import Clock
from inngest_nb.store import WorkflowStore
from inngest_nb.worker._checks import check_functions, check_settings
from inngest_nb.worker._worker import InngestWorker

_APP_ID = "inngest-nb"
_RETRIES = 4

# The workers of this process, by app and instance, as far as that was given: one takes the place of
# the one before, as when a cell is run again.
_serving: dict[tuple[str, str | None], InngestWorker] = {}
_lock = threading.Lock()


def serve_on_inngest(
    functions: Iterable[Callable[..., Any]],
    *,
    app_id: str | None = None,
    store: WorkflowStore | None = None,
    via: str = "connect",
    url: str | None = None,
    signing_key: str | None = None,
    event_key: str | None = None,
    retries: int = _RETRIES,
    concurrency: int | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    instance_id: str | None = None,
    allow_insecure: bool = False,
    clock: Clock | None = None,
) -> InngestWorker:
    """Serve workflows to a real Inngest server, whose engine then runs them; returns the worker.

        worker = inb.serve_on_inngest([order])        # a dev server on this machine
        worker.start(order, input={"order": 42}).result()

    The functions are those that an `Executor` runs, and their results, errors and attempts are the
    same. Each becomes a function of the app `app_id` ("inngest-nb"), under its own name; an attempt
    of an activity is a step, a signal is an event. Two things are different. A canceled run's code
    is not called again, so calls to `ctx` in its `finally` blocks are not executed. And a run has
    at most 999 steps, 4 MB in one result and 32 MB in all: beyond that it fails, and its error says
    what to do.

    Served again in this process, as by running a cell again, an app has the new functions only: the
    former worker is closed first, unless both were given different `instance_id`s.

    `url`, `signing_key` and `event_key` default to the variables of Inngest's SDK, as for
    `InngestAPI`: `INNGEST_API_BASE_URL`, `INNGEST_BASE_URL` or a URL in `INNGEST_DEV`;
    `INNGEST_SIGNING_KEY`; `INNGEST_EVENT_KEY`.
    With `via="connect"` the worker connects to the server and opens no port; if its process dies,
    the server waits two minutes before another worker repeats the step. With `via="http"` the
    server connects to `host` and `port` (0 for a free one), which several processes can share, and
    repeats a lost step after its usual pause, about half a minute at first. `retries` is how often
    a step whose worker was lost is repeated; activities that fail are retried by their
    `RetryPolicy`. `concurrency` limits how many steps this worker runs at the same time. With a
    `store`, results and histories are saved there, too. `clock` is for tests.

    If the server is offline, the worker waits for it, says so in the log `inngest_nb.worker`, and
    serves as soon as it is back. Raises `InngestAuthError` if the server rejects the key,
    `NotInngestError` if something else answers there, `ServerStartError` if the port can't be
    opened, and `ImportError` without the extra `inngest`. Bad arguments are `ValueError`, functions
    that can't be workflows `TypeError`.
    """
    checked = check_functions(functions)
    settings = check_settings(
        _APP_ID if app_id is None else app_id,
        via,
        url,
        signing_key,
        event_key,
        f"{socket.gethostname()}-{os.getpid()}" if instance_id is None else instance_id,
        retries,
        concurrency,
        host,
        port,
        store,
        allow_insecure=allow_insecure,
    )
    _check_installed(settings.via)
    key = (settings.app_id, instance_id)
    with _lock:
        former = _serving.pop(key, None)
        if former is not None:
            former.close()
            settings = dataclasses.replace(settings, former_port=former.port)
        settings = dataclasses.replace(settings, clock=clock)
        worker = _serving[key] = InngestWorker(settings, checked)
    try:
        worker.begin()
    except BaseException:
        with _lock:
            if _serving.get(key) is worker:
                del _serving[key]
        raise
    return worker


def _check_installed(via: str) -> None:
    try:
        if via == "connect":
            import inngest.connect
        else:
            import inngest  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "serving on Inngest needs its official SDK: pip install 'inngest-nb[inngest]'"
        ) from error
