"""The runs, events, traces, functions and workers of a real Inngest server as typed DataFrames."""

from inngest_nb.frames.basics._pace import check_every
from inngest_nb.frames.inngest._asking import opened
from inngest_nb.frames.inngest._events import search_events
from inngest_nb.frames.inngest._functions import functions_frame
from inngest_nb.frames.inngest._periods import compare_periods
from inngest_nb.frames.inngest._runs import search_runs
from inngest_nb.frames.inngest._traces import trace_frame
from inngest_nb.frames.inngest._watching import RunWatch, watch_runs
from inngest_nb.frames.inngest._workers import workers_frame
from inngest_nb.frames.insight._failures import cause_of

__all__ = [
    "RunWatch",
    "cause_of",
    "check_every",
    "compare_periods",
    "functions_frame",
    "opened",
    "search_events",
    "search_runs",
    "trace_frame",
    "watch_runs",
    "workers_frame",
]
