"""Apps and functions, and the nearest known name when one is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from inngest_nb import words
from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._checks import check_name
from inngest_nb.api.basics._exchange import Operation, Query, Server
from inngest_nb.api.basics._values import App, Function, Trigger
from inngest_nb.errors import InngestNotFoundError, InngestStatusError

V2 = "/api/v2"
_PAGE = 40  # functions; the server gives no more at once
# Ids have no near ones; these calls tell which there are.
_FORGETS = "a dev server without --persist forgets them all when it stops"
_LISTED_BY = {
    "run": f"inb.search_runs(since=None) lists the runs it has; {_FORGETS}",
    "event": f"inb.search_events(since=None) lists the events it has; {_FORGETS}",
}


def apps(server: Server) -> Operation[list[App]]:
    """Read all apps."""
    found = yield from _pages(server, "apps", f"{V2}/apps", [])
    return [app_of(each) for each in found]


def functions(server: Server, app: str | None) -> Operation[list[Function]]:
    """Read the functions of an app, or of all. The server has none for an app it does not know."""
    if app is None:
        known = yield from apps(server)
        found: list[Function] = []
        for each in known:
            found += yield from _functions_of(server, each.app_id)
        return found
    return (yield from _of_app(server, "functions", check_name(app, "app", "shop")))


def _of_app(server: Server, operation: str, app: str) -> Operation[list[Function]]:
    """Read the functions of an app; raise `InngestNotFoundError` if there is no such app."""
    listed = yield from _functions_of(server, app)
    if not listed:
        yield from check_app(server, operation, app)
    return listed


def _functions_of(server: Server, app: str) -> Operation[list[Function]]:
    path = f"{V2}/apps/{quote(app, safe='')}/functions"
    listed = yield from _pages(server, "functions", path, [("limit", str(_PAGE))])
    return [function_of(each) for each in listed]


def function(server: Server, app: str, name: str) -> Operation[Function]:
    """Read one function."""
    try:
        said = yield from server.get("function", function_path(app, name))
    except InngestStatusError as error:
        raise (yield from unknown_function(server, error, app, name)) from error
    return function_of(_quirks.part(said, "data"))


def function_path(app: str, name: str) -> str:
    """Return the path of a function, by its short id."""
    check_name(app, "app", "shop")
    check_name(name, "function", "charge-card")
    return f"{V2}/apps/{quote(app, safe='')}/functions/{quote(name, safe='')}"


def check_app(server: Server, operation: str, app: str) -> Operation[None]:
    """Raise `InngestNotFoundError` for an app that the server does not know."""
    known = yield from apps(server)
    names = [each.app_id for each in known]
    if app not in names:
        raise unknown(server, operation, "app", app, names)


def unknown_function(
    server: Server, error: InngestStatusError, app: str, name: str
) -> Operation[Exception]:
    """Make the error for a function that is not there, or its app; else return the one given."""
    if error.status != 404:
        return error
    operation = error.operation or ""
    try:
        known = yield from _of_app(server, operation, app)
    except InngestNotFoundError as missing:
        return missing
    names = [each.function_id for each in known]
    return unknown(server, operation, "function", name, names, f" in app {words.short(app, 80)!r}")


def unknown(
    server: Server,
    operation: str,
    kind: str,
    name: str,
    known: Iterable[str] = (),
    where: str = "",
) -> InngestNotFoundError:
    """Make the error for a name that the server does not know, with the nearest known ones."""
    choices = [*known]
    near = difflib.get_close_matches(name, choices, n=3, cutoff=0.4)
    near += [each for each in sorted(choices) if each not in near][: 3 - len(near)]
    hint = _LISTED_BY.get(kind)
    if near:
        hint = f"known {kind}s: {', '.join(words.short(each, 60) for each in near)}"
    if len(choices) > len(near):
        hint = f"{hint}, and {len(choices) - len(near):,} more"
    return InngestNotFoundError(
        f"inngest {operation}: the server has no {kind} {words.short(name, 80)!r}{where}",
        kind=kind,
        name=name,
        known=near,
        status=404,
        code="not_found",
        operation=operation,
        target=server.settings.url,
        hint=hint,
    )


def _pages(
    server: Server, operation: str, path: str, query: Query
) -> Operation[list[Mapping[str, Any]]]:
    found: list[Mapping[str, Any]] = []
    cursor = ""
    while True:
        asked = [*query, ("cursor", cursor)] if cursor else query
        said = yield from server.get(operation, path, asked)
        found += _quirks.items(said)
        page = _quirks.part(said, "page")
        following = _quirks.text(page.get("cursor")) if page.get("hasMore") else ""
        if not following or following == cursor:
            return found
        cursor = following


def app_of(item: Mapping[str, Any]) -> App:
    """Make an app of an entry of v2's list."""
    sync = _quirks.part(item, "latestSync")
    sdk = " ".join(
        _quirks.text(sync.get(name)) for name in ("sdkLanguage", "sdkVersion") if sync.get(name)
    )
    return App(
        app_id=_quirks.text(item.get("id")),
        name=_quirks.text(item.get("name")),
        method=_quirks.text(item.get("method")),
        function_count=_quirks.whole_number(item.get("functionCount")) or 0,
        version=_quirks.text(item.get("appVersion")) or None,
        framework=_quirks.text(sync.get("framework")) or None,
        sdk=sdk or None,
        url=_quirks.text(sync.get("url")) or None,
        created_at=_quirks.time(item.get("createdAt")),
    )


def function_of(item: Mapping[str, Any]) -> Function:
    """Make a function of an entry of v2's list."""
    configuration = _quirks.part(item, "configuration")
    return Function(
        app=_quirks.text(_quirks.part(item, "app").get("id")),
        function_id=_quirks.text(item.get("id")),
        name=_quirks.text(item.get("name")),
        triggers=tuple(
            Trigger(
                _quirks.text(each.get("type")),
                _quirks.text(each.get("value")),
                _quirks.text(each.get("condition")) or None,
            )
            for each in _quirks.items(item, "triggers")
        ),
        retries=_quirks.whole_number(_quirks.part(configuration, "retries").get("value")),
        configuration=dict(configuration),
    )
