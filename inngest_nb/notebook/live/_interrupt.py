"""Hearing of the stop button while something is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["HEARING", "AwaitStoppedError", "RunStoppedError", "interrupting"]

# Whoever waits has to look up this often, in seconds: a signal that comes just before Python goes
# to sleep does not wake it.
HEARING = 0.2


class RunStoppedError(KeyboardInterrupt):
    """The stop button has canceled the run that a cell waited for; a cell shows one line of it."""

    def _render_traceback_(self) -> list[str]:
        return [f"⊘ {self}"]


class AwaitStoppedError(asyncio.CancelledError):
    """The same where the run was awaited: a task that is canceled ends with this kind of error."""

    def _render_traceback_(self) -> list[str]:
        return [f"⊘ {self}"]


@contextlib.contextmanager
def interrupting(call: Callable[[], object]) -> Iterator[None]:
    """Make a call when the stop button or Ctrl-C interrupts what this block waits for.

    Whoever handled it before does so too. A running event loop is kept awake meanwhile, so that
    both happen soon. In other threads than the main one, where no interrupt arrives, this does
    nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler(call, signal.getsignal(signal.SIGINT))
    signal.signal(signal.SIGINT, handler)
    try:
        with _kept_awake():
            yield
    finally:
        handler.leave()


class _Handler:
    """Stands before another handler of the signal until it leaves; waits may overlap."""

    def __init__(self, call: Callable[[], object], before: Any) -> None:
        self._call = call
        self.before = before
        self.has_left = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.has_left:
            self._call()
        if callable(self.before):
            self.before(number, frame)

    def leave(self) -> None:
        """Put back what stood there before, unless somebody else stands there by now."""
        self.has_left = True
        now: Any = signal.getsignal(signal.SIGINT)
        while isinstance(now, _Handler) and now.has_left:
            now = now.before
            signal.signal(signal.SIGINT, now)


@contextlib.contextmanager
def _kept_awake() -> Iterator[None]:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        yield
        return
    timer: asyncio.TimerHandle

    def tick() -> None:
        nonlocal timer
        timer = loop.call_later(HEARING, tick)

    tick()
    try:
        yield
    finally:
        timer.cancel()
