"""The tables that a query of a store can read: those of the frames, and payloads as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import pandas as pd

from inngest_nb.frames._frames import frame
from inngest_nb.frames._histories import activity_frame, history_frame
from inngest_nb.frames.sql._tables import WORD
from inngest_nb.history import activities_of, event_texts, state_texts
from inngest_nb.state import WorkflowState

Texts = list[str | None]


class Table(NamedTuple):
    """Where the rows of a table come from, and the payloads beside them.

    `payloads` maps each column to the field of a state, or of an event, that it shows; `texts`
    gives those of some fields for a workflow's rows, in the order of the frame.
    """

    frame: Callable[..., pd.DataFrame]
    payloads: Mapping[str, str]
    texts: Callable[[WorkflowState, Sequence[str]], Iterable[Texts]]


def _of_state(state: WorkflowState, fields: Sequence[str]) -> list[Texts]:
    return [state_texts(state, fields)]


def _of_activities(state: WorkflowState, fields: Sequence[str]) -> Iterable[Texts]:
    """Give an activity's input from the event that began it, its result from its last end."""
    events = event_texts(state, fields)
    for activity in activities_of(state.history):
        began = None if activity.input is None else activity.first
        places = {"input": began, "result": activity.last}
        yield [
            None if (place := places[field]) is None else events[place][at]
            for at, field in enumerate(fields)
        ]


_BOTH = {"input": "input", "result": "result"}
TABLES = {
    "workflows": Table(frame, _BOTH, _of_state),
    "activities": Table(activity_frame, _BOTH, _of_activities),
    "events": Table(history_frame, _BOTH | {"payload": "signal_payload"}, event_texts),
}


@cache
def columns() -> dict[str, dict[str, str]]:
    """Return the columns of each table with their types: those of its frame, then its payloads."""
    return {
        name: {str(column): _type_of(str(column), dtype) for column, dtype in _dtypes(table)}
        | dict.fromkeys(table.payloads, "JSON")
        for name, table in TABLES.items()
    }


def _dtypes(table: Table) -> Iterable[tuple[Any, Any]]:
    return table.frame([]).dtypes.items()


def _type_of(column: str, dtype: Any) -> str:
    if isinstance(dtype, pd.CategoricalDtype) or column == "type":
        return WORD
    return {"M": "TIMESTAMPTZ", "m": "INTERVAL", "i": "BIGINT"}.get(dtype.kind, "VARCHAR")
