"""A run that has just ended, replayed once in place, to see whether its code is deterministic."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from inngest_nb.engine import check_history
from inngest_nb.errors import NonDeterminismError
from inngest_nb.state import WorkflowState

_SECONDS = 0.05
_MOST_EVENTS = 1_000  # more would not be through in that time

_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("quiet", default=False)


class ReplayWarning(UserWarning):
    """A run has ended, but its code would not do the same again after a crash."""


def warn_if_replay_differs(fn: Callable[..., Any], state: WorkflowState) -> None:
    """Replay a short run for a moment, and warn if its code does not do the same again.

    No activity is run again, and what the code prints is not shown twice.
    """
    if len(state.history) > _MOST_EVENTS:
        return
    found: list[NonDeterminismError] = []

    def check() -> None:
        _quiet.set(True)
        # Not through in time, or it cannot be replayed for another reason: nothing is known.
        with contextlib.suppress(Exception):
            try:
                check_history(fn, state, _SECONDS)
            except NonDeterminismError as error:
                found.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(check,), daemon=True)
    with _hushed():
        thread.start()
        thread.join(_SECONDS)
    for error in found:
        says = f"this workflow would not survive a crash: {error}"
        text = f"{says}. See inngest_nb.testing.check_replay"
        warnings.warn(text, ReplayWarning, stacklevel=3)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Drop what the replayed code prints, and only that."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Hushed(before[0]), _Hushed(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Hushed:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if _quiet.get() else int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
