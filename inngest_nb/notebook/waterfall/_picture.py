"""All that a view tells of a run of a real Inngest server at a moment: its facts and chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inngest_nb import wire
from inngest_nb.api import Job, Trace
from inngest_nb.frames.inngest import cause_of
from inngest_nb.notebook.timeline import (
    Chart,
    Lane,
    chart_key,
    chart_lines,
    chart_of_lanes,
    fold,
)
from inngest_nb.notebook.waterfall._given import Given
from inngest_nb.notebook.waterfall._payloads import Payloads
from inngest_nb.notebook.waterfall._steps import lanes_of, name_for_many
from inngest_nb.words import duration_text, short, status_text, time_text, visible

__all__ = ["Picture", "picture_of", "plain_text"]

_DUE = {"sleep": "Wakes", "pause": "Stops waiting", "start": "Starts"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A run as of a moment, in numbers and labels.

    `facts` are labels and values. `failed` says what failed, and `error` why. `note` tells of a
    live picture that cannot be kept up to date.
    """

    run_id: str
    status: str
    facts: tuple[tuple[str, str], ...]
    failed: str
    error: str
    chart: Chart
    payloads: Payloads
    note: str = ""


def picture_of(
    given: Given,
    trace: Trace,
    payloads: Payloads,
    now: datetime,
    *,
    jobs: Sequence[Job] | None = None,
    note: str = "",
) -> Picture:
    """Draw a run as of `now`; `jobs` is what the server will do next, None if nobody asked."""
    lanes = lanes_of(trace, now, jobs or ())
    names = name_for_many(lanes)
    shown, left_out = fold(lanes, names.__getitem__, "trace_frame()")
    chart = chart_of_lanes(lanes, shown, left_out, _limits(trace, lanes, now), _next(jobs, now))
    failed, error = _failure(trace)
    return Picture(
        run_id=trace.run_id,
        status=trace.status,
        facts=tuple(_facts(given, trace, now)),
        failed=failed,
        error=error,
        chart=chart,
        payloads=payloads,
        note=note,
    )


def _limits(trace: Trace, lanes: Sequence[Lane], now: datetime) -> tuple[int, int]:
    spans = [span for lane in lanes for span in lane.spans]
    times = [us for span in spans for us in (span.start, span.end)]
    known = (trace.queued_at, trace.started_at, trace.ended_at)
    times += [wire.microseconds(time) for time in known if time is not None]
    if times and not trace.is_over:
        times.append(wire.microseconds(now))
    return (min(times), max(times)) if times else (0, 0)


def _facts(given: Given, trace: Trace, now: datetime) -> list[tuple[str, str]]:
    function = given.function + (f" in {given.app}" if given.app else "")
    facts = [("Function", function)] if function else []
    facts.append(("Queued", time_text(trace.queued_at)))
    start = trace.started_at
    if start is not None and trace.queued_at is not None and start > trace.queued_at:
        facts.append(("Began after", duration_text(start - trace.queued_at)))
    if trace.ended_at is not None:
        facts.append(("Ended", time_text(trace.ended_at)))
    if (took := trace.run_took(now)) is not None:
        facts.append(("Took" if trace.is_over else "So far", duration_text(took)))
    return facts


def _failure(trace: Trace) -> tuple[str, str]:
    """Say what failed, and why."""
    if trace.status != "failed":
        return "", ""
    what, error = "The run", ""
    failed = [step for step in trace.steps if step.status == "failed"]
    if failed:
        cause = failed[cause_of([(step.kind, str(step.error or "")) for step in failed])]
        what = "The function" if cause.kind == "function" else f"The step {short(cause.name)}"
        error = str(cause.error or "")
    return f"{what} failed", error or "the server recorded no error"


def _next(jobs: Sequence[Job] | None, now: datetime) -> list[str]:
    """Say what the server will do next: `Attempt 2 is due in 26 s, 2026-11-22 19:38:02 UTC.`."""
    if jobs is None:
        return []
    if not jobs:
        return [
            "The server has nothing left to do for this run: unless it just ended, it is stuck."
        ]
    said = []
    for job in jobs:
        what = f"Attempt {job.attempt + 1} is due" if job.attempt else _DUE.get(job.kind, "")
        if what and job.at is not None and job.at > now:
            said.append(f"{what} in {duration_text(job.at - now)}, {time_text(job.at)}.")
    return said


def plain_text(picture: Picture) -> str:
    """Give a run's facts and its bars as lines of text."""
    lines = [f"{short(picture.run_id)}: {status_text(picture.status)}"]
    lines.append(", ".join(f"{label.lower()} {visible(value)}" for label, value in picture.facts))
    if picture.note:
        lines.append(visible(picture.note))
    if picture.error:
        lines.append(f"{picture.failed}: {short(picture.error, 400)}")
    return "\n".join([*lines, *chart_lines(picture.chart), *chart_key(picture.chart)])
