"""Random workflows: small trees of commands, drawn by hypothesis, and what runs them.

A program is JSON, so it is the input of its workflow. Each call in it has a number of its own, and
each timer a duration of its own, by which events are recognized. Only calls that begin together
share a signal's name; so it never matters in which order one turn serves several branches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from inngest_nb import AsyncWorkflowContext, RetryPolicy, WorkflowContext
from inngest_nb.errors import ActivityError

Node = list[Any]
Activities = dict[str, Callable[..., Any]]

LEAVES = ["act", "act", "act", "retried", "sleep", "recv", "recv_within", "iter", "answer", "map"]
BRANCHES = ["seq", "gather", "group", "race", "timeout", "try", "listeners"]


class ProgramError(Exception):
    """What a program raises by itself."""


@st.composite
def programs(draw: Callable[..., Any], *, plain: bool) -> Node:
    """Draw a program; a plain one does one thing after the other."""
    return _Maker(draw, plain=plain).sequence(depth=3, name="s", most=5)


class _Maker:
    def __init__(self, draw: Callable[..., Any], *, plain: bool) -> None:
        self._draw = draw
        self._plain = plain
        self._count = 0

    def sequence(self, depth: int, name: str, *, most: int = 3, caught: bool = False) -> Node:
        size = self._draw(st.integers(1, most))
        return ["seq", [self._node(depth, name, caught=caught) for _ in range(size)]]

    def _node(self, depth: int, name: str, *, caught: bool) -> Node:
        branches = ["seq", "try"] if self._plain else BRANCHES
        kind = self._draw(st.sampled_from(LEAVES + (branches if depth else [])))
        return self._leaf(kind, name, caught=caught) or self._branch(kind, depth, name, caught)

    def _leaf(self, kind: str, name: str, *, caught: bool) -> Node | None:
        if kind == "act":
            return self._act(caught=caught)
        if kind == "retried":
            return self._act(caught=caught, most=3)
        if kind == "sleep":
            return ["sleep", self._seconds()]
        if kind == "recv":
            return ["recv", name, None]
        if kind == "recv_within":
            return ["recv", name, self._seconds()]
        if kind == "iter":
            return ["iter", name, self._draw(st.integers(1, 3))]
        if kind == "answer":
            what = self._draw(st.sampled_from(["version", "uuid", "random", "now"]))
            return ["answer", what, self._number(), self._act(caught=True)]
        if kind == "map":
            first = self._act(caught=caught, most=2)[1]
            items = [first]
            for _ in range(self._draw(st.integers(0, 3))):
                fails = self._draw(st.integers(0, first["attempts"] - 1))
                items.append({**first, "k": self._number(), "fails": fails})
            return ["map", items, self._draw(st.sampled_from([None, 1, 2]))]
        return None

    def _branch(self, kind: str, depth: int, name: str, caught: bool) -> Node:
        if kind == "seq":
            return self.sequence(depth - 1, name, caught=caught)
        if kind == "try":
            inner = self.sequence(depth - 1, name, caught=True)
            if self._draw(st.integers(0, 3)) == 0:
                inner[1].append(["raise", f"error {self._number()}"])
            return ["try", inner]
        if kind == "timeout":
            return ["timeout", self._seconds(), self.sequence(depth - 1, name, caught=caught)]
        if kind == "listeners":
            shared, count = self._name(), self._draw(st.integers(2, 3))
            return ["gather", [["recv", shared, None] for _ in range(count)]]
        parts = []
        for _ in range(self._draw(st.integers(2, 3))):
            part = self.sequence(depth - 1, self._name(), caught=caught)
            if kind == "race":  # so that no two can be over at once
                part[1].insert(0, self._act(caught=caught))
            parts.append(part)
        return [kind, parts]

    def _act(self, *, caught: bool, most: int = 1) -> Node:
        """Return an activity: how often it fails before it works, and how often it is tried."""
        attempts = self._draw(st.integers(1, most))
        doomed = self._draw(st.integers(0, 2 if caught else 11)) == 0
        limit = self._seconds() if self._draw(st.integers(0, 5)) == 0 else None
        return [
            "act",
            {
                "k": self._number(),
                "fails": attempts if doomed else attempts - 1,
                "attempts": attempts,
                "pause": self._seconds(),
                "kind": "work" if limit else self._draw(st.sampled_from(["work", "work_plainly"])),
                "limit": limit,
            },
        ]

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _name(self) -> str:
        return f"s{self._number()}"

    def _seconds(self) -> float:
        return float(self._draw(st.integers(1, 50)) + self._number() / 1000)


def names_in(program: Node) -> list[str]:
    """Return the names of all signals that a program receives."""
    if program[0] in ("recv", "iter"):
        return [program[1]]
    inner = [part for part in program[1:] if isinstance(part, list)]
    found = [
        name
        for part in inner
        for node in ([part] if part and isinstance(part[0], str) else part)
        if isinstance(node, list)
        for name in names_in(node)
    ]
    return sorted(set(found))


def policy_of(act: dict[str, Any]) -> RetryPolicy:
    return RetryPolicy(max_attempts=act["attempts"], initial_interval=act["pause"])


def workflow_of(activities: Activities, latest: int, *, plain: bool) -> Callable[..., Any]:
    """Return what runs programs with these activities, as code whose version is `latest`."""

    async def program(ctx: AsyncWorkflowContext, given: Node) -> Any:
        return await _Interpreter(ctx, activities, latest).run(given)

    def plain_program(ctx: WorkflowContext, given: Node) -> Any:
        return _PlainInterpreter(ctx, activities, latest).run(given)

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
    def __init__(self, ctx: AsyncWorkflowContext, activities: Activities, latest: int) -> None:
        self._ctx = ctx
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

    async def _timeout(self, seconds: float, part: Node) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await self.run(part)
        except TimeoutError:
            return "too late"

    async def _try(self, part: Node) -> Any:
        try:
            return await self.run(part)
        except ActivityError as error:
            return ["failed", str(error)]
        except ProgramError as error:
            return ["failed", f"ProgramError: {error}"]

    async def _raise(self, text: str) -> None:
        raise ProgramError(text)


class _PlainInterpreter:
    def __init__(self, ctx: WorkflowContext, activities: Activities, latest: int) -> None:
        self._ctx = ctx
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

    def _seq(self, parts: list[Node]) -> Any:
        return [self.run(part) for part in parts]

    def _try(self, part: Node) -> Any:
        try:
            return self.run(part)
        except ActivityError as error:
            return ["failed", str(error)]
        except ProgramError as error:
            return ["failed", f"ProgramError: {error}"]

    def _raise(self, text: str) -> None:
        raise ProgramError(text)
