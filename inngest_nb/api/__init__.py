"""The API of a real Inngest server: events, runs, traces, apps and functions, as values."""

from inngest_nb.api._async_client import AsyncInngestAPI
from inngest_nb.api._client import InngestAPI
from inngest_nb.api._given import check_api
from inngest_nb.api.basics import _checks as checks
from inngest_nb.api.basics import _quirks as quirks
from inngest_nb.api.basics._listed import Listed, Page
from inngest_nb.api.basics._values import (
    App,
    Event,
    Found,
    Function,
    Job,
    Run,
    RunError,
    ServerFeatures,
    ServerHealth,
    Step,
    StepAttempt,
    Trace,
    Trigger,
    Wait,
    Worker,
    keep_partial,
)
from inngest_nb.api.calls._events import NewEvent
from inngest_nb.api.reading._kept import Kept
from inngest_nb.api.reading._moments import milliseconds_of
from inngest_nb.api.reading._starts import begun, halves, starts_of
from inngest_nb.api.reading._windows import Cache, Reading, runs_in
from inngest_nb.api.states._run_store import RunStore

__all__ = [
    "App",
    "AsyncInngestAPI",
    "Cache",
    "Event",
    "Found",
    "Function",
    "InngestAPI",
    "Job",
    "Kept",
    "Listed",
    "NewEvent",
    "Page",
    "Reading",
    "Run",
    "RunError",
    "RunStore",
    "ServerFeatures",
    "ServerHealth",
    "Step",
    "StepAttempt",
    "Trace",
    "Trigger",
    "Wait",
    "Worker",
    "begun",
    "check_api",
    "checks",
    "halves",
    "keep_partial",
    "milliseconds_of",
    "quirks",
    "runs_in",
    "starts_of",
]
