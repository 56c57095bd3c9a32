"""`df.wf`: the questions one asks of a frame of workflows, of activities or of events."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any, NamedTuple

import pandas as pd
from pandas.api.extensions import register_dataframe_accessor

from inngest_nb.frames import _columns as columns
from inngest_nb.frames._activity_frame import OUTCOME_WORDS
from inngest_nb.frames._charts import Charts
from inngest_nb.frames._error_groups import families
from inngest_nb.state import EventType


class _Kind(NamedTuple):
    """What the rows of a frame are told apart by, and which of its columns says when."""

    word: str
    known: tuple[str, ...]
    durations_by: str
    seen: str


_KINDS = (
    _Kind("outcome", OUTCOME_WORDS, "activity", "ended_at"),
    _Kind("status", columns.STATUS_WORDS, "status", "updated_at"),
    _Kind("type", tuple(str(word) for word in EventType if word), "type", "at"),
)
_FAILED = ("failed", str(EventType.ACTIVITY_FAILED), str(EventType.WORKFLOW_FAILED))


@register_dataframe_accessor("wf")
class WorkflowAccessor:
    """Answers about the rows of a `frame`, `activity_frame` or `history_frame`, as new frames."""

    def __init__(self, rows: pd.DataFrame) -> None:
        here = {"run_id", "duration"} <= set(rows.columns)
        kind = next((kind for kind in _KINDS if here and kind.word in rows.columns), None)
        if kind is None:
            raise AttributeError(
                "df.wf works on frame(), activity_frame() and history_frame(); it needs the "
                "columns run_id, duration, and one of status, outcome, type"
            )
        self._rows = rows
        self._kind = kind

    def __repr__(self) -> str:
        return "df.wf: summary(), running(longer_than=...), failed(), durations(), plot"

    @property
    def plot(self) -> Charts:
        """The charts of these rows: `plot.status()`, `plot.durations()`, `plot.activity()`."""
        return Charts(self._rows)

    def summary(self) -> pd.DataFrame:
        """Return how many rows there are of each status, and how long they took.

        Outcomes stand in for it in an `activity_frame`, types in a `history_frame`. Known words
        are there with a zero; rows that have none are counted last.
        """
        groups = self._rows["duration"].groupby(self._words(), observed=False, dropna=False)
        counts = groups.size()
        return self._answer(
            {
                "count": counts.astype("Int64"),
                "share": counts / max(len(self._rows), 1),
                "p50": groups.quantile(0.5),
                "p90": groups.quantile(0.9),
                "max": groups.max(),
            }
        )

    def running(self, longer_than: timedelta | str | float | None = None) -> pd.DataFrame:
        """Return the rows that are still running, the longest first.

        `longer_than` is a timedelta, seconds, or text such as "2h"; rows whose start nobody
        knows are left out then.
        """
        if self._kind.word == "type":
            raise AttributeError("events do not run: ask frame() or activity_frame() for running()")
        rows = self._rows[self._rows[self._kind.word] == "running"]
        if longer_than is not None:
            rows = rows[rows["duration"] > _timedelta(longer_than)]
        return rows.sort_values("duration", ascending=False, kind="stable")

    def failed(self) -> pd.DataFrame:
        """Return the families of errors, the most frequent first.

        Errors that differ only in numbers, ids and quoted values are one family, with `…` where
        they differ. `share` is of all failures, `example` the workflow that failed last.
        """
        kind, rows = self._kind, self._rows
        self._need("error", kind.seen)
        rows = rows[rows[kind.word].isin(_FAILED)].sort_values(kind.seen, kind="stable")
        example = "workflow_id" if "workflow_id" in rows else "run_id"
        family = rows["error"].map(families(rows["error"].dropna())).astype("str")
        groups = rows.groupby(family, sort=False, dropna=False)
        counts = groups.size()
        answer = self._answer(
            {
                "error": counts.index.to_series(),
                "count": counts.astype("Int64"),
                "share": counts / max(len(rows), 1),
                "first_seen": groups[kind.seen].min(),
                "last_seen": groups[kind.seen].max(),
                "example": groups[example].last(),
            }
        )
        return answer.sort_values(
            ["count", "last_seen"], ascending=False, kind="stable", ignore_index=True
        )

    def durations(self) -> pd.DataFrame:
        """Return percentiles of durations by status, or by activity in an `activity_frame`.

        `count` is of rows with a duration. Activities that still run are left out.
        """
        kind, rows = self._kind, self._rows
        self._need(kind.durations_by)
        by = self._words() if kind.durations_by == kind.word else rows[kind.durations_by]
        known = rows["duration"].notna()
        if kind.word == "outcome":
            known &= rows["outcome"] != "running"
        groups = rows["duration"][known].groupby(by[known], observed=False, dropna=False)
        return self._answer(
            {
                "count": groups.size().astype("Int64"),
                "min": groups.min(),
                "p50": groups.quantile(0.5),
                "p90": groups.quantile(0.9),
                "p95": groups.quantile(0.95),
                "p99": groups.quantile(0.99),
                "max": groups.max(),
            }
        )

    def _words(self) -> pd.Series[Any]:
        """Give the column of words as a categorical, whatever was made of it since."""
        return columns.as_words(self._rows[self._kind.word], self._kind.known)

    def _need(self, *names: str) -> None:
        if missing := [name for name in names if name not in self._rows.columns]:
            raise AttributeError(f"this needs the columns that were left out: {', '.join(missing)}")

    def _answer(self, series: dict[str, pd.Series[Any]]) -> pd.DataFrame:
        answer = pd.DataFrame(series)
        answer.attrs.update(deepcopy(self._rows.attrs))
        return answer


def _timedelta(given: timedelta | str | float) -> timedelta:
    """Read a duration; a bare number means seconds."""
    if isinstance(given, timedelta):
        return given
    try:
        try:
            return timedelta(seconds=float(given))
        except ValueError:
            span: Any = pd.Timedelta(given)
            return timedelta(seconds=span.total_seconds())  # refuses "", which is NaT
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"longer_than is seconds, a timedelta or text such as '2h', got {given!r}"
        ) from error
