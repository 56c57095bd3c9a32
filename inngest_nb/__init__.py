"""Explore, analyse and repair the state of durable workflows in Jupyter.

    import inngest_nb as inb

    store = inb.local()            # an embedded state server, and a client of it
    inb.samples.fill(store, 500)   # workflows that resemble production
    inb.frame(store)               # a typed DataFrame

Names are loaded on first use, so importing the package is cheap.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from inngest_nb._df_wf import register_when_pandas_is_there
from inngest_nb._version import __version__

if TYPE_CHECKING:
    from inngest_nb import errors, samples, testing
    from inngest_nb.api import AsyncInngestAPI, InngestAPI, RunStore
    from inngest_nb.bundles import Bundle, BundleInfo, export, import_bundle, open_bundle
    from inngest_nb.engine import (
        ActivityContext,
        AsyncWorkflowContext,
        Executor,
        Hooks,
        RetryPolicy,
        WorkflowContext,
        WorkflowHandle,
        fork,
        otel_hooks,
        workflow,
    )
    from inngest_nb.environment import doctor
    from inngest_nb.errors import (
        ActivityError,
        ChildWorkflowError,
        EngineError,
        ExecutorClosedError,
        InngestAuthError,
        InngestConnectionError,
        InngestDecodeError,
        InngestError,
        InngestNbError,
        InngestNotFoundError,
        InngestRunEndedError,
        InngestSendError,
        InngestStatusError,
        InngestUnavailableError,
        LeaseLostError,
        ListingUnsupportedError,
        NestedAsyncioError,
        NonDeterminismError,
        NonRetryableError,
        NotAStateServerError,
        NotInngestError,
        PayloadTooLargeError,
        PayloadTypeError,
        ReadOnlyStoreError,
        RetryAfter,
        ServerStartError,
        StoreConflictError,
        StoreConnectionError,
        StoreDecodeError,
        StoreError,
        StoreFileError,
        StoreKeyReusedError,
        StoreStatusError,
        WorkflowAlreadyRunningError,
        WorkflowBlockedError,
        WorkflowCanceledError,
        WorkflowCodeError,
        WorkflowEndedError,
        WorkflowFailedError,
        WorkflowLeasedError,
        WorkflowNotFoundError,
        WorkflowNotHereError,
        WorkflowNotRunningError,
        WorkflowNotSavedError,
        WrongLoopError,
    )
    from inngest_nb.frames import (
        activity_frame,
        frame,
        history_frame,
        plot_activity,
        plot_durations,
        plot_funnel,
        plot_over_time,
        plot_status,
        plot_stuck,
        use,
        watch,
    )
    from inngest_nb.frames.acting import Plan, cancel_runs, replay_events, rerun_runs
    from inngest_nb.frames.health import checkup
    from inngest_nb.frames.inngest import (
        compare_periods,
        functions_frame,
        search_events,
        search_runs,
        trace_frame,
        watch_runs,
        workers_frame,
    )
    from inngest_nb.frames.sql import archive, sql
    from inngest_nb.nesting import enable_nested_asyncio
    from inngest_nb.notebook.compare import compare
    from inngest_nb.notebook.explore import explore
    from inngest_nb.notebook.following import follow_runs
    from inngest_nb.notebook.forms import delete_form, save_form, signal_form
    from inngest_nb.notebook.live import resume, run, start
    from inngest_nb.notebook.overview import overview
    from inngest_nb.notebook.replay import replay
    from inngest_nb.notebook.sending import send_form
    from inngest_nb.notebook.timeline import timeline
    from inngest_nb.notebook.waterfall import waterfall
    from inngest_nb.server import StateServer, local
    from inngest_nb.state import EventType, HistoryEvent, Signal, WorkflowState, WorkflowStatus
    from inngest_nb.store import (
        AppendingStore,
        AsyncInngestStore,
        AsyncWorkflowStore,
        InngestStore,
        MemoryStore,
        SqliteStore,
        WorkflowStore,
        Write,
    )
    from inngest_nb.worker import InngestWorker, serve_on_inngest

# Where each public name lives; the imports under `TYPE_CHECKING` tell type checkers the same.
_ROOMS = {
    "inngest_nb.api": "AsyncInngestAPI InngestAPI RunStore",
    "inngest_nb.bundles": "Bundle BundleInfo export import_bundle open_bundle",
    "inngest_nb.engine": (
        "ActivityContext AsyncWorkflowContext Executor Hooks RetryPolicy WorkflowContext "
        "WorkflowHandle fork otel_hooks workflow"
    ),
    "inngest_nb.environment": "doctor",
    "inngest_nb.errors": (
        "ActivityError ChildWorkflowError EngineError ExecutorClosedError InngestAuthError "
        "InngestConnectionError InngestDecodeError InngestError InngestNbError "
        "InngestNotFoundError InngestRunEndedError InngestSendError InngestStatusError "
        "InngestUnavailableError LeaseLostError ListingUnsupportedError NestedAsyncioError "
        "NonDeterminismError NonRetryableError NotAStateServerError NotInngestError "
        "PayloadTooLargeError PayloadTypeError ReadOnlyStoreError RetryAfter ServerStartError "
        "StoreConflictError StoreConnectionError StoreDecodeError StoreError StoreFileError "
        "StoreKeyReusedError StoreStatusError WorkflowAlreadyRunningError WorkflowBlockedError "
        "WorkflowCanceledError WorkflowCodeError WorkflowEndedError WorkflowFailedError "
        "WorkflowLeasedError WorkflowNotFoundError WorkflowNotHereError WorkflowNotRunningError "
        "WorkflowNotSavedError WrongLoopError"
    ),
    "inngest_nb.frames": (
        "activity_frame frame history_frame plot_activity plot_durations plot_funnel "
        "plot_over_time plot_status plot_stuck use watch"
    ),
    "inngest_nb.frames.acting": "Plan cancel_runs replay_events rerun_runs",
    "inngest_nb.frames.health": "checkup",
    "inngest_nb.frames.inngest": (
        "compare_periods functions_frame search_events search_runs trace_frame watch_runs "
        "workers_frame"
    ),
    "inngest_nb.frames.sql": "archive sql",
    "inngest_nb.nesting": "enable_nested_asyncio",
    "inngest_nb.notebook.compare": "compare",
    "inngest_nb.notebook.explore": "explore",
    "inngest_nb.notebook.following": "follow_runs",
    "inngest_nb.notebook.forms": "delete_form save_form signal_form",
    "inngest_nb.notebook.live": "resume run start",
    "inngest_nb.notebook.overview": "overview",
    "inngest_nb.notebook.replay": "replay",
    "inngest_nb.notebook.sending": "send_form",
    "inngest_nb.notebook.timeline": "timeline",
    "inngest_nb.notebook.waterfall": "waterfall",
    "inngest_nb.state": "EventType HistoryEvent Signal WorkflowState WorkflowStatus",
    "inngest_nb.server": "StateServer local",
    "inngest_nb.store": (
        "AppendingStore AsyncInngestStore AsyncWorkflowStore InngestStore MemoryStore SqliteStore "
        "WorkflowStore Write"
    ),
    "inngest_nb.worker": "InngestWorker serve_on_inngest",
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = [
    "ActivityContext",
    "ActivityError",
    "AppendingStore",
    "AsyncInngestAPI",
    "AsyncInngestStore",
    "AsyncWorkflowContext",
    "AsyncWorkflowStore",
    "Bundle",
    "BundleInfo",
    "ChildWorkflowError",
    "EngineError",
    "EventType",
    "Executor",
    "ExecutorClosedError",
    "HistoryEvent",
    "Hooks",
    "InngestAPI",
    "InngestAuthError",
    "InngestConnectionError",
    "InngestDecodeError",
    "InngestError",
    "InngestNbError",
    "InngestNotFoundError",
    "InngestRunEndedError",
    "InngestSendError",
    "InngestStatusError",
    "InngestStore",
    "InngestUnavailableError",
    "InngestWorker",
    "LeaseLostError",
    "ListingUnsupportedError",
    "MemoryStore",
    "NestedAsyncioError",
    "NonDeterminismError",
    "NonRetryableError",
    "NotAStateServerError",
    "NotInngestError",
    "PayloadTooLargeError",
    "PayloadTypeError",
    "Plan",
    "ReadOnlyStoreError",
    "RetryAfter",
    "RetryPolicy",
    "RunStore",
    "ServerStartError",
    "Signal",
    "SqliteStore",
    "StateServer",
    "StoreConflictError",
    "StoreConnectionError",
    "StoreDecodeError",
    "StoreError",
    "StoreFileError",
    "StoreKeyReusedError",
    "StoreStatusError",
    "WorkflowAlreadyRunningError",
    "WorkflowBlockedError",
    "WorkflowCanceledError",
    "WorkflowCodeError",
    "WorkflowContext",
    "WorkflowEndedError",
    "WorkflowFailedError",
    "WorkflowHandle",
    "WorkflowLeasedError",
    "WorkflowNotFoundError",
    "WorkflowNotHereError",
    "WorkflowNotRunningError",
    "WorkflowNotSavedError",
    "WorkflowState",
    "WorkflowStatus",
    "WorkflowStore",
    "Write",
    "WrongLoopError",
    "__version__",
    "activity_frame",
    "archive",
    "cancel_runs",
    "checkup",
    "compare",
    "compare_periods",
    "delete_form",
    "doctor",
    "enable_nested_asyncio",
    "errors",
    "explore",
    "export",
    "follow_runs",
    "fork",
    "frame",
    "functions_frame",
    "history_frame",
    "import_bundle",
    "local",
    "open_bundle",
    "otel_hooks",
    "overview",
    "plot_activity",
    "plot_durations",
    "plot_funnel",
    "plot_over_time",
    "plot_status",
    "plot_stuck",
    "replay",
    "replay_events",
    "rerun_runs",
    "resume",
    "run",
    "samples",
    "save_form",
    "search_events",
    "search_runs",
    "send_form",
    "serve_on_inngest",
    "signal_form",
    "sql",
    "start",
    "testing",
    "timeline",
    "trace_frame",
    "use",
    "watch",
    "watch_runs",
    "waterfall",
    "workers_frame",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name in _ROOM_OF:
        value = getattr(import_module(_ROOM_OF[name]), name)
    elif name in ("errors", "samples", "testing"):
        value = import_module(f"inngest_nb.{name}")
    else:
        raise AttributeError(f"module 'inngest_nb' has no attribute {name!r}")
    globals()[name] = value
    return value


register_when_pandas_is_there()


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """Add `%workflows`, `%workflow`, `%%workflow` and `%%workflows_sql` to IPython.

    It is called by `%load_ext inngest_nb`.
    """
    from inngest_nb.notebook.magics import WorkflowMagics

    shell.register_magics(WorkflowMagics)
    _attach(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Remove the magics again (`%unload_ext` and `%reload_ext`)."""
    from inngest_nb.notebook.ipython import detach

    detach(shell)


def _attach(shell: Any) -> None:
    """Register rich output in cells for states, handles and errors."""
    from inngest_nb.notebook.ipython import attach

    attach(shell)


if (_shell := getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()) is not None:
    _attach(_shell)
