"""An async store, or API, behind the blocking verbs of the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from inngest_nb import AsyncInngestAPI, AsyncInngestStore


class Blocking:
    """An async client behind blocking verbs: each runs on one loop in a thread of its own."""

    def __init__(self, store: AsyncInngestStore | AsyncInngestAPI) -> None:
        self._store = store
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._wait(getattr(self._store, name)(*args, **kwargs))

    def close(self) -> None:
        self._wait(self._store.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
