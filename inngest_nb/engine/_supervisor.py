"""Takes over what nobody runs: a thread that looks at the store now and then, and its troubles."""

from __future__ import annotations

import concurrent.futures
import logging
import random
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from inngest_nb.errors import (
    ExecutorClosedError,
    LeaseLostError,
    NonDeterminismError,
    WorkflowBlockedError,
    WorkflowCanceledError,
    WorkflowFailedError,
)
from inngest_nb.state import WorkflowState

_ENDS = (WorkflowFailedError, WorkflowCanceledError)
_ELSEWHERE = (ExecutorClosedError, LeaseLostError)

_log = logging.getLogger("inngest_nb.engine")


class Supervisor:
    """Calls `recover` at once, then about every `seconds`, for as long as its executor is there.

    The times are spread at random, so that several workers on one store don't look all at once.
    """

    def __init__(self, recover: Callable[[], object], seconds: float) -> None:
        self._recover = weakref.WeakMethod(recover)
        self._seconds = seconds
        self._closed = threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="inngest-nb-supervisor", daemon=True)
        self._thread.start()

    def close(self, grace: float) -> None:
        """Look no more; wait so many seconds for a look to end."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(grace)

    def _run(self) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            recover = self._recover()
            if recover is None:
                return
            pause = self._seconds * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
            try:
                recover()
                self._told = ""
            except Exception as error:  # noqa: BLE001  # the thread outlives whatever it meets
                pause = min(pause, 1.0)
                if str(error) != self._told:
                    self._told = str(error)
                    _log.warning("looking for runs to take over failed, and is repeated: %s", error)
            del recover


class LeftAlone:
    """Runs that a supervising executor cannot go on with: each kind of them is told once.

    One whose replay its code does not stand is not tried again here.
    """

    def __init__(self) -> None:
        self._for_good: set[str] = set()
        self._told: set[tuple[str, type]] = set()

    def __contains__(self, workflow_id: str) -> bool:
        return workflow_id in self._for_good

    def note(self, state: WorkflowState, error: BaseException) -> None:
        """Log why a run is left alone, unless that was said of one of the same workflow."""
        name = (state.history[0].workflow or "") if state.history else ""
        is_new = (name, type(error)) not in self._told
        self._told.add((name, type(error)))
        _log.log(
            logging.WARNING if is_new else logging.DEBUG,
            "workflow %r is left alone, and so may others of its kind be: %s",
            *(state.workflow_id, error),
        )

    def attend(self, state: WorkflowState, done: concurrent.futures.Future[Any]) -> None:
        """Note it if a run that was resumed is stopped here again, without having ended."""
        done.add_done_callback(partial(self._over, state))

    def _over(self, state: WorkflowState, done: concurrent.futures.Future[Any]) -> None:
        error = done.exception()
        if error is None or isinstance(error, _ENDS + _ELSEWHERE):
            return
        if isinstance(error, NonDeterminismError | WorkflowBlockedError):
            self._for_good.add(state.workflow_id)
        self.note(state, error)
