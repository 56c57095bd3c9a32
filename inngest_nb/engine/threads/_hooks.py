"""Hooks: the user's functions, called when something happens in an executor."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import Any, Protocol

from inngest_nb.state import HistoryEvent

# Called with the workflow's id and the event of its history.
Hook = Callable[[str, HistoryEvent], object]

_log = logging.getLogger("inngest_nb.engine")


class Tracing(Protocol):
    """Records spans of runs, activities and attempts."""

    def open(self, name: str, within: Any, **about: str | int) -> Any:
        """Open a span within another one; None means within the current one."""

    def close(self, span: Any, error: BaseException | None) -> None:
        """Close a span, with the error that ended it, if any."""

    def inside(self, span: Any) -> AbstractContextManager[object]:
        """Make a span the current one inside a `with` block."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Functions that an executor calls with `(workflow_id, event)` when something happens.

        hooks = inb.Hooks(on_workflow_fail=lambda id, event: alert(f"{id}: {event.error}"))
        executor = inb.Executor(store, hooks)

    `on_activity_start` is called when an attempt starts, the others once the event is saved.
    `on_workflow_fail` is also called for canceled runs, `on_retry` for a failed attempt that will
    be retried. Hooks are called one at a time in a thread of the executor: a slow hook delays later
    hooks but no run. Their errors are logged (`inngest_nb.engine`) and otherwise ignored. `first +
    second` calls both.
    """

    on_workflow_start: Hook | None = None
    on_workflow_complete: Hook | None = None
    on_workflow_fail: Hook | None = None
    on_activity_start: Hook | None = None
    on_activity_complete: Hook | None = None
    on_signal: Hook | None = None
    on_retry: Hook | None = None

    @property
    def tracing(self) -> Tracing | None:
        """The tracing of these hooks, None if they don't trace."""
        return None

    def __add__(self, other: Hooks) -> Hooks:
        if not isinstance(other, Hooks):
            return NotImplemented
        return _Composed(first=self, second=other)

    def tell(self, name: str, workflow_id: str, event: HistoryEvent) -> None:
        """Call the hook with this name, if there is one, and log its errors."""
        hook: Hook | None = getattr(self, name)
        if hook is None:
            return
        try:
            hook(workflow_id, event)
        except BaseException:  # noqa: BLE001  # must not affect the run
            _log.exception("hook %s failed for workflow %r; the run continues", name, workflow_id)


@dataclass(frozen=True, kw_only=True)
class _Composed(Hooks):
    first: Hooks
    second: Hooks

    @property
    def tracing(self) -> Tracing | None:
        return self.first.tracing or self.second.tracing

    def tell(self, name: str, workflow_id: str, event: HistoryEvent) -> None:
        self.first.tell(name, workflow_id, event)
        self.second.tell(name, workflow_id, event)


HOOK_NAMES = tuple(field.name for field in fields(Hooks))

_Call = tuple[str, str, HistoryEvent]


class HookThread:
    """Calls hooks in order, in its own thread, which starts with the first call."""

    def __init__(self, hooks: Hooks | None) -> None:
        self._hooks = hooks
        self.has_hooks = hooks is not None
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def tell(self, name: str, workflow_id: str, event: HistoryEvent) -> None:
        """Queue a call of a hook."""
        if self._hooks is None:
            return
        with self._lock:
            if self._closed:
                return
            self._calls.put((name, workflow_id, event))
            if self._thread is None:
                thread = threading.Thread(
                    target=self._run, args=(self._hooks,), name="inngest-nb-hooks", daemon=True
                )
                try:
                    thread.start()
                except (RuntimeError, MemoryError) as error:
                    _log.warning("hooks are delayed because no thread can be started: %s", error)
                else:
                    self._thread = thread

    def close(self, grace: float) -> None:
        """Wait up to `grace` seconds for queued calls."""
        with self._lock:
            self._closed = True
            self._calls.put(None)
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(grace)

    def _run(self, hooks: Hooks) -> None:
        while (call := self._calls.get()) is not None:
            try:
                hooks.tell(*call)
            except BaseException:  # noqa: BLE001  # perhaps a subclass of the user's
                _log.exception("hooks failed for workflow %r; the run continues", call[1])
