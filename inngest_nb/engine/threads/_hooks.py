"""Functions of the user's that hear what happens in an executor."""

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
    """Keeps spans: of runs, of activities, of their attempts."""

    def open(self, name: str, within: Any, **about: str | int) -> Any:
        """Begin a span within another one, or with None within what is current here."""

    def close(self, span: Any, error: BaseException | None) -> None:
        """End a span."""

    def inside(self, span: Any) -> AbstractContextManager[object]:
        """Make a span current meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Functions to call with `(workflow_id, event)` when something happens.

    `on_activity_start` is called as an attempt starts, the others once the event is saved:
    `on_workflow_fail` for a canceled run too, `on_retry` with a failed attempt that will be
    followed by another. They are called one at a time, in a thread of the executor; a slow one
    delays later ones but no run, and an error in one is logged as `inngest_nb.engine` and goes no
    further. `first + second` calls both.
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
        """What keeps spans, if these hooks do."""
        return None

    def __add__(self, other: Hooks) -> Hooks:
        if not isinstance(other, Hooks):
            return NotImplemented
        return _Composed(first=self, second=other)

    def tell(self, name: str, workflow_id: str, event: HistoryEvent) -> None:
        """Call the hook of a name, if there is one; log what it raises."""
        hook: Hook | None = getattr(self, name)
        if hook is None:
            return
        try:
            hook(workflow_id, event)
        except BaseException:  # noqa: BLE001  # an observer's trouble is not the run's
            _log.exception("the hook %s raised for workflow %r; its run goes on", name, workflow_id)


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
    """Calls hooks in order, in a thread of its own that starts with the first call."""

    def __init__(self, hooks: Hooks | None) -> None:
        self._hooks = hooks
        self.are_heard = hooks is not None
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def tell(self, name: str, workflow_id: str, event: HistoryEvent) -> None:
        """Have a hook called soon."""
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
                    _log.warning("hooks wait for a thread to be called in: %s", error)
                else:
                    self._thread = thread

    def close(self, grace: float) -> None:
        """Wait so many seconds for calls that are due."""
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
            except BaseException:  # noqa: BLE001  # hooks of a class of the user's, perhaps
                _log.exception("the hooks raised for workflow %r; its run goes on", call[1])
