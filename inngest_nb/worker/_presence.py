"""Whether a worker is with its server; says once that the server is away, and once that it is back.

Others ask from any thread; only the worker's own thread changes it.
"""

from __future__ import annotations

import logging
import threading
from typing import Literal

from inngest_nb.errors import InngestAuthError, InngestError, NotInngestError

State = Literal["connecting", "active", "away", "closed"]

# At first, these are for whoever serves: a wrong key, a wrong address.
_REFUSALS = (InngestAuthError, NotInngestError)

_log = logging.getLogger("inngest_nb.worker")


class Presence:
    """The state of a worker, and why it is away.

    What it says is a warning in the log `inngest_nb.worker`: unless logging is configured, Python
    writes warnings to stderr, which cells and terminals show.
    """

    def __init__(self, app_id: str, url: str) -> None:
        self.state: State = "connecting"
        self.error: InngestError | None = None  # why it is away
        self.refusal: BaseException | None = None  # why it could not begin, or ended by itself
        self.port: int | None = None  # on which it listens, if it does
        self._app_id, self._url = app_id, url
        self._settled = threading.Event()
        self._ended = threading.Event()

    def active(self) -> None:
        """Note that the server has the functions and can call them."""
        if self.state == "away":
            _log.warning("worker %r: %s is back; serving again", self._app_id, self._url)
        self.error = None
        self._become("active")

    def away(self, error: InngestError) -> None:
        """Note why the server cannot be used; the worker tries again until it can."""
        if isinstance(error, _REFUSALS) and not self._settled.is_set():
            self.refusal = error
        elif self.refusal is None and (self.state != "away" or type(error) is not type(self.error)):
            _log.warning("worker %r waits for its server: %s", self._app_id, error)
        self.error = error
        self._become("away")

    def closing(self) -> None:
        """Note that the worker takes no more work."""
        self._become("closed")

    def ended(self, error: BaseException | None = None) -> None:
        """Note that nothing of the worker runs any more, and the error that ended it, if any."""
        self.refusal = self.refusal or error
        self._become("closed")
        self._ended.set()

    def wait_settled(self, seconds: float) -> None:
        """Wait until it is known whether the server can be used; later refusals are waited for."""
        self._settled.wait(seconds)
        self._settled.set()

    def wait_ended(self, seconds: float | None = None) -> bool:
        """Wait until nothing runs any more; False if something still does after so many seconds."""
        return self._ended.wait(seconds)

    def _become(self, state: State) -> None:
        if self.state != "closed":
            self.state = state
        self._settled.set()
