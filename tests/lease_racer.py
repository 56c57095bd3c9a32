"""Executors that race for the same runs: on a sign, each of them in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from inngest_nb import (
    AsyncWorkflowContext,
    Executor,
    InngestStore,
    Signal,
    SqliteStore,
    WorkflowContext,
    WorkflowHandle,
    WorkflowStore,
)
from inngest_nb.engine import Workflows
from inngest_nb.errors import (
    EngineError,
    LeaseLostError,
    StoreConflictError,
    WorkflowLeasedError,
    WorkflowNotHereError,
    WorkflowNotRunningError,
)

# What the one that comes too late may get, depending on how late it is.
LOST = (
    LeaseLostError,
    StoreConflictError,
    WorkflowLeasedError,
    WorkflowNotHereError,
    WorkflowNotRunningError,
)
WAYS = ("execute", "resume", "recover")


class Racer:
    """What one racer does; each activity leaves a line in the log that all share."""

    def __init__(self, name: str, log: str) -> None:
        self.name = name
        self._handles: list[WorkflowHandle] = []
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def close(self) -> None:
        os.close(self._log)

    def work(self, given: Any) -> str:
        os.write(self._log, json.dumps([given, self.name]).encode() + b"\n")
        return self.name

    def workflow(self, kind: str) -> Callable[..., Any]:
        async def job(ctx: AsyncWorkflowContext) -> Any:
            mark = await ctx.execute_activity(self.work, ctx.workflow_id)
            await ctx.receive_signal(f"go {self.name}")
            return [mark, await ctx.execute_activity(self.work, ctx.workflow_id)]

        def plain_job(ctx: WorkflowContext) -> Any:
            mark = ctx.execute_activity(self.work, ctx.workflow_id)
            ctx.receive_signal(f"go {self.name}")
            return [mark, ctx.execute_activity(self.work, ctx.workflow_id)]

        return plain_job if kind == "plain" else job

    def executor(self, store: WorkflowStore) -> Executor:
        """Return an executor that knows the code of both kinds."""
        code = Workflows()
        code.add(self.workflow("async"), "job", 1)
        code.add(self.workflow("plain"), "plain_job", 1)
        return Executor(store, workflows=code)

    def begin(self, executor: Executor, way: str, ids: list[str]) -> dict[str, str]:
        """Try to get each id; return by id why it was refused."""
        refused: dict[str, str] = {}
        if way == "recover":
            recovery = executor.recover()
            self._handles, refused = list(recovery.handles), recovery.left
            return dict.fromkeys(refused, WorkflowLeasedError.__name__)
        for workflow_id in ids:
            fn = self.workflow(workflow_id.split()[0])
            try:
                if way == "execute":
                    self._handles.append(executor.execute(fn, id=workflow_id))
                elif way == "resume":
                    self._handles.append(executor.resume(fn, workflow_id))
                else:
                    self._handles.append(executor.retry(workflow_id, fn))
            except LOST as error:
                refused[workflow_id] = type(error).__name__
            except EngineError as error:  # only a failed workflow can be retried
                assert "not failed" in str(error)  # noqa: PT017
                refused[workflow_id] = type(error).__name__
        return refused

    def end(self, executor: Executor) -> dict[str, str]:
        """Go on with what was begun; return by id what came of it: "won", or the error's name."""
        found: dict[str, str] = {}
        for handle in self._handles:
            try:
                executor.signal(handle.id, Signal(f"go {self.name}"))
                assert handle.result(60) == [self.name, self.name]
                found[handle.id] = "won"
            except LOST as error:
                found[handle.id] = type(error).__name__
        self._handles.clear()
        return found


def open_store(place: str) -> WorkflowStore:
    return InngestStore(place) if place.startswith("http") else SqliteStore(place)


def main(name: str, place: str, log: str) -> None:
    """Read from stdin what to race for, and when to end; say on stdout what came of it."""
    racer = Racer(name, log)
    with open_store(place) as store, racer.executor(store) as executor:
        print("ready", flush=True)  # noqa: T201
        for line in sys.stdin:
            way, ids = json.loads(line)
            found = racer.begin(executor, way, ids) if ids else racer.end(executor)
            print(json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
