"""Many small answers in one request: GraphQL takes the same question several times, under aliases.

REST tells the name of an event only together with all of its data, and when a run was first
executed only run by run. The questions are the same for each request of a size, as the server keeps
the ones that it has understood; the ids go along as variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._checks import check_ulid
from inngest_nb.api.basics._exchange import Operation, Server
from inngest_nb.api.calls import _graphql


class _Question(NamedTuple):
    operation: str
    argument: str  # what holds the ids
    kind: str  # of the variable
    asked: str
    most: int  # in a request


# The server looks up all events of a request together, but runs one by one.
_NAMES = _Question("event_names", "event_ids", "ULID!", "eventV2(id:$%s){name}", 400)
_STARTS = _Question("first_executions", "run_ids", "String!", "run(runID:$%s){startedAt}", 200)


def event_names(server: Server, event_ids: Iterable[str]) -> Operation[dict[str, str]]:
    """Read the names of events. Those of which GraphQL tells nothing are left out.

    Where it does not know one of them, it tells nothing of the others of that request.
    """
    told = yield from _told(server, _NAMES, event_ids)
    return {key: name for key, each in told.items() if (name := _quirks.text(each.get("name")))}


def first_executions(
    server: Server, run_ids: Iterable[str]
) -> Operation[dict[str, datetime | None]]:
    """Read when runs were first executed, None for one that never was.

    Those of which GraphQL tells nothing are left out.
    """
    told = yield from _told(server, _STARTS, run_ids)
    return {key: _quirks.time(each.get("startedAt")) for key, each in told.items()}


def _told(
    server: Server, question: _Question, ids: Iterable[str]
) -> Operation[dict[str, Mapping[str, Any]]]:
    """Return what is told of each id."""
    wanted = [check_ulid(key, question.argument) for key in dict.fromkeys(ids)]
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(wanted), question.most):
        if server.without_graphql:
            return found
        some = {f"n{place}": key for place, key in enumerate(wanted[start : start + question.most])}
        told = yield from _graphql.ask(server, question.operation, _text(question, some), **some)
        if told.because == _graphql.OFF:
            server.without_graphql = True  # for as long as the client: each search would ask again
        found.update(_answered(some, told.data))
    return found


def _text(question: _Question, names: Iterable[str]) -> str:
    names = [*names]
    given = ",".join(f"${name}:{question.kind}" for name in names)
    return f"query({given}){{{' '.join(f'{name}:{question.asked % name}' for name in names)}}}"


def _answered(
    some: Mapping[str, str], data: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, key in some.items():
        if isinstance(each := data.get(name), Mapping):
            yield key, each
