"""A gateway without an engine: a test asks the connected workers itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Self

import inngest
from canned_server import Answer as Response
from canned_server import CannedServer, Seen
from inngest_engine_transport import Answer
from inngest_gateway import InngestGateway
from inngest_gateway_frames import Frame, new_ulid


class Site:
    """A gateway with the little of a server that connect needs, and an executor that asks it."""

    def __init__(self, **settings: Any) -> None:
        self.registered: dict[str, list[str]] = {}
        self.synced: dict[str, dict[str, Any]] = {}
        self.mounted: dict[str, Callable[[Seen], Response | None]] = {}
        self.gateway = InngestGateway(self, **settings)
        self._http = CannedServer(lambda seen: self.mounted["/v0/connect/"](seen))
        self.url = self._http.url
        self._pool = ThreadPoolExecutor(8)

    def __enter__(self) -> Self:
        self.gateway.__enter__()
        self._http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.__exit__()
        self._http.__exit__()
        self._pool.shutdown()

    def register(self, app: str, functions: Iterable[dict[str, Any]], transport: Any) -> None:
        self.registered[app] = [function["id"] for function in functions]

    def sent(self) -> list[Frame]:
        """The executor requests that workers got."""
        frames = list(self.gateway.frames)
        return [frame for frame in frames if frame.kind == "GATEWAY_EXECUTOR_REQUEST"]

    def kinds(self) -> list[str]:
        """The kinds of all frames, in order."""
        return [frame.kind for frame in list(self.gateway.frames)]

    def unregister(self, transport: Any) -> None:
        self.registered.clear()

    def note_sync(self, app: str, **about: Any) -> None:
        self.synced[app] = about

    def ask(self, function: str, step: str = "step", body: Any = None) -> Future[Answer]:
        """Put a request to a worker, once there is one."""
        self.gateway.wait_until(lambda: self.gateway.workers)
        return self.ask_now(function, step, body)

    def ask_now(self, function: str, step: str = "step", body: Any = None) -> Future[Answer]:
        call = self.gateway.call(function, step, body or request_of(function))
        return self._pool.submit(asyncio.run, call)


class Bench:
    """A function of one step, which ends when it is let go; `begun` counts how often it began."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.stopped = threading.Event()

    def functions(
        self, client: inngest.Inngest, retries: int = 4
    ) -> Sequence[inngest.Function[Any]]:
        trigger = inngest.TriggerEvent(event="slow")

        @client.create_function(fn_id="slow", trigger=trigger, retries=retries)
        async def slow(ctx: inngest.Context) -> Any:
            return await ctx.step.run("work", self._work)

        return [slow]

    async def _work(self) -> str:
        self.begun.release()
        try:
            await asyncio.to_thread(self.go.wait, 120)
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        return "worked"


def request_of(function: str) -> dict[str, Any]:
    """An executor's first request about a new run."""
    event = {"data": {"workflow_id": "w"}, "id": "e", "name": function, "ts": 0, "user": {}}
    ctx = {
        "attempt": 0,
        "disable_immediate_execution": False,
        "env": "",
        "fn_id": function,
        "job_id": "j",
        "max_attempts": 5,
        "request_id": new_ulid(datetime.now(UTC)),
        "run_id": "01M8GNJ510A3GPJFCGHHRGB2P8",
        "stack": {"current": 0, "stack": []},
        "step_id": "step",
        "use_api": False,
    }
    return {
        "ctx": ctx,
        "event": event,
        "events": [event],
        "steps": {},
        "use_api": False,
        "version": -1,
    }
