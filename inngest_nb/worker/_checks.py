"""Checks of what is to be served: anything that could not run is refused before it is served."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from inngest_nb.api import checks
from inngest_nb.api.basics import SIGNING_FORM, Settings
from inngest_nb.engine.basics import arguments, check_function, name_of, takes_arguments
from inngest_nb.store import WorkflowStore, is_async
from inngest_nb.store.http import checked_url, is_loopback
from inngest_nb.worker._settings import Via, WorkerSettings

MOST_RETRIES = 20  # the server's limit

_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_AN_INPUT: dict[str, Any] = {}


def check_functions(functions: Iterable[Callable[..., Any]]) -> tuple[Callable[..., Any], ...]:
    """Return the workflow functions, each of which has a name of its own and takes an input."""
    if callable(functions) or not isinstance(functions, Iterable):
        what = name_of(functions) if callable(functions) else type(functions).__name__
        raise ValueError(f"functions must be a list of workflows, such as [order], got {what}")
    found: dict[str, Callable[..., Any]] = {}
    for fn in functions:
        check_function(fn, "a workflow")
        name = name_of(fn)
        if not name.isidentifier():
            raise ValueError(
                "functions must have names, because the server identifies them by name, "
                f"got {name}: define it with `def`"
            )
        if not takes_arguments(fn, 1):  # it must be callable with a context and an input, then
            arguments(fn, "workflow", None, given=_AN_INPUT)
        if name in found:
            raise ValueError(
                "functions must have different names, because the server identifies them by name, "
                f"got two called {name!r}"
            )
        found[name] = fn
    if not found:
        raise ValueError("functions must name at least one workflow, such as [order], got none")
    return tuple(found.values())


def check_app_id(app_id: str) -> str:
    """Return the id of an app, which is a part of addresses and of function ids."""
    if isinstance(app_id, str) and _APP_ID.fullmatch(app_id):
        return app_id
    raise ValueError(
        f"app_id must consist of letters, digits, '-', '_' and '.', such as 'shop', got {app_id!r}"
    )


def check_retries(retries: int) -> int:
    """Return how often the server repeats a request that a lost worker did not answer."""
    if retries == 0 and not isinstance(retries, bool):
        raise ValueError(
            "retries must be at least 1, such as 4: with 0 retries a lost worker fails its runs "
            "for good. They are for lost workers only; a RetryPolicy is for activities that fail"
        )
    return _check_count(retries, "retries", 1, MOST_RETRIES, 4)


def check_settings(
    app_id: str,
    via: str,
    url: str | None,
    signing_key: str | None,
    event_key: str | None,
    instance_id: str,
    retries: int,
    concurrency: int | None,
    host: str,
    port: int,
    store: WorkflowStore | None,
    *,
    allow_insecure: bool,
) -> WorkerSettings:
    """Check the other arguments of `serve_on_inngest`."""
    transport: Via = (
        "http" if checks.check_choice(via, "via", ("connect", "http")) == "http" else ("connect")
    )
    if concurrency is not None:
        _check_count(concurrency, "concurrency", 1, 100_000, 10)
    _check_count(port, "port", 0, 65_535, 8300)
    if port and transport == "connect":
        raise ValueError(f"port is for via='http': a worker that connects opens none, got {port}")
    if is_async(store) or (store is not None and not hasattr(store, "save")):
        raise TypeError(
            f"store must be a blocking store such as InngestStore(), got {type(store).__name__}"
        )
    if url is not None:
        url = checked_url(url.strip(), "url", "signing_key or event_key")
    server = Settings(url, None, signing_key, event_key, allow_insecure=allow_insecure)
    _check_keys(server)
    settings = WorkerSettings(
        app_id=check_app_id(app_id),
        via=transport,
        server=server,
        instance_id=checks.check_name(instance_id, "instance_id", "worker-1"),
        retries=check_retries(retries),
        concurrency=concurrency,
        host=checks.check_name(host, "host", "127.0.0.1"),
        port=port,
        store=store,
    )
    _check_host(settings)
    return settings


def _check_count(value: int, name: str, least: int, most: int, example: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ValueError(
        f"{name} must be a number from {least} to {most:,}, such as {example}, got {value!r}"
    )


def _check_keys(server: Settings) -> None:
    """Refuse what cannot be such a key, before the SDK meets it; never show it."""
    for named in server.signing_keys:
        if not named.looks_right:
            raise ValueError(
                f"{named.source} must contain a signing key of the form {SIGNING_FORM}; what it "
                "contains has another form"
            )
    if server.event_key is not None and not server.event_key.looks_right:
        raise ValueError(
            f"{server.event_key.source} must contain an event key, as in "
            "`inngest start --event-key`; it contains a signing key"
        )


def _check_host(settings: WorkerSettings) -> None:
    """Refuse to run steps for anyone on the network: only the signing key proves who asks."""
    is_open = settings.via == "http" and not is_loopback(settings.host)
    if is_open and not settings.server.signing_keys:
        raise ValueError(
            f"host {settings.host!r} would let other machines run these workflows; set "
            "INNGEST_SIGNING_KEY, use host='127.0.0.1', or via='connect', which opens no port"
        )
