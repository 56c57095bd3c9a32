"""Takes over workflows that no executor is running: a thread that checks the store regularly."""

from __future__ import annotations

import logging
import random
import threading
import weakref
from collections.abc import Callable
from functools import partial

from inngest_nb.engine.basics._functions import describe
from inngest_nb.engine.run._run import Run
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
    """Calls `recover` at once, then about every `seconds`, as long as its executor exists.

    The interval is randomized, so that several executors don't check the store at the same time.
    """

    def __init__(self, recover: Callable[[], object], seconds: float) -> None:
        self._recover = weakref.WeakMethod(recover)
        self._seconds = seconds
        self._closed = threading.Event()
        self._logged = ""
        self._thread = threading.Thread(target=self._run, name="inngest-nb-supervisor", daemon=True)
        self._thread.start()

    def close(self, grace: float) -> None:
        """Stop checking; wait up to `grace` seconds for a check in progress."""
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
                self._logged = ""
            except BaseException as error:  # noqa: BLE001  # the thread must survive any error
                pause, text = min(pause, 1.0), describe(error)
                if text != self._logged:
                    self._logged = text
                    _log.warning("could not look for workflows to take over; retrying: %s", text)
            del recover


class NotResumed:
    """Workflows that a supervising executor cannot resume; each kind is logged once.

    If a workflow's replay fails because of its code, it is not tried again in this process.
    """

    def __init__(self) -> None:
        self._excluded: set[str] = set()
        self._logged: set[tuple[str, type]] = set()

    def __contains__(self, workflow_id: str) -> bool:
        return workflow_id in self._excluded

    def note(self, state: WorkflowState, error: BaseException) -> None:
        """Log why a run is not resumed; as a warning only once for each function and error."""
        name = (state.history[0].workflow or "") if state.history else ""
        is_new = (name, type(error)) not in self._logged
        self._logged.add((name, type(error)))
        _log.log(
            logging.WARNING if is_new else logging.DEBUG,
            "workflow %r is not resumed here (more of the same kind are not logged): %s",
            *(state.workflow_id, error),
        )

    def watch(self, state: WorkflowState, run: Run) -> None:
        """Watch a resumed run, and log it if it is stopped again before its end."""
        run.add_waiter(partial(self._over, state, run))

    def _over(self, state: WorkflowState, run: Run) -> None:
        error = run.failure
        if error is None or isinstance(error, _ENDS + _ELSEWHERE):
            return
        if isinstance(error, NonDeterminismError | WorkflowBlockedError):
            self._excluded.add(state.workflow_id)
        self.note(state, error)
