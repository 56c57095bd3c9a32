"""`compare`: two runs, activity by activity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import pandas as pd

from inngest_nb.frames import columns, moment_for, state_of
from inngest_nb.history import Step
from inngest_nb.notebook.compare._comparison import Sides, change_of_time, sides_of, summary
from inngest_nb.notebook.compare._comparison_lines import Line, lines_of, plain_lines
from inngest_nb.notebook.page import bundle, output
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore

__all__ = ["Comparison", "compare"]

# Beyond the outcomes of activities: those of signals and timers.
_OUTCOMES = (*columns.OUTCOME_WORDS, "received", "fired")
_FOUND_IN = ("both", "a", "b")


def compare(
    a: Any,
    b: Any,
    *,
    store: WorkflowStore | None = None,
    now: datetime | None = None,
) -> Comparison:
    """Return two runs side by side: where they first differ, and how each step differs.

    Each is a state, a handle, or an id in `store` (None: the store of `inb.use`). Steps are paired
    by the call of the code where both histories have it, else by name and order, so a step that
    only one run has shifts no other. What still runs lasts until `now` (None: the present,
    or for a bundle its export). `frame` has all of it as rows.
    """
    now = moment_for(a, store, now)
    states = state_of(a, store, "compare"), state_of(b, store, "compare")
    return Comparison(sides_of(*states, now), now)


class Comparison:
    """Two runs side by side: HTML in a notebook, text elsewhere; `compare` makes one."""

    def __init__(self, sides: Sides, now: datetime) -> None:
        self._sides = sides
        self._now = now

    @property
    def a(self) -> WorkflowState:
        """The one run."""
        return self._sides.a

    @property
    def b(self) -> WorkflowState:
        """The other run."""
        return self._sides.b

    @property
    def differs(self) -> bool:
        """Whether anything but durations differs."""
        return any(pair.differs for pair in [self._sides.whole, *self._sides.pairs])

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for the runs as a whole, then one for each activity, signal and timer.

        `differs` names what differs, durations apart, and is missing where nothing does. A step's
        `event_id` is that of its last event. `result` of a signal is its payload.
        """
        pairs = [self._sides.whole, *self._sides.pairs]
        sides = {"a": [pair.a for pair in pairs], "b": [pair.b for pair in pairs]}
        found_in = [
            "both" if pair.a and pair.b else "a" if pair.a is not None else "b" for pair in pairs
        ]
        series: dict[str, Any] = {
            "kind": columns.text(pair.step.kind for pair in pairs),
            "name": columns.text(pair.step.name for pair in pairs),
            "found_in": columns.words(found_in, _FOUND_IN),
            "differs": columns.text(", ".join(pair.differs) for pair in pairs),
            "duration_change": _durations([change_of_time(pair) for pair in pairs]),
        }
        for column, make in _COLUMNS.items():
            series |= {f"{column}_{side}": make(steps) for side, steps in sides.items()}
        frame = pd.DataFrame(series)
        frame.attrs.update(
            source=None, fetched_at=self._now.isoformat(), filter=None, truncated=False
        )
        return frame

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        headline, words = summary(self._sides)
        html = output(
            "compare",
            sides=self._sides,
            kind="note" if self.differs else "done",
            headline=headline,
            lines=words,
            rows=self._lines,
        )
        return bundle(html, repr(self))

    def __repr__(self) -> str:
        return plain_lines(self._sides, self._lines)

    @cached_property
    def _lines(self) -> list[Line]:
        return lines_of(self._sides)


_Steps = Sequence[Step | None]
_T = TypeVar("_T")


def _each(steps: _Steps, get: Callable[[Step], _T]) -> list[_T | None]:
    return [None if step is None else get(step) for step in steps]


def _durations(given: Sequence[timedelta | None]) -> Any:
    return columns.durations(columns.span_counts(given))


# What the steps of a run give to the frame; each is a column for either run.
_COLUMNS: dict[str, Callable[[_Steps], Any]] = {
    "outcome": lambda steps: columns.words(_each(steps, lambda step: step.outcome), _OUTCOMES),
    "attempt_count": lambda steps: columns.counts(_each(steps, lambda step: len(step.attempts))),
    "duration": lambda steps: _durations(_each(steps, lambda step: step.took)),
    "error": lambda steps: columns.text(_each(steps, lambda step: step.error)),
    "input": lambda steps: columns.payloads(_each(steps, lambda step: step.input.value)),
    "result": lambda steps: columns.payloads(_each(steps, lambda step: step.result.value)),
    "event_id": lambda steps: columns.counts(_each(steps, lambda step: step.last)),
}
