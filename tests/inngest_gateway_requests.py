"""Executor requests that a connected worker has not answered yet, and their leases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from inngest.connect._internal import connect_pb2 as pb
from inngest_engine_runs import uuid_of
from inngest_engine_transport import Answer, WorkerLostError
from inngest_gateway_frames import new_ulid

from inngest_nb.engine.threads._loop import Clock, Timer

STOPPED = "connect_worker_stopped_responding"

_STATUS = {pb.SDKResponseStatus.DONE: 200, pb.SDKResponseStatus.NOT_COMPLETED: 206}


class Request:
    """One executor request; `answer` ends with the worker's reply or when the lease runs out."""

    def __init__(self, data: pb.GatewayExecutorRequestData) -> None:
        self.data = data
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.lease: Timer | None = None
        # The caller may be gone by then, as with a run that was canceled.
        self.answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())


class OpenRequests:
    """Requests by id, each with a lease that its worker has to extend in time.

    What happens to the socket does not matter here: as on the real server, a reply and an extension
    count from whichever connection they come, and a worker is only lost when its lease runs out.
    """

    def __init__(self, clock: Clock, lease: float, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._lease = timedelta(seconds=lease)
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, Request] = {}

    def open(self, app: str, function: str, step: str, body: dict[str, Any]) -> Request:
        """Put a request down and start its lease."""
        ctx = body["ctx"]
        request_id = ctx["request_id"]
        request = Request(
            pb.GatewayExecutorRequestData(
                request_id=request_id,
                account_id="00000000-0000-4000-a000-000000000000",
                env_id="00000000-0000-4000-b000-000000000000",
                app_id=uuid_of(app),
                app_name=app,
                function_id=ctx["fn_id"],
                function_slug=function,
                step_id=step,
                request_payload=json.dumps(body).encode(),
                run_id=ctx["run_id"],
                job_id=ctx["job_id"],
            )
        )
        self._open[request_id] = request
        self._start_lease(request)
        return request

    def extend(self, asked: pb.WorkerRequestExtendLeaseData) -> str | None:
        """Return the id of the new lease; None if the request or the lease is no longer known."""
        request = self._open.get(asked.request_id)
        if request is None or request.data.lease_id != asked.lease_id:
            return None
        self._start_lease(request)
        return request.data.lease_id

    def close(self, reply: pb.SDKResponse) -> None:
        """Hand a reply to who waits for it; one that comes late is dropped."""
        request = self._open.pop(reply.request_id, None)
        if request is not None:
            self._stop_lease(request)
            request.answer.set_result(_answer(reply))
            self._changed()

    def forget(self, request: Request) -> None:
        """Drop a request that no worker has received."""
        self._stop_lease(request)
        self._open.pop(request.data.request_id, None)

    def lose_all(self) -> None:
        """Lose every request, as when the server ends."""
        for request_id, request in list(self._open.items()):
            self._lose(request_id, request.data.lease_id)

    def _start_lease(self, request: Request) -> None:
        end = self._clock.now() + self._lease
        lease_id = request.data.lease_id = new_ulid(end)
        request_id = request.data.request_id
        self._stop_lease(request)
        request.lease = self._clock.call_at(end, lambda: self._run_out(request_id, lease_id))

    def _stop_lease(self, request: Request) -> None:
        if request.lease is not None:
            request.lease.cancel()

    def _run_out(self, request_id: str, lease_id: str) -> None:
        """In whichever thread the clock calls."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._lose, request_id, lease_id)

    def _lose(self, request_id: str, lease_id: str) -> None:
        request = self._open.get(request_id)
        if request is None or request.data.lease_id != lease_id:
            return  # answered, or extended in time
        del self._open[request_id]
        self._stop_lease(request)
        request.answer.set_exception(WorkerLostError("the worker stopped responding", code=STOPPED))
        self._changed()


def _answer(reply: pb.SDKResponse) -> Answer:
    """Return a reply as the answer that HTTP serve gives."""
    headers = {
        "x-inngest-sdk": reply.sdk_version,
        "x-inngest-req-version": str(reply.request_version),
    }
    if reply.no_retry:
        headers["x-inngest-no-retry"] = "true"
    if reply.HasField("retry_after"):
        headers["retry-after"] = reply.retry_after
    return Answer(_STATUS.get(reply.status, 500), headers, json.loads(reply.body or b"null"))
