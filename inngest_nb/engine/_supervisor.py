"""Takes over what nobody runs: a thread that looks at the store now and then."""

from __future__ import annotations

import logging
import random
import threading
import weakref
from collections.abc import Callable

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
