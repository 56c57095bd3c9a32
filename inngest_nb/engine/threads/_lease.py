"""The lease of an executor: one small row of the store, renewed by a thread of its own.

A lease alone stops nobody who was only slow. What stops him is that each write of a run builds on
the one before it: after somebody else has taken over, the store refuses his next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from inngest_nb.engine.history._appender import Appender
from inngest_nb.errors import StoreError
from inngest_nb.store import SharedStore, Write

_log = logging.getLogger("inngest_nb.engine")


class Leased:
    """Writes, each batch of them only while the executor's lease is held."""

    def __init__(self, appender: Appender, ensure: Callable[[], None]) -> None:
        self._appender = appender
        self._ensure = ensure

    def append_history(self, writes: Sequence[Write]) -> Sequence[BaseException | None]:
        """Do writes, and return what went wrong with each, or None; those are durable."""
        try:
            self._ensure()
        except Exception as error:  # noqa: BLE001  # the runs tell it
            return [error] * len(writes)
        return self._appender.append_history(writes)


class Lease:
    """Holds an executor's lease for as long as its process lives, whatever else is busy.

    `lapsed` is called, in the thread that renews, when the lease has been renewed only after its
    end: others may have taken over runs meanwhile. `on_renewal` is called there after each renewal.
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
        """Begin to renew; again is no error."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="inngest-nb-lease", daemon=True)
            self._thread.start()

    def ensure(self) -> None:
        """Return when the lease is held: nothing is written in the name of a nobody.

        Raises `StoreError` if the store does not answer.
        """
        now = time.monotonic()
        if self._renewed is None or now - self._renewed > self.seconds * 2 / 3:
            self._renew()

    def renew_soon(self) -> None:
        """Renew now, for the sake of what is done after it."""
        self._wake.set()

    def end(self) -> None:
        """Renew no more, and let others take over at once."""
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
            except StoreError as error:
                _log.info("the lease of a closed executor ends by itself: %s", error)

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
            except Exception as error:  # noqa: BLE001  # the thread outlives whatever it meets
                pause = min(1.0, self.seconds / 6)
                _log.warning(
                    "the executor's lease could not be renewed, and is tried again: %s", error
                )
