"""The code of random programs: what runs the commands that a program is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from random_programs import Node

from inngest_nb import AsyncWorkflowContext, RetryPolicy, WorkflowContext
from inngest_nb.errors import ActivityError

Code = Callable[..., Any]
Activities = dict[str, Code]


class ProgramError(Exception):
    """What a program raises by itself."""


def said(error: BaseException) -> str:
    """Return what a program's error says of itself, as its outcome has it."""
    return f"ProgramError: {error}" if isinstance(error, ProgramError) else str(error)


def policy_of(act: dict[str, Any]) -> RetryPolicy:
    return RetryPolicy(max_attempts=act["attempts"], initial_interval=act["pause"])


def workflow_of(activities: Activities, latest: int, *, plain: bool) -> Callable[..., Any]:
    """Return what runs programs with these activities, as code whose version is `latest`."""

    async def program(ctx: AsyncWorkflowContext, given: Node) -> Any:
        return await _Interpreter(ctx, activities, latest, program).run(given)

    def plain_program(ctx: WorkflowContext, given: Node) -> Any:
        return _PlainInterpreter(ctx, activities, latest, plain_program).run(given)

    return plain_program if plain else program


def _answer(ctx: AsyncWorkflowContext | WorkflowContext, node: Node, latest: int) -> Any:
    answers: dict[str, Callable[[], Any]] = {
        "version": lambda: ctx.version(f"v{node[2]}", latest),
        "uuid": lambda: str(ctx.uuid()),
        "random": lambda: ctx.random().random(),
        "now": lambda: ctx.now().isoformat(),
    }
    return answers[node[1]]()


class _Interpreter:
    def __init__(
        self, ctx: AsyncWorkflowContext, activities: Activities, latest: int, itself: Code
    ) -> None:
        self._ctx = ctx
        self._itself = itself
        self._activities = activities
        self._latest = latest

    async def run(self, node: Node) -> Any:
        return await getattr(self, f"_{node[0]}")(*node[1:])

    async def _act(self, act: dict[str, Any], **more: Any) -> Any:
        fn, limit = self._activities[act["kind"]], act["limit"]
        given = {**act, **more}
        return await self._ctx.execute_activity(fn, given, retry=policy_of(act), timeout=limit)

    async def _answer(self, what: str, number: int, act: Node) -> Any:
        answer = _answer(self._ctx, ["answer", what, number], self._latest)
        return [answer, await self._act(act[1], answer=answer)]

    async def _map(self, acts: list[dict[str, Any]], concurrency: int | None) -> Any:
        first = acts[0]
        return await self._ctx.map(
            self._activities[first["kind"]],
            acts,
            concurrency=concurrency,
            retry=policy_of(first),
            timeout=first["limit"],
        )

    async def _child(self, number: int, part: Node, named: bool) -> Any:
        name = f"child {number}" if named else None
        return await self._ctx.execute_workflow(self._itself, part, name)

    async def _sleep(self, seconds: float) -> str:
        await self._ctx.sleep(seconds)
        return "slept"

    async def _recv(self, name: str, within: float | None) -> Any:
        try:
            return await self._ctx.receive_signal(name, within)
        except TimeoutError:
            return "nothing"

    async def _iter(self, name: str, count: int) -> Any:
        seen = []
        async for payload in self._ctx.signals(name):
            seen.append(payload)
            if len(seen) == count:
                break
        return seen

    async def _seq(self, parts: list[Node]) -> Any:
        return [await self.run(part) for part in parts]

    async def _gather(self, parts: list[Node]) -> Any:
        return list(await asyncio.gather(*map(self.run, parts)))

    async def _group(self, parts: list[Node]) -> Any:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.run(part)) for part in parts]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _race(self, parts: list[Node]) -> Any:
        tasks = [asyncio.ensure_future(self.run(part)) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        first = min(tasks.index(task) for task in done)
        return [first, tasks[first].result()]

    async def _completed(
        self, parts: list[Node], as_tasks: bool, after: list[dict[str, Any]] | None
    ) -> Any:
        async def numbered(number: int, part: Node) -> Any:
            return number, await self.run(part)

        runs: list[Any] = [numbered(number, part) for number, part in enumerate(parts)]
        if as_tasks:
            runs = [asyncio.ensure_future(run) for run in runs]
        values = []
        for each in asyncio.as_completed(runs):
            number, value = await each
            then = [await self._act(after[number])] if after else []
            values.append([number, value, *then])
        return values

    async def _wait(
        self, parts: list[Node], mode: str, own: bool, after: list[dict[str, Any]]
    ) -> Any:
        numbers = {asyncio.ensure_future(self.run(part)): n for n, part in enumerate(parts)}
        tasks = set(numbers)
        try:
            done, _ = await asyncio.wait(tasks, return_when=getattr(asyncio, mode))
        finally:
            for task in tasks:
                task.cancel()
        values = []
        for task in tasks if own else done:
            if task in done:
                number, error = numbers[task], task.exception()
                value = task.result() if error is None else ["failed", said(error)]
                values.append([number, value, await self._act(after[number])])
        return sorted(values, key=lambda value: value[0])

    async def _compensated(self, parts: list[Node], undo: list[dict[str, Any]]) -> Any:
        async def child(number: int, part: Node) -> Any:
            try:
                return await self.run(part)
            except asyncio.CancelledError:
                await self._act(undo[number])
                raise

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(child(n, part)) for n, part in enumerate(parts)]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _strings(self, acts: list[dict[str, Any]]) -> Any:
        named = {f"item {act['k']}": act for act in acts}
        values = []
        for name in set(named):
            values.append([named[name]["k"], await self._act(named[name])])
        return sorted(values)

    async def _timeout(self, seconds: float, part: Node) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await self.run(part)
        except TimeoutError:
            return "too late"

    async def _try(self, part: Node) -> Any:
        try:
            return await self.run(part)
        except (ActivityError, ProgramError) as error:
            return ["failed", said(error)]

    async def _raise(self, text: str) -> None:
        raise ProgramError(text)


