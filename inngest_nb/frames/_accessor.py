"""`df.wf`: answers to the usual questions about workflows, activities, events, runs and steps."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics import _readable as readable
from inngest_nb.frames.basics._answer import Answer
from inngest_nb.frames.charts._plot import Charts
from inngest_nb.frames.insight import _activities as activities
from inngest_nb.frames.insight import _failures as failing
from inngest_nb.frames.insight import _lasting as lasting
from inngest_nb.frames.insight import _over_time as over_time
from inngest_nb.frames.insight import _steps as steps
from inngest_nb.frames.insight import _summary as summary
from inngest_nb.frames.insight._typed import By, need
from inngest_nb.query import span_of

_STEPS_OF = "the steps of runs: use it on inb.trace_frame(df)"
# What some frames answer beyond what all do.
_MORE = {
    columns.WORKFLOWS: (
        'over_time("1h")',
        "stuck()",
        "late(than=...)",
        "slowest()",
        "retries()",
        'rate("1h")',
    ),
    columns.ACTIVITIES: ("funnel(workflow)", "slowest()", "retries()", 'over_time("1h")'),
    columns.RUNS: ('over_time("1h")', "late(than=...)", "slowest()", "failures()", 'rate("1h")'),
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
        """The charts of these rows, such as `plot.status()`; its repr names them all."""
        return Charts(self._rows)

    def summary(self, by: By | None = None) -> pd.DataFrame:
        """Return how many rows there are, how they ended, and how long they took.

            df.wf.summary(by="workflow")

        The index holds the statuses: known ones even if their count is zero, then others, then
        rows without one. It holds outcomes for an `activity_frame`, types for a `history_frame`.
        `share` is of all rows; `p50`, `p90` and `max` are timedeltas.

        `by`, a column or several, gives one row per group, the largest first: `count`, `failed`,
        `share_failed` (of those that completed or failed; missing if there are none), `running`
        (that is their status: queued ones are left out), and `p50`, `p90`, `p99` and `max` of how
        long the rows took that have ended.
        """
        if by is None:
            return self._answer(summary.statuses(self._rows, self._kind))
        return self._answer(summary.summary_by(self._rows, self._kind, by))

    def running(self, longer_than: columns.Span | None = None) -> pd.DataFrame:
        """Return the rows whose status is running, the longest first.

        Queued ones have not begun, and are left out. `longer_than` is a timedelta, seconds, or text
        such as "2h"; it also leaves out rows with an unknown start. Raises `ValueError` if that is
        not a duration.
        """
        if self._kind.word == "type":
            raise AttributeError("running() needs frame() or activity_frame()")
        span = None if longer_than is None else span_of(longer_than, "longer_than")
        return lasting.running(self._rows, self._kind, span)

    def failed(self) -> pd.DataFrame:
        """Return the rows that failed, the last failure first: workflows, activities or events."""
        need(self._rows, self._kind.seen)
        return summary.last_first(self._rows, self._kind)

    def errors(self, by: By | None = None) -> pd.DataFrame:
        """Return one row per group of errors among the rows that failed, the largest group first.

        Errors that differ only in numbers, ids, addresses and quoted values are one group; `error`
        has `…` where they differ, and escapes for what cannot be seen. `count` and `share` are of
        all failures, `first_seen` and `last_seen` times, `example` is the id of the workflow that
        failed last. With `by`, such as "workflow" or ["workflow", "step"], rows of a group also
        have the same values there; these columns come first.
        """
        return self._answer(summary.errors(self._rows, self._kind, by))

    def durations(self) -> pd.DataFrame:
        """Return how long rows took: `count`, `min`, `max` and percentiles, as timedeltas.

        The index has statuses, or activities in an `activity_frame`, where only those that ended
        count. Rows without a duration are left out.
        """
        return self._answer(summary.durations(self._rows, self._kind))

    def over_time(self, every: columns.Span = "1h", by: By | None = None) -> pd.DataFrame:
        """Return what started, ended and failed in each span of time, the first span first.

        The index, `start`, has the beginning of each span in UTC, with no span left out; weeks
        begin on Mondays. The last one is that of the last end, or of `fetched_at` if anything is
        open. With `by`, a column or several, each span has a row for each group, the largest first,
        and the index has both.

        `started`, `ended` and `failed` are how many did so in the span; `failure_share` is the
        failed ones as a share of those that then completed or failed, missing if there are none.
        `in_flight` is how many had started and not ended when the span was over, excluding rows
        with an unknown end. `p50` and `p90` are of what ended in the span.

        `every` is a timedelta, seconds, or text such as "15min". Raises `ValueError` if it is not a
        duration, or so short that there would be more than 100,000 rows.
        """
        if self._kind in (columns.EVENTS, columns.WORKERS):
            raise AttributeError("over_time() needs frame(), activity_frame() or search_runs()")
        span = span_of(every, "every")
        return self._answer(over_time.over_time(self._rows, self._kind, span, by))

    def stuck(self, longer_than: columns.Span | None = None) -> pd.DataFrame:
        """Return where open workflows are stuck, as one row per group, the largest group first.

        Workflows of a group have the same `workflow`, `step`, `waiting_for` and `signal`. `count`
        is how many there are, `longest` and `oldest` how long ago and when the first of them was
        last updated, and `example` its id. Those that were updated in the last hour, or in
        `longer_than`, do not count; that is before `fetched_at` in `attrs`, or else before the time
        to which open rows were measured.
        """
        self._only("stuck", "frame()", columns.WORKFLOWS)
        span = span_of(lasting.STUCK_AFTER if longer_than is None else longer_than, "longer_than")
        return self._answer(lasting.stuck(self._rows, self._kind, span))

    def late(self, than: Mapping[str, columns.Span] | columns.Span) -> pd.DataFrame:
        """Return the rows that took longer than allowed, the longest overrun first.

            df.wf.late(than={"order": "5min", "nightly": "2h"})

        `than` has the duration that each workflow is allowed, those of a function for frames of
        `search_runs`; others are not late. A single duration is for all rows. They have all columns
        of the frame, `allowed` and `overrun`. A row that is still open counts with its time so far.
        If `than` names unknown workflows, a warning names the known ones.
        """
        self._only("late", "frame() or search_runs()", columns.WORKFLOWS, columns.RUNS)
        return self._answer(lasting.late(self._rows, self._kind, than), self._kind)

    def funnel(self, workflow: str, *, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return how far the runs of a workflow get: one row per activity, in the code's order.

            inb.activity_frame(store).wf.funnel("order", runs=inb.frame(store))

        `reached` is how many runs called the `activity`, and `share` their part of all runs: of
        those in `runs`, or without it of those that called any. In `completed` of them all calls
        completed, in `failed` one failed for good, and in `retried` one needed several attempts;
        calls of other runs are open, or ended with their run. `p50` is how long a call took that
        has ended, with its retries.

        An activity comes after those that runs start directly before it. Where runs differ, more
        runs count more; where they tell nothing, the median of its place in a run decides, then its
        name.
        """
        self._only("funnel", "activity_frame()", columns.ACTIVITIES)
        return self._answer(activities.funnel(self._rows, workflow, runs))

    def retries(self) -> pd.DataFrame:
        """Return what had to be retried, and whether that helped, the most retried first.

        On an `activity_frame` there is one row per `workflow` and `activity`: `count` calls, how
        many were `retried`, as a `share` too, the most `attempts` of one, how many were `saved`
        because they completed in the end, and the id of the workflow that needed most as `example`.
        On a `frame` there is one row per `workflow`, which counts runs, with `retries` of all of
        them in place of `attempts`.
        """
        self._only("retries", "frame() or activity_frame()", columns.WORKFLOWS, columns.ACTIVITIES)
        if self._kind is columns.WORKFLOWS:
            return self._answer(activities.retried_workflows(self._rows, self._kind.word))
        return self._answer(activities.retried_activities(self._rows))

    def failures(
        self, *, traces: pd.DataFrame | None = None, runs: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Return one row per group of failures of a real Inngest server's runs, the largest first.

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
            return self._answer(failing.failures_of_steps(self._rows, runs))
        self._only("failures", "search_runs() or trace_frame(); errors() works here", columns.RUNS)
        if runs is not None:
            raise ValueError("runs is for frames of steps; here, use traces=trace_frame(...)")
        return self._answer(failing.failures_of_runs(self._rows, traces))

    def rate(self, every: columns.Span = "1h") -> pd.DataFrame:
        """Return how many runs began in each span of time, and how many of them failed.

        The index, `start`, has the beginning of each span in UTC, from the first run to the last,
        with no span left out; weeks begin on Mondays. The columns are `runs`, then how many of them
        have `completed`, `failed`, been `canceled`, are `unfinished` (running or queued) or have an
        `unknown` status, and `failure_rate`: failed runs as a share of those that completed or
        failed, missing if there are none. A run counts in the span in which it was queued (created,
        in a `frame`), and not at all without a time.

        `every` is a timedelta, seconds, or text such as "15min". Raises `ValueError` if it is not a
        duration, or so short that there would be more than 100,000 rows.
        """
        self._only("rate", "frame() or search_runs()", columns.WORKFLOWS, columns.RUNS)
        span = span_of(every, "every")
        return self._answer(over_time.rates(self._rows, self._kind, span))

    def slowest(self, n: int = 10, *, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the `n` slowest: rows of a `frame`, or activities, or steps of a `trace_frame`.

        For a `frame` or `search_runs` they are the rows themselves, with the time so far of what is
        open. Otherwise there is one row per `workflow` and `activity`, or per `app`, `function`,
        `step` and `kind`, ordered by the 95th percentile, with `count`, `p50`, `p95` and `max` of
        the durations, and as `example` the id of the workflow, or of the run, with the longest.
        Activities and steps count once they have completed or failed, with the pauses between their
        attempts; sleeps and waits for an event are left out.

        `runs`, a frame of `search_runs`, supplies the apps and functions of steps, which are
        missing otherwise.
        """
        kind = self._kind
        if kind in (columns.EVENTS, columns.WORKERS):
            raise AttributeError("slowest() needs frame(), activity_frame() or trace_frame()")
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n must be a number of {kind.plural} above 0, such as 10, got {n!r}")
        if kind is columns.STEPS:
            return self._answer(steps.slowest(self._rows, runs, n))
        if runs is not None:
            raise ValueError("runs is for frames of steps, which do not know their functions")
        if kind is columns.ACTIVITIES:
            return self._answer(activities.slowest_activities(self._rows, n))
        return self._answer(lasting.slowest_rows(self._rows, n), kind)

    def queue_delay(self, *, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return how long the steps of a `trace_frame` waited for a worker, the longest first.

        The columns and `runs` are those of `slowest()`. A delay lasts from `queued_at` to
        `started_at`, or until `fetched_at` for a step that is still queued. Long delays call for
        more workers or a higher concurrency limit.
        """
        self._only("queue_delay", _STEPS_OF, columns.STEPS)
        return self._answer(steps.queue_delays(self._rows, runs))

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
        return self._answer(steps.saved_by_retry(self._rows, runs))

    def _only(self, method: str, frames: str, *kinds: columns.Kind) -> None:
        if self._kind not in kinds:
            raise AttributeError(f"{method}() needs {frames}")

    def _answer(self, made: pd.DataFrame, kind: columns.Kind | None = None) -> pd.DataFrame:
        """Make an answer readable, and note in it where the rows came from.

        `kind` tells that it is a choice of the rows themselves.
        """
        return Answer(made, self._rows.attrs, kind)


# The door has seen to it, unless pandas was found in a way of its own.
if not hasattr(pd.DataFrame, "wf"):
    pd.api.extensions.register_dataframe_accessor("wf")(WorkflowAccessor)
