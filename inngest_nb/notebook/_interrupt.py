"""Hearing of the stop button while something is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["interrupting"]


@contextlib.contextmanager
def interrupting(call: Callable[[], object]) -> Iterator[None]:
    """Make a call when the stop button or Ctrl-C interrupts what this block waits for.

    Whoever handled it before goes on to do so, and at once: a loop that waits would otherwise not
    notice before its next event. In other threads than the main one, where no interrupt arrives,
    this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = _running_loop()
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        call()
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(_nothing)
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        # Another may stand there now: of a wait that began later, or of the kernel's next cell.
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, before)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def _nothing() -> None:
    pass
