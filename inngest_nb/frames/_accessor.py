"""`df.wf`: the questions one asks of a frame of workflows, of activities or of events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from inngest_nb import words
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics import _readable as readable
from inngest_nb.frames.charts._charts import Charts
from inngest_nb.state import EventType

_FAILED = ("failed", str(EventType.ACTIVITY_FAILED), str(EventType.WORKFLOW_FAILED))
# In errors: what may vary, and the signs that join two such parts to one.
_DIFFERS = "…"
_ATOM = re.compile(r"""(?<!\w)(?:'[^'\n]*'|"[^"\n]*"|`[^`\n]*`)(?!\w)|[\w-]+""")
_QUOTES = frozenset("'\"`")
_JOINTS = frozenset(".:,/@+")


class WorkflowAccessor:
    """Answers about the rows of a frame: workflows, activities, events, runs or steps.

    As the last line of a cell it is a readable table of the first rows. Each answer is a DataFrame
    of its own. The frame needs a column status, outcome or type; each method says what else it
    lacks with an `AttributeError`.

        df.wf                            # the readable table
        df.wf.running(longer_than="6h")
        df.wf.errors()
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        kind = columns.kind_of(rows.columns)
        if kind is None:
            raise AttributeError(
                "df.wf works on frame(), activity_frame(), history_frame(), search_runs() and "
                "trace_frame(); it needs one of the columns status, outcome, type"
            )
        self._rows = rows
        self._kind = kind

    def __repr__(self) -> str:
        return (
            f"{readable.text(self._rows, self._kind)}\n"
            "df.wf: summary(), running(longer_than=...), failed(), errors(), durations(), plot"
        )

    def _repr_html_(self) -> str:
        return readable.html(self._rows, self._kind)

    @property
    def plot(self) -> Charts:
        """The charts of these rows: `plot.status()`, `plot.durations()`, `plot.activity()`."""
        return Charts(self._rows)

    def summary(self) -> pd.DataFrame:
        """Return how many rows each status has, their share, and how long they took.

        The index has the statuses, known ones with a zero too and what has none last; outcomes in
        an `activity_frame`, types in a `history_frame`. `p50`, `p90` and `max` are timedeltas.
        """
        groups = self._spans().groupby(self._words(), observed=False, dropna=False)
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

    def running(
        self, longer_than: timedelta | np.timedelta64 | str | float | None = None
    ) -> pd.DataFrame:
        """Return the rows that are still running, the longest first.

        `longer_than` is a timedelta, seconds, or text such as "2h". It leaves out rows whose start
        nobody knows. Raises `ValueError` for what is no duration.
        """
        if self._kind.word == "type":
            raise AttributeError("running() needs frame() or activity_frame()")
        spans = self._spans()
        chosen = self._rows[self._kind.word] == "running"
        if longer_than is not None:
            chosen &= spans > _timedelta(longer_than)
        longest = spans[chosen].reset_index(drop=True).sort_values(ascending=False, kind="stable")
        return self._rows[chosen].iloc[longest.index]

    def failed(self) -> pd.DataFrame:
        """Return the rows that failed, the last failure first: workflows, activities or events."""
        kind = self._kind
        self._need(kind.seen)
        rows = self._rows[self._rows[kind.word].isin(_FAILED)]
        return rows.sort_values(kind.seen, ascending=False, kind="stable")

    def errors(self) -> pd.DataFrame:
        """Return one row per group of errors among the rows that failed, the largest group first.

        Errors that differ only in numbers, ids and quoted values are one group; `error` has `…`
        where they differ, and escapes for what cannot be seen. `count` and `share` are of all
        failures, `first_seen` and `last_seen` times, `example` is the id of the workflow that
        failed last.
        """
        kind, failed = self._kind, self.failed()
        self._need("error")
        rows = failed[::-1]
        ids = self._ids(rows)
        group_of = _error_groups(rows["error"].dropna())
        group = rows["error"].map(group_of).astype("str")
        groups = rows.assign(example=ids).groupby(group.to_numpy(), sort=False, dropna=False)
        counts = groups.size()
        answer = self._answer(
            {
                "error": pd.Series(counts.index, counts.index, dtype="str").map(
                    lambda text: words.visible(text, keep="\n\t"), na_action="ignore"
                ),
                "count": counts.astype("Int64"),
                "share": counts / max(len(rows), 1),
                "first_seen": groups[kind.seen].min(),
                "last_seen": groups[kind.seen].max(),
                "example": groups["example"].last(),
            }
        )
        return answer.sort_values(
            ["count", "last_seen"], ascending=False, kind="stable", ignore_index=True
        )

    def durations(self) -> pd.DataFrame:
        """Return how long rows took: `count`, `min`, `max` and percentiles, as timedeltas.

        The index has statuses, or activities in an `activity_frame`, where only those that ended
        count. Rows without a duration are left out.
        """
        kind, rows = self._kind, self._rows
        self._need(kind.durations_by)
        spans = self._spans()
        by = self._words() if kind.durations_by == kind.word else rows[kind.durations_by]
        known = spans.notna()
        if kind.word == "outcome":
            known &= columns.has_ended(rows["outcome"])
        groups = spans[known].groupby(by[known], observed=False, dropna=False)
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
        """Return the column of words as a categorical, whatever was made of it since."""
        return columns.as_words(self._rows[self._kind.word], self._kind.known)

    def _spans(self) -> pd.Series[Any]:
        """Return the durations as timedeltas, whatever was made of them since."""
        self._need("duration")
        return columns.as_durations(self._rows["duration"])

    def _ids(self, rows: pd.DataFrame) -> Any:
        """Return what names each row: its workflow, else its run, else what it is indexed by."""
        for name in ("workflow_id", "run_id"):
            if name in rows.columns:
                return rows[name]
            if name in rows.index.names:
                return rows.index.get_level_values(name)
        return rows.index

    def _need(self, *names: str) -> None:
        if missing := [name for name in names if name not in self._rows.columns]:
            raise AttributeError(f"this needs columns that were left out: {', '.join(missing)}")

    def _answer(self, series: dict[str, pd.Series[Any]]) -> pd.DataFrame:
        answer = pd.DataFrame(series)
        answer.attrs.update(deepcopy(self._rows.attrs))
        return answer


# The door has seen to it, unless pandas was found in a way of its own.
if not hasattr(pd.DataFrame, "wf"):
    pd.api.extensions.register_dataframe_accessor("wf")(WorkflowAccessor)


def _timedelta(given: timedelta | np.timedelta64 | str | float) -> timedelta:
    """Read a duration; a bare number means seconds."""
    if isinstance(given, timedelta):
        return given
    try:
        try:
            seconds = float(given)
        except (ValueError, TypeError):
            span: Any = pd.Timedelta(given)
            seconds = span.total_seconds()
        return timedelta(seconds=seconds)  # refuses NaT, as of ""
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"longer_than is seconds, a timedelta or text such as '2h', got {given!r}"
        ) from error


def _error_groups(errors: Iterable[str]) -> dict[str, str]:
    """Return for each error the text of its group, with `…` where its members differ."""
    members: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for error in dict.fromkeys(errors):
        fixed, varying = _split(error)
        members.setdefault(fixed, []).append((error, varying))
    text_of = {}
    for fixed, them in members.items():
        text = fixed[0]
        places = zip(*(varying for _, varying in them), strict=True)
        for values, behind in zip(places, fixed[1:], strict=True):
            text += (values[0] if len(set(values)) == 1 else _DIFFERS) + behind
        text_of.update(dict.fromkeys((error for error, _ in them), text))
    return text_of


def _split(error: str) -> tuple[tuple[str, ...], list[str]]:
    """Split a text into what is fixed and, between that, what may vary.

    Quoted text and words with a digit vary, those joined by a single sign as one: `10.0.0.1:80`.
    """
    spans: list[tuple[int, int]] = []
    for atom in _ATOM.finditer(error):
        start, end = atom.span()
        if error[start] not in _QUOTES and not any(map(str.isdigit, atom.group())):
            continue
        if spans and error[spans[-1][1] : start] in _JOINTS:
            start, _ = spans.pop()
        spans.append((start, end))
    edges = [0, *(edge for span in spans for edge in span), len(error)]
    pieces = [error[start:end] for start, end in pairwise(edges)]
    return tuple(pieces[::2]), pieces[1::2]