class _PlainInterpreter:
    def __init__(
        self, ctx: WorkflowContext, activities: Activities, latest: int, itself: Code
    ) -> None:
        self._ctx = ctx
        self._itself = itself
        self._activities = activities
        self._latest = latest

    def run(self, node: Node) -> Any:
        return getattr(self, f"_{node[0]}")(*node[1:])

    def _act(self, act: dict[str, Any], **more: Any) -> Any:
        fn, limit = self._activities[act["kind"]], act["limit"]
        given = {**act, **more}
        return self._ctx.execute_activity(fn, given, retry=policy_of(act), timeout=limit)

    def _answer(self, what: str, number: int, act: Node) -> Any:
        answer = _answer(self._ctx, ["answer", what, number], self._latest)
        return [answer, self._act(act[1], answer=answer)]

    def _map(self, acts: list[dict[str, Any]], concurrency: int | None) -> Any:
        first = acts[0]
        return self._ctx.map(
            self._activities[first["kind"]],
            acts,
            concurrency=concurrency,
            retry=policy_of(first),
            timeout=first["limit"],
        )

    def _child(self, number: int, part: Node, named: bool) -> Any:
        name = f"child {number}" if named else None
        return self._ctx.execute_workflow(self._itself, part, name)

    def _sleep(self, seconds: float) -> str:
        self._ctx.sleep(seconds)
        return "slept"

    def _recv(self, name: str, within: float | None) -> Any:
        try:
            return self._ctx.receive_signal(name, within)
        except TimeoutError:
            return "nothing"

    def _iter(self, name: str, count: int) -> Any:
        seen = []
        for payload in self._ctx.signals(name):
            seen.append(payload)
            if len(seen) == count:
                break
        return seen

    def _strings(self, acts: list[dict[str, Any]]) -> Any:
        named = {f"item {act['k']}": act for act in acts}
        values = []
        for name in set(named):
            values.append([named[name]["k"], self._act(named[name])])
        return sorted(values)

    def _seq(self, parts: list[Node]) -> Any:
        return [self.run(part) for part in parts]

    def _try(self, part: Node) -> Any:
        try:
            return self.run(part)
        except (ActivityError, ProgramError) as error:
            return ["failed", said(error)]

    def _raise(self, text: str) -> None:
        raise ProgramError(text)
