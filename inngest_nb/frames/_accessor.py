"""`df.wf`: the questions one asks of a frame of workflows, of activities or of events."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pandas as pd

from inngest_nb import words
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics import _readable as readable
from inngest_nb.frames.charts._charts import Charts
from inngest_nb.frames.insight import _failures as failing
from inngest_nb.frames.insight import _rates as rates
from inngest_nb.frames.insight import _steps as steps
from inngest_nb.frames.insight._errors import error_groups
from inngest_nb.query import span_of
from inngest_nb.state import EventType

_FAILED = ("failed", str(EventType.ACTIVITY_FAILED), str(EventType.WORKFLOW_FAILED))
_STEPS_OF = "the steps of runs: use it on inb.trace_frame(df)"
# What some frames answer beyond what all do.
_MORE = {
    columns.WORKFLOWS: ('rate("1h")',),
    columns.RUNS: ("failures()", 'rate("1h")'),
    columns.STEPS: ("failures()", "slowest()", "queue_delay()", "saved_by_retry()"),
}


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
        more = "".join(f"{each}, " for each in _MORE.get(self._kind, ()))
        return (
            f"{readable.text(self._rows, self._kind)}\n"
            "df.wf: summary(), running(longer_than=...), failed(), errors(), durations(), "
            f"{more}plot"
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

    def running(self, longer_than: columns.Span | None = None) -> pd.DataFrame:
        """Return the rows that are still running, the longest first.

        `longer_than` is a timedelta, seconds, or text such as "2h". It leaves out rows whose start
        nobody knows. Raises `ValueError` for what is no duration.
        """
        if self._kind.word == "type":
            raise AttributeError("running() needs frame() or activity_frame()")
        spans = self._spans()
        chosen = self._rows[self._kind.word] == "running"
        if longer_than is not None:
            chosen &= spans > span_of(longer_than, "longer_than")
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

        Errors that differ only in numbers, ids, addresses and quoted values are one group; `error`
        has `…` where they differ, and escapes for what cannot be seen. `count` and `share` are of
        all failures, `first_seen` and `last_seen` times, `example` is the id of the workflow that
        failed last.
        """
        kind, failed = self._kind, self.failed()
        self._need("error")
        rows = failed[::-1]
        ids = self._ids(rows)
        group_of = error_groups(rows["error"].dropna())
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

    def failures(
        self, *, traces: pd.DataFrame | None = None, runs: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Return one row per group of failures of a real Inngest's runs, the largest group first.

            inb.search_runs(outputs=True).wf.failures()
            runs.wf.failures(traces=inb.trace_frame(runs.wf.failed()))

        The runs of a group have the same `app`, `function`, `step` and `error`; errors are grouped
        as in `errors()`. `count` is the number of runs, `share` is the part of the function's runs
        that completed or failed in this frame, `first_seen` and `last_seen` are the times at which
        runs of the group ended, and `example` is the `run_id` of the last one.

        The step comes from `traces`, the `trace_frame` of the failed runs, and is missing without
        them. It is the step whose error ended the run, or `Finalization` if the function itself
        raised the error. Traces also supply the errors if the runs were read without `outputs`.

        On a `trace_frame`, the rows are steps that failed in runs that have ended, including those
        whose error the function caught; `runs`, a frame of `search_runs`, supplies the functions.
        """
        if self._kind is columns.STEPS:
            if traces is not None:
                raise ValueError("traces is for frames of runs; here, use runs=search_runs(...)")
            return self._from_here(failing.failures_of_steps(self._rows, runs))
        self._only("failures", "search_runs() or trace_frame(); errors() works here", columns.RUNS)
        if runs is not None:
            raise ValueError("runs is for frames of steps; here, use traces=trace_frame(...)")
        return self._from_here(failing.failures_of_runs(self._rows, traces))

    def rate(self, every: columns.Span = "1h") -> pd.DataFrame:
        """Return how many runs began in each span of time, and how many of them failed.

        The index, `start`, has the beginning of each span in UTC, from the first run to the last,
        with no span left out; weeks begin on Mondays. The columns are `runs`, then how many of them
        have `completed`, `failed`, been `canceled` or are `unfinished`, and `failure_rate`: failed
        runs as a share of those that completed or failed, missing if there are none. A run counts
        in the span in which it was queued (created, in a `frame`), and not at all without a time.

        `every` is a timedelta, seconds, or text such as "15min". Raises `ValueError` if it is not a
        duration, or so short that there would be more than 100,000 rows.
        """
        kind = self._kind
        self._only("rate", "frame() or search_runs()", columns.WORKFLOWS, columns.RUNS)
        self._need(kind.began)
        span = span_of(every, "every")
        return self._from_here(rates.rates(self._rows[kind.began], self._words(), span))

    def slowest(self, n: int = 10, *, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the `n` slowest steps of a `trace_frame`, ordered by the 95th percentile.

        There is one row per `app`, `function`, `step` and `kind`, with `count`, `p50`, `p95` and
        `max` of the durations, and the `run_id` of the longest as `example`. Steps count once they
        have completed or failed, with the pauses between their attempts; sleeps and waits for an
        event are left out. `runs`, a frame of `search_runs`, supplies apps and functions, which
        are missing otherwise.
        """
        self._only("slowest", _STEPS_OF, columns.STEPS)
        return self._from_here(steps.slowest(self._rows, runs, n))

    def queue_delay(self, *, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return how long the steps of a `trace_frame` waited for a worker, the longest first.

        The columns and `runs` are those of `slowest()`. A delay lasts from `queued_at` to
        `started_at`, or until `fetched_at` for a step that is still queued. Long delays call for
        more workers or a higher concurrency limit.
        """
        self._only("queue_delay", _STEPS_OF, columns.STEPS)
        return self._from_here(steps.queue_delays(self._rows, runs))

    def saved_by_retry(self, *, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return which steps of a `trace_frame` were retried, and how many runs that saved.

        There is one row per `app`, `function`, `step` and `kind`. `retried` is the number of runs
        that retried the step and have ended; `saved` is how many of them completed after the step
        had passed, and `share` their part. `attempts` is the most that a saved run needed,
        `last_seen` when the last retried step ended, `example` the last saved run. Inngest counts
        retries of a `RetryAfterError`, and of errors raised between steps, as retries of the
        function itself: `Finalization`.

        `runs`, a frame of `search_runs`, supplies apps, functions and how runs ended; without it,
        apps and functions are missing, and a run has ended the way its function did.
        """
        self._only("saved_by_retry", _STEPS_OF, columns.STEPS)
        return self._from_here(steps.saved_by_retry(self._rows, runs))

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

    def _only(self, method: str, frames: str, *kinds: columns.Kind) -> None:
        if self._kind not in kinds:
            raise AttributeError(f"{method}() needs {frames}")

    def _answer(self, series: dict[str, pd.Series[Any]]) -> pd.DataFrame:
        return self._from_here(pd.DataFrame(series))

    def _from_here(self, answer: pd.DataFrame) -> pd.DataFrame:
        """Note in an answer where the rows came from."""
        answer.attrs.update(deepcopy(self._rows.attrs))
        return answer


# The door has seen to it, unless pandas was found in a way of its own.
if not hasattr(pd.DataFrame, "wf"):
    pd.api.extensions.register_dataframe_accessor("wf")(WorkflowAccessor)
