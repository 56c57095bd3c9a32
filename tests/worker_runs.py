"""Workflows on the executor stand-in: one worker in this process, called without a network."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from inngest._internal import comm_lib, server_lib
from inngest_engine import Answer, InngestEngine, Run
from sdk_app import client_of

from inngest_nb import AsyncInngestAPI, Signal, WorkflowState
from inngest_nb.engine.basics import name_of
from inngest_nb.engine.driven import DrivenEngine
from inngest_nb.worker._functions import functions_of
from inngest_nb.worker.steps import SIGNAL, Served, sealed

APP = "nb"


class DirectWorker:
    """Calls the SDK's handler as a web server would: `Transport` of the stand-in."""

    def __init__(
        self,
        inngest: InngestEngine,
        functions: Sequence[Callable[..., Any]],
        saw: Callable[[WorkflowState], None] | None = None,
    ) -> None:
        self._inngest = inngest
        self.engine = DrivenEngine(inngest.clock)
        self._api = AsyncInngestAPI(inngest.url)
        served = Served(self.engine, self._api, APP, frozenset(map(name_of, functions)), saw)
        client = client_of(APP, inngest.url)
        made = functions_of(client, functions, served, retries=4)
        self._handler = comm_lib.CommHandler(
            client=client,
            enable_unauthed_sync=None,
            framework=server_lib.Framework.FAST_API,
            functions=made,
            streaming=None,
        )
        configs = comm_lib.get_function_configs("http://direct", {fn.id: fn for fn in made})
        assert not isinstance(configs, Exception)
        inngest.register(APP, [config.to_dict() for config in configs], self)  # type: ignore[misc]

    async def call(self, function: str, step: str, body: dict[str, Any]) -> Answer:
        request = comm_lib.CommRequest(
            body=json.dumps(body).encode(),
            headers={},
            public_path=None,
            query_params={"fnId": function, "stepId": step},
            raw_request=None,
            request_url="http://direct/",
            serve_origin=None,
            serve_path=None,
        )
        said = await self._handler.post(request)
        return Answer(said.status_code, dict(said.headers), json.loads(json.dumps(said.body)))

    def close(self) -> None:
        self._inngest.unregister(self)
        asyncio.run_coroutine_threadsafe(self._close(), self._inngest.loop).result(60)
        self.engine.close()

    async def _close(self) -> None:
        await self._inngest.executor.close()  # requests of runs that have ended without them
        await self._api.aclose()


@contextmanager
def serving(
    *functions: Callable[..., Any], shuffle: random.Random | None = None, virtual: bool = True
) -> Iterator[InngestEngine]:
    """Serve workflow functions on a stand-in of their own."""
    with InngestEngine(virtual=virtual, shuffle=shuffle, retry_interval=1) as inngest:
        worker = DirectWorker(inngest, functions)
        try:
            yield inngest
        finally:
            worker.close()


def start(inngest: InngestEngine, fn: Callable[..., Any], given: Any = None, **more: Any) -> Run:
    """Start a workflow; return its run."""
    workflow_id = more.pop("id", None) or uuid4().hex
    data = {"workflow_id": workflow_id} | sealed("input", given) | more
    return inngest.invoke(f"{APP}-{name_of(fn)}", data)


def signal(inngest: InngestEngine, workflow_id: str, sent: Iterable[Signal]) -> None:
    """Send signals to a workflow, one after the other."""
    for each in sent:
        data = {"workflow_id": workflow_id, "signal_id": uuid4().hex}
        inngest.send(SIGNAL + each.name, data | sealed("payload", each.payload))
