"""Workflows that end alike on every engine, whatever the order in which their calls end."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dates
import itertools
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import ordered_workflows as ordered
from pydantic import BaseModel
from replayed_workflows import WORKFLOWS as REPLAYED
from replayed_workflows import fail
from small_workflows import add_one, async_sum, double, plain_sum, refuse, waits_for_ever

from inngest_nb import ActivityContext, AsyncWorkflowContext, RetryPolicy, Signal, WorkflowContext
from inngest_nb.errors import ActivityError, ChildWorkflowError

FAST = RetryPolicy(max_attempts=3, initial_interval=0.01)


class Try(NamedTuple):
    """A workflow, what it is given, and the children that it may call."""

    fn: Callable[..., Any]
    given: Any = None
    signals: Sequence[Signal] = ()
    children: Sequence[Callable[..., Any]] = ()


# Calls beside each other


async def names_of(numbers: list[int]) -> list[str]:
    return [f"no {number}" for number in numbers]


async def works_on_second(ctx: ActivityContext, given: int) -> int:
    if ctx.attempt < 2:
        raise ValueError(f"not yet {given}")
    return given


async def retries_beside_each_other(ctx: AsyncWorkflowContext) -> Any:
    calls = [ctx.execute_activity(works_on_second, n, retry=FAST) for n in range(5)]
    calls.append(ctx.execute_activity(fail, 7, retry=FAST))
    values = await asyncio.gather(*calls, return_exceptions=True)
    return [str(value) for value in values]


async def group_that_fails(ctx: AsyncWorkflowContext) -> Any:
    undone: list[Any] = []
    why = ""

    async def part(number: int) -> None:
        try:
            await ctx.receive_signal("never")
        finally:
            undone.append(await ctx.execute_activity(double, number))

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(part(number))
            await ctx.execute_activity(refuse, "no")
    except* ActivityError as errors:
        why = str(errors.exceptions[0])
    return [*sorted(undone), why]


async def shielded(ctx: AsyncWorkflowContext) -> Any:
    inner = asyncio.ensure_future(ctx.execute_activity(double, 4))
    outer = asyncio.ensure_future(asyncio.shield(inner))
    await ctx.execute_activity(add_one, 1)
    outer.cancel()
    return await inner


async def map_that_fails(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.map(fail, [5], concurrency=2)


def plain_map(ctx: WorkflowContext) -> Any:
    return [*ctx.map(double, range(7), concurrency=3), *ctx.map(add_one, range(4))]


async def steps_of_futures(ctx: AsyncWorkflowContext) -> Any:
    ready = asyncio.Event()
    lock, queue = asyncio.Lock(), asyncio.Queue[int]()

    async def feeds() -> None:
        for number in range(3):
            async with lock:
                queue.put_nowait(await ctx.execute_activity(double, number))
        ready.set()

    async def takes() -> list[int]:
        return [await queue.get() for _ in range(3)]

    _, taken = await asyncio.gather(feeds(), takes())
    await ready.wait()
    return taken


async def many_stages(ctx: AsyncWorkflowContext) -> Any:
    async def lane(number: int) -> int:
        for _ in range(4):
            number = await ctx.execute_activity(add_one, number)
        return number

    return await asyncio.gather(*(lane(10 * n) for n in range(4)))


# Time


async def sleeps_beside_work(ctx: AsyncWorkflowContext) -> Any:
    begun = ctx.now()

    async def naps(seconds: float) -> bool:
        await ctx.sleep(seconds)
        return (ctx.now() - begun).total_seconds() >= seconds

    return await asyncio.gather(*map(naps, (0.02, 0.01, 0.03)), ctx.execute_activity(double, 1))


async def is_too_late(ctx: AsyncWorkflowContext) -> Any:
    try:
        async with asyncio.timeout(0.01):
            await ctx.receive_signal("never")
    except TimeoutError:
        return await ctx.execute_activity(add_one, 1)


async def is_in_time(ctx: AsyncWorkflowContext) -> Any:
    async with asyncio.timeout(1000):
        first = await ctx.execute_activity(add_one, 1)
    return await asyncio.wait_for(ctx.execute_activity(double, first), 1000)


def sleeps_plainly(ctx: WorkflowContext) -> Any:
    begun = ctx.now()
    ctx.sleep(0.02)
    return (ctx.now() - begun).total_seconds() >= 0.02


# Errors


async def raises(ctx: AsyncWorkflowContext, text: str) -> None:
    await ctx.execute_activity(double, 1)
    raise LookupError(text)


def raises_plainly(ctx: WorkflowContext, text: str) -> None:
    ctx.execute_activity(double, 1)
    raise LookupError(text)


async def fails_after_retries(ctx: AsyncWorkflowContext) -> None:
    await ctx.execute_activity(fail, 4, retry=FAST)


async def returns_what_no_json_has(ctx: AsyncWorkflowContext) -> Any:
    return object()


async def gives_what_no_json_has(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.execute_activity(object_of, 1)


async def object_of(number: int) -> Any:
    return object()


async def reads_a_clock(ctx: AsyncWorkflowContext) -> None:
    await asyncio.to_thread(print, "never")


def uses_it_in_an_activity(ctx: WorkflowContext) -> Any:
    def inside() -> None:
        ctx.sleep(1)

    return ctx.execute_activity(inside)


# Signals


async def takes_signals(ctx: AsyncWorkflowContext) -> Any:
    seen = [await ctx.receive_signal("a") for _ in range(2)]
    seen.append(await ctx.execute_activity(double, 1))
    seen.append(await ctx.receive_signal("b"))
    both = await asyncio.gather(ctx.receive_signal("a"), ctx.receive_signal("a"))
    async for payload in ctx.signals("a"):
        seen.append(payload)
        if payload == 4:
            break
    return [*seen, *both]


def takes_signals_plainly(ctx: WorkflowContext) -> Any:
    seen = [ctx.receive_signal("a") for _ in range(2)]
    seen.append(ctx.execute_activity(double, 1))
    seen.append(ctx.receive_signal("b", timeout=10**6))
    seen += [ctx.receive_signal("a"), ctx.receive_signal("a")]
    return [*seen, *itertools.islice(ctx.signals("a"), 4)]


AB = [Signal("a", 1), Signal("a", 2), Signal("b", "x"), Signal("a", 3), Signal("a", 4)]


# Children


async def doubles(ctx: AsyncWorkflowContext, number: int) -> int:
    return await ctx.execute_activity(double, number)


def doubles_plainly(ctx: WorkflowContext, number: int) -> int:
    return ctx.execute_activity(double, number)


async def breaks(ctx: AsyncWorkflowContext, why: str) -> None:
    await ctx.execute_activity(double, 1)
    raise ValueError(why)


async def calls_children(ctx: AsyncWorkflowContext) -> Any:
    one = await ctx.execute_workflow(doubles, 2)
    return [one, *await asyncio.gather(*(ctx.execute_workflow(doubles, n) for n in range(4)))]


def calls_children_plainly(ctx: WorkflowContext) -> Any:
    one = ctx.execute_workflow(doubles_plainly, 2, id="mine")
    return [one, ctx.execute_workflow(doubles, one)]


async def calls_nested(ctx: AsyncWorkflowContext) -> Any:
    return [await ctx.execute_workflow(calls_children), await ctx.execute_activity(add_one, 1)]


async def calls_what_breaks(ctx: AsyncWorkflowContext) -> Any:
    try:
        await ctx.execute_workflow(breaks, "so it is", id="child")
    except ChildWorkflowError as error:
        return [str(error), error.error, error.child_id, error.attempts]


def fails_with_its_child(ctx: WorkflowContext) -> Any:
    return ctx.execute_workflow(breaks, "so it is", id="child")


async def calls_within(ctx: AsyncWorkflowContext) -> Any:
    try:
        await ctx.execute_workflow(waits_for_ever, id="child", timeout=0.05)
    except ChildWorkflowError as error:
        return str(error)


async def drops_a_child(ctx: AsyncWorkflowContext) -> Any:
    call = asyncio.ensure_future(ctx.execute_workflow(waits_for_ever))
    await ctx.execute_activity(double, 1)
    call.cancel()
    await asyncio.wait([call])
    return [call.cancelled(), await ctx.execute_activity(add_one, 2)]


async def leaves_a_child(ctx: AsyncWorkflowContext) -> Any:
    asyncio.ensure_future(ctx.execute_workflow(waits_for_ever))  # noqa: RUF006  # canceled with it
    return await ctx.execute_activity(double, 4)


# Types


@dataclasses.dataclass
class Line:
    sku: str
    price: Decimal


class Receipt(BaseModel):
    lines: list[Line]
    paid: dates.date


def charge(line: Line) -> Receipt:
    return Receipt(lines=[Line(line.sku, line.price * 2)], paid=dates.date(2026, 1, 2))


async def types_child(ctx: AsyncWorkflowContext, line: Line) -> Receipt:
    assert isinstance(line, Line)
    return await ctx.execute_activity(charge, line)


async def types(ctx: AsyncWorkflowContext, line: Line) -> Receipt:
    receipt = await ctx.execute_activity(charge, line)
    assert receipt.lines == [Line(line.sku, line.price * 2)]
    again = await ctx.execute_workflow(types_child, receipt.lines[0])
    assert again.lines[0].price == line.price * 4
    return again


def types_plainly(ctx: WorkflowContext, line: Line) -> list[Line]:
    receipt = ctx.execute_activity(charge, line)
    return receipt.lines


async def misfits(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.execute_activity(charge, {"sku": 1}, retry=FAST)


async def lies(number: int) -> Receipt:
    return {"lines": number}  # type: ignore[return-value]


async def is_lied_to(ctx: AsyncWorkflowContext) -> Any:
    return await ctx.execute_activity(lies, 1)


LINE = {"sku": "tea", "price": "1.10"}

TRIES: dict[str, Try] = {
    each.fn.__name__: each
    for each in (
        *(Try(fn, *rest) for name, (fn, *rest) in REPLAYED.items() if name != "everything"),
        *(Try(fn) for fn in ordered.WORKFLOWS),
        Try(async_sum, [1, 2, 3]),
        Try(plain_sum, [1, 2, 3]),
        Try(retries_beside_each_other),
        Try(group_that_fails),
        Try(shielded),
        Try(map_that_fails),
        Try(plain_map),
        Try(steps_of_futures),
        Try(many_stages),
        Try(sleeps_beside_work),
        Try(is_too_late),
        Try(is_in_time),
        Try(sleeps_plainly),
        Try(raises, "gone"),
        Try(raises_plainly, "gone"),
        Try(fails_after_retries),
        Try(returns_what_no_json_has),
        Try(gives_what_no_json_has),
        Try(reads_a_clock),
        Try(uses_it_in_an_activity),
        Try(takes_signals, None, AB),
        Try(takes_signals_plainly, None, AB),
        Try(calls_children, children=[doubles]),
        Try(calls_children_plainly, children=[doubles, doubles_plainly]),
        Try(calls_nested, children=[calls_children, doubles]),
        Try(calls_what_breaks, children=[breaks]),
        Try(fails_with_its_child, children=[breaks]),
        Try(calls_within, children=[waits_for_ever]),
        Try(drops_a_child, children=[waits_for_ever]),
        Try(leaves_a_child, children=[waits_for_ever]),
        Try(types, LINE, children=[types_child]),
        Try(types_plainly, LINE),
        Try(misfits),
        Try(is_lied_to),
    )
}
