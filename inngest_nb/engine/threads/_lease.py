"""The lease of an executor: one small row in the store, renewed by its own thread.

A lease alone does not stop an executor that was only slow. Conditional writes do: after another
executor has taken over a run, the store rejects the next write of the old one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from inngest_nb.engine.basics._functions import describe
from inngest_nb.engine.history._appender import Appender
from inngest_nb.store import SharedStore, Write

_log = logging.getLogger("inngest_nb.engine")


class Leased:
    """Writes batches to the store, each only while the executor holds its lease."""

    def __init__(self, appender: Appender, ensure: Callable[[], None]) -> None:
        self._appender = appender
        self._ensure = ensure

    def append_history(self, writes: Sequence[Write]) -> Sequence[BaseException | None]:
        """Perform writes; return an error for each that failed, None for each that is durable."""
        try:
            self._ensure()
        except BaseException as error:  # noqa: BLE001  # reported by the runs
            return [error] * len(writes)
        return self._appender.append_history(writes)


class Lease:
    """Keeps an executor's lease while its process lives, no matter how busy other threads are.

    Both callbacks are called in the renewing thread: `lapsed` when the lease was renewed only after
    it had expired, so that others may have taken over runs, and `on_renewal` after each renewal.
    """

    def __init__(
        self,
        store: SharedStore,
        owner: str,
        seconds: float,
        lapsed: Callable[[], None],
        on_renewal: Callable[[], None],
    ) -> None:
        self.seconds = seconds
        self._store = store
        self._owner = owner
        self._lapsed = lapsed
        self._on_renewal = on_renewal
        self._lock = threading.Lock()
        self._renewed: float | None = None
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start renewing. Calling it again does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="inngest-nb-lease", daemon=True)
            self._thread.start()

    def ensure(self) -> None:
        """Renew the lease now if it is due, so that nothing is written without holding it.

        Raises `StoreError` if the store does not answer.
        """
        now = time.monotonic()
        if self._renewed is None or now - self._renewed > self.seconds * 2 / 3:
            self._renew()

    def renew_soon(self) -> None:
        """Renew now instead of later, so that `on_renewal` is called."""
        self._wake.set()

    def end(self) -> None:
        """Stop renewing, and release the lease so that others can take over at once."""
        self._closed = True
        self._wake.set()
        with self._lock:
            held, self._renewed = self._renewed is not None, None
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(1)
        if held:
            try:
                self._store.hold_lease(self._owner, 0)
            except Exception as error:  # noqa: BLE001  # the executor is closed anyway
                text = describe(error)
                _log.info("the lease could not be released and will expire by itself: %s", text)

    def _renew(self) -> None:
        with self._lock:
            if self._closed:
                return
            begun = time.monotonic()
            self._store.hold_lease(self._owner, self.seconds)
            before, self._renewed = self._renewed, begun
        if before is not None and begun - before > self.seconds:
            self._lapsed()

    def _run(self) -> None:
        pause = self.seconds / 3
        while True:
            self._wake.wait(pause)
            if self._closed:
                return
            self._wake.clear()
            try:
                self._renew()
                self._on_renewal()
                pause = self.seconds / 3
            except BaseException as error:  # noqa: BLE001  # the thread must survive any error
                pause = min(1.0, self.seconds / 6)
                text = describe(error)
                _log.warning("the executor's lease could not be renewed; retrying: %s", text)
