"""A worker of the official SDK that is connected to a gateway, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

import inngest
from inngest.connect import ConnectionState, connect
from inngest.connect._internal import conn_init_starter, isolated_worker
from inngest.connect._internal.connect import connect_test_overrides
from inngest.connect._internal.connection import WorkerConnection

Functions = Callable[[inngest.Inngest], Sequence[inngest.Function[Any]]]
PATIENCE_S = 60.0


def hurry(monkeypatch: Any) -> None:
    """Let the SDK's pauses between attempts to connect, of seconds, be short."""
    monkeypatch.setattr(conn_init_starter, "CONN_INIT_RETRY_INTERVAL_SEC", 0.05)
    monkeypatch.setattr(isolated_worker, "POST_CONNECT_SETTLE_SEC", 0.05)
    monkeypatch.setattr(isolated_worker, "RECONNECTION_DELAY_SEC", 0.05)


class ConnectedWorker:
    """The worker, connected while the `with` block lasts; `failure` is what ended it otherwise."""

    def __init__(
        self,
        url: str,
        functions: Functions,
        *,
        app_id: str = "lab",
        instance: str = "w1",
        concurrency: int | None = None,
        extend: int | None = None,
        heartbeat: int | None = None,
        **settings: Any,
    ) -> None:
        logger = logging.getLogger("inngest.worker")
        settings = {"is_production": False, "logger": logger} | settings
        self._client = inngest.Inngest(
            app_id=app_id, api_base_url=url, event_api_base_url=url, **settings
        )
        self._functions = list(functions(self._client))
        self._instance, self._concurrency = instance, concurrency
        self._overrides = {"extend_lease_interval": extend, "heartbeat_interval_sec": heartbeat}
        self._started = threading.Event()
        self._connection: WorkerConnection | None = None
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"worker {instance}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state(self) -> ConnectionState:
        assert self._connection is not None
        return self._connection.get_state()

    def close(self) -> None:
        """Close as a worker does that is shut down: it pauses, ends its requests and leaves."""
        self.begin_to_close()
        self.join()

    def begin_to_close(self) -> None:
        assert self._connection is not None
        with contextlib.suppress(RuntimeError):  # its loop is closed: it ended of itself
            self._loop.call_soon_threadsafe(self._close)

    def join(self) -> None:
        """Wait until the worker has ended, of itself or not."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the worker does not end"

    def _close(self) -> None:
        assert self._connection is not None
        self._closing = asyncio.ensure_future(self._connection.close())

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001  # whatever the SDK raises
            self.failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        with connect_test_overrides(**self._overrides):
            self._connection = connect(
                [(self._client, self._functions)],
                instance_id=self._instance,
                max_worker_concurrency=self._concurrency,
                shutdown_signals=[],
            )
        self._started.set()
        await self._connection.start()
