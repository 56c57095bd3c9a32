"""A run that is stored but does not run in this process, as its handle sees it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from typing import Any

from inngest_nb.engine.basics._functions import fresh
from inngest_nb.engine.history._stored import load, shared_store
from inngest_nb.engine.run._endings import canceled
from inngest_nb.engine.run._run import Run
from inngest_nb.engine.threads._mailbox import ask
from inngest_nb.engine.threads._services import Services
from inngest_nb.errors import WorkflowFailedError
from inngest_nb.history import failed_call
from inngest_nb.state import WorkflowState, WorkflowStatus

_WATCH_SECONDS = 10.0
_LOOK_SECONDS = 0.5  # between looks at a store that cannot notify


class StoredRun:
    """Reads a run from its store and waits for it to end, whichever process runs it."""

    def __init__(self, services: Services[Run], state: WorkflowState) -> None:
        self.engine = services
        self.workflow_id = state.workflow_id
        self.run_id = state.run_id
        self._state = state
        self.trouble = ""  # known only to the process that runs it

    @property
    def status(self) -> WorkflowStatus:
        """The status that is stored now."""
        return self.state.status

    @property
    def state(self) -> WorkflowState:
        """The state that is stored now; once the run has ended, the last one that was read."""
        if self._state.status is WorkflowStatus.RUNNING:
            stored = load(self.engine.store, self.workflow_id, "read")
            if stored.run_id == self.run_id:
                self._state = stored
        return self._state

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The signals that the workflow is waiting for; empty if no executor answers."""
        return waiting_for(self.engine, self.workflow_id)

    def result(self, timeout: float | None) -> Any:
        """Wait for the run to end, and return its result or raise its error."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            state = self.state
            if state.status is not WorkflowStatus.RUNNING:
                return outcome_of(state)
            left = _WATCH_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"workflow {self.workflow_id!r} has not ended after {timeout:g} s and is "
                    "still running"
                )
            wait_for_change(self.engine, state, min(left, _WATCH_SECONDS))

    def wait(self) -> Generator[Any, None, Any]:
        """Await the end of the run on the running loop, and return its result."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        given_up = threading.Event()

        def look() -> None:
            error: BaseException | None = None
            try:
                while not given_up.is_set():
                    state = self.state
                    if state.status is not WorkflowStatus.RUNNING:
                        break
                    wait_for_change(self.engine, state, _WATCH_SECONDS)
            except BaseException as unread:  # noqa: BLE001  # raised where it is awaited
                error = unread
            if not given_up.is_set():
                loop.call_soon_threadsafe(tell, error)

        def tell(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(None) if error is None else ended.set_exception(error)

        threading.Thread(target=look, name="inngest-nb-watch", daemon=True).start()
        try:
            yield from ended.__await__()
        finally:
            given_up.set()
        return outcome_of(self._state)


def wait_for_change(services: Services[Run], state: WorkflowState, seconds: float) -> None:
    """Wait until the stored version changes, for at most `seconds`."""
    shared = shared_store(services.store)
    if shared is not None:
        shared.watch(state.workflow_id, state.etag, seconds)
    else:
        time.sleep(min(seconds, _LOOK_SECONDS))


def waiting_for(services: Services[Run], workflow_id: str) -> tuple[str, ...]:
    """Ask the executor that runs a workflow which signals it is waiting for."""
    shared = shared_store(services.store)
    if shared is None or not (stored := services.store.load(workflow_id)):
        return ()
    if stored.status is not WorkflowStatus.RUNNING or services.is_free(stored):
        return ()
    return tuple(ask(shared, workflow_id, "waiting_for") or ())


def outcome_of(state: WorkflowState) -> Any:
    """Return the result of a run that has ended, or raise its error."""
    if state.status is WorkflowStatus.COMPLETED:
        return fresh(state.result)
    if state.status is WorkflowStatus.CANCELED:
        raise canceled(state.workflow_id, state.run_id)
    raise WorkflowFailedError(
        f"workflow {state.workflow_id!r} {state.status or 'has no status'}: {state.error}",
        activity=failed_call(state.history),
        workflow_id=state.workflow_id,
        run_id=state.run_id,
    )
