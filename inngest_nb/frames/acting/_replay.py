"""Sending events once more, or invoking a function with their data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from inngest_nb.api import Event, InngestAPI, checks
from inngest_nb.errors import InngestNotFoundError
from inngest_nb.frames.acting import _sending as sending
from inngest_nb.frames.acting._plan import Plan
from inngest_nb.frames.acting._rows import DONE, Row, Source, each, held
from inngest_nb.frames.acting._work import Work
from inngest_nb.words import short

_TOGETHER = 100  # events in one request: few enough for a bar that moves


def replay_events(
    events: str | Event | pd.DataFrame | Iterable[str | Event],
    api: InngestAPI | None = None,
    *,
    to: str | None = None,
    again: bool = False,
) -> Plan:
    """Return a plan to send events of a real Inngest server again. Nothing is done until it runs.

        plan = inb.replay_events(inb.search_events(name="shop/order.placed", since="2h"))
        plan                        # what it would do; plan.frame has each event
        plan.run()                  # does it; plan.results has the new ids

    `events` is a frame with a column `event_id`, such as `search_events` and `search_runs` return,
    an event's id, or several. For a batch in a frame of runs, all its events are taken. Without
    `to`, each is sent as a new event with the same data, which starts every function that it
    triggers, and also reaches runs that wait for it or are canceled by it. With `to="app/function"`
    only that function is invoked, with the data of each; this works for Inngest's own events too.

    The new events and invocations have ids that are derived from the events, so that a second plan
    of the same events starts nothing twice within a day. With `again=True` the ids are the plan's
    own: only its own second `run` starts nothing twice.

    Raises `ValueError` for an argument that makes no sense, `InngestNotFoundError` for an unknown
    function in `to`, and `InngestError` if the server cannot be read.
    """
    wanted = _wanted(events)
    target = None if to is None else _target(to)
    server = held(api)
    keys = sending.Keys(again=again)
    if target is not None:
        server.function(*target)
    rows = each("Looking at events", "events", wanted, partial(_read, server))
    found = [row for part in rows for row in part]
    unique = list({row.key: row for row in found}.values())
    if target is not None:
        return Plan(server, _Invoke(target, keys), [_to_invoke(row, target) for row in unique])
    functions = server.functions() if any(row.sources for row in unique) else []
    for row in unique:
        _plan_to_send(row)
        row.starts = sending.started_by(row.name, functions) if row.action else ""
    return Plan(server, _Send(keys), unique)


def _wanted(events: Any) -> list[tuple[str, bool]]:
    """Return the ids that are given, each once: of events, and of runs that are batches."""
    if isinstance(events, pd.DataFrame):
        given = _in_frame(events)
    elif isinstance(events, str | Event):
        given = [(_id(events), False)]
    elif isinstance(events, Iterable):
        given = [(_id(event), False) for event in events]
    else:
        raise ValueError(
            "events must be an event's id, several, or a frame with a column event_id, "
            f"got {type(events).__name__}"
        )
    return list(dict.fromkeys((checks.check_ulid(key, "events"), batch) for key, batch in given))


def _in_frame(events: pd.DataFrame) -> list[tuple[Any, bool]]:
    if "event_id" not in events.columns:
        raise ValueError("events must have a column event_id, as the frame of search_events() has")
    if not {"run_id", "is_batch"} <= {*events.columns}:
        return [(key, False) for key in events["event_id"].dropna()]
    rows = events[["event_id", "run_id", "is_batch"]].dropna().itertuples(index=False)
    return [(run, True) if batch else (key, False) for key, run, batch in rows]


def _id(event: Any) -> Any:
    return event.event_id if isinstance(event, Event) else event


def _target(to: str) -> tuple[str, str]:
    app, slash, function = to.partition("/") if isinstance(to, str) else ("", "", "")
    if not (app and slash and function):
        raise ValueError(
            "to must be the app and the short id of a function, such as 'shop/charge-card', "
            f"got {short(to, 60) if isinstance(to, str) else type(to).__name__!r}"
        )
    return app, function


def _read(api: InngestAPI, wanted: tuple[str, bool]) -> list[Row]:
    """Read an event, or all events of a batch."""
    key, is_batch = wanted
    try:
        if not is_batch:
            return [Row(key, sources=(Source.of(api.event(key)),))]
        sources = sending.of_batch(api, api.run(key, output=False))
    except InngestNotFoundError:
        return [Row(key, left_out="the server shows no such event")]
    if not sources:
        return [Row(key, left_out="a batch whose events the server does not show")]
    return [Row(source.key, sources=(source,)) for source in sources]


def _plan_to_send(row: Row) -> None:
    if row.left_out:
        return
    if checks.is_internal(row.name):
        row.left_out = "Inngest's own event, which only to= can replay"
    else:
        row.action = "send again"


def _to_invoke(row: Row, target: tuple[str, str]) -> Row:
    if not row.left_out:
        row.action = f"invoke {short('/'.join(target))}"
    return row


class _Send(Work):
    verb, doing = "replay", "Sending events again"
    noun, plural = "event", "events"
    repeats = True

    def __init__(self, keys: sending.Keys) -> None:
        self._keys = keys

    def groups(self, rows: Sequence[Row]) -> list[list[Row]]:
        starts = range(0, len(rows), _TOGETHER)
        return [list(rows[start : start + _TOGETHER]) for start in starts]

    def do(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        sending.send(api, rows, self._keys)

    def look(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        sending.look(api, rows, self._keys)


class _Invoke(Work):
    verb, doing = "replay", "Invoking the function"
    noun, plural = "event", "events"
    repeats = True

    def __init__(self, target: tuple[str, str], keys: sending.Keys) -> None:
        self._target, self._keys = target, keys

    def do(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        for row in rows:
            (source,) = row.sources
            # What Inngest adds to the data of an invocation is that one's own.
            data = {name: value for name, value in source.data.items() if name != "_inngest"}
            key = self._keys.of(source, "/".join(self._target))
            row.new_run_id = api.invoke(*self._target, data, idempotency_key=key)
            row.settle(DONE)

    def look(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        """Leave them unknown: invoking again with the same key tells, and starts nothing twice."""
