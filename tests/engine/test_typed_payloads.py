"""Functions get and give what they are annotated with; what does not fit says where."""

from __future__ import annotations

import dataclasses
import datetime as dates
import enum
import time
import uuid
from decimal import Decimal
from functools import partial
from typing import Any, TypedDict

import msgspec
import pytest
from crashes import Lives
from pydantic import BaseModel

import inngest_nb as inb
from inngest_nb import AsyncWorkflowContext, Executor, RetryPolicy, Signal, WorkflowContext
from inngest_nb.errors import WorkflowFailedError

KINDS = pytest.mark.parametrize("kind", ["async", "plain"])


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclasses.dataclass
class Line:
    sku: str
    price: Decimal


class Order(msgspec.Struct):
    number: int
    lines: list[Line]
    size: Size
    at: dates.datetime
    key: uuid.UUID


class Receipt(BaseModel):
    number: int
    paid: dates.date


class Parcel(TypedDict):
    receipts: list[Receipt]


ORDER = Order(
    number=42,
    lines=[Line("a", Decimal("1.10"))],
    size=Size.LARGE,
    at=dates.datetime(2026, 1, 2, tzinfo=dates.UTC),
    key=uuid.UUID(int=7),
)


def charge(order: Order) -> Receipt:
    assert order == ORDER
    return Receipt(number=order.number, paid=order.at.date())


async def pack(receipts: list[Receipt]) -> Parcel | None:
    assert all(isinstance(receipt, Receipt) for receipt in receipts)
    return {"receipts": receipts}


async def ships(ctx: AsyncWorkflowContext, order: Order) -> Receipt:
    assert order == ORDER
    receipt = await ctx.execute_activity(charge, order)
    assert receipt == Receipt(number=42, paid=dates.date(2026, 1, 2))
    parcel = await ctx.execute_activity(pack, [receipt])
    await ctx.receive_signal("go")
    return parcel["receipts"][0]


def ships_plainly(ctx: WorkflowContext, order: Order) -> Receipt:
    assert order == ORDER
    receipt = ctx.execute_activity(charge, order)
    assert receipt == Receipt(number=42, paid=dates.date(2026, 1, 2))
    parcel = ctx.execute_activity(pack, [receipt])
    ctx.receive_signal("go")
    return parcel["receipts"][0]


CODE = {"async": ships, "plain": ships_plainly}


def wait_until_it_waits(handle: inb.WorkflowHandle) -> None:
    deadline = time.monotonic() + 60
    while not handle.waiting_for:
        assert time.monotonic() < deadline, handle.state.error


@KINDS
def test_typed_payloads_are_the_same_live_and_in_a_replay(lives: Lives, kind: str) -> None:
    handle = lives.executor.execute(CODE[kind], id="w", input=ORDER)
    wait_until_it_waits(handle)
    handle = lives.crash_and_resume(handle, CODE[kind])
    wait_until_it_waits(handle)
    lives.executor.signal("w", Signal("go"))
    assert handle.result(60) == Receipt(number=42, paid=dates.date(2026, 1, 2))
    stored = lives.store.load("w")
    assert stored is not None
    assert stored.input["lines"] == [{"sku": "a", "price": "1.10"}]
    assert stored.result == {"number": 42, "paid": "2026-01-02"}


@KINDS
def test_a_child_gets_and_gives_what_it_is_annotated_with(executor: Executor, kind: str) -> None:
    async def child(ctx: AsyncWorkflowContext, order: Order) -> Order:
        return order

    async def parent(ctx: AsyncWorkflowContext) -> Any:
        found = await ctx.execute_workflow(child, ORDER)
        return found == ORDER

    def plain_parent(ctx: WorkflowContext) -> Any:
        return ctx.execute_workflow(child, ORDER) == ORDER

    assert executor.execute(parent if kind == "async" else plain_parent).result(60) is True


@KINDS
def test_an_input_that_fits_no_workflow_is_refused_before_anything_is_written(
    executor: Executor, kind: str
) -> None:
    with pytest.raises(inb.PayloadTypeError, match=r"'order', Order: .*\$\.lines\[0\]"):
        executor.execute(
            CODE[kind],
            id="w",
            input={"number": 1, "lines": [{"sku": 3}], "size": "s", "at": "x", "key": "y"},
        )
    assert executor.store.load("w") is None


def test_a_stored_input_that_fits_no_more_changes_nothing(lives: Lives) -> None:
    async def before(ctx: AsyncWorkflowContext, order: Any) -> None:
        await ctx.receive_signal("go")

    handle = lives.executor.execute(before, id="w", input={"number": "old"})
    wait_until_it_waits(handle)
    executor = lives.crash()
    stored = lives.store.load("w")
    with pytest.raises(inb.PayloadTypeError, match=r"Expected `int`, got `str` - at `\$\.number`"):
        executor.resume(ships, "w")
    assert lives.store.load("w") == stored


@KINDS
def test_an_input_that_fits_no_activity_fails_it_at_once(executor: Executor, kind: str) -> None:
    policy = RetryPolicy(max_attempts=None, initial_interval=0)

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(charge, {"number": "x"}, retry=policy)

    def plain_workflow(ctx: WorkflowContext) -> None:
        ctx.execute_activity(charge, {"number": "x"}, retry=policy)

    with pytest.raises(
        WorkflowFailedError,
        match=r"PayloadTypeError: the input of 'charge' does not match its parameter 'order', Order: "
        r"Expected `int`, got `str` - at `\$\.number`",
    ):
        executor.execute(workflow if kind == "async" else plain_workflow).result(60)


def test_a_result_that_is_not_what_was_promised_fails_the_activity(executor: Executor) -> None:
    def lies(_: Any) -> Receipt:
        return {"number": 1, "paid": "tomorrow"}  # type: ignore[return-value]

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(lies, 1)

    with pytest.raises(WorkflowFailedError, match="the result of 'lies' does not match"):
        executor.execute(workflow).result(60)


def test_what_json_gives_anyway_is_left_as_it_is(executor: Executor) -> None:
    """So an annotation that was wrong but harmless stays harmless."""

    def half(number: int) -> int:
        return number / 2  # type: ignore[return-value]

    def unknown(what: Nowhere) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
        return what

    def pairs(numbers: list[tuple[int, str]]) -> tuple[int, ...]:
        return tuple(number for number, _ in numbers)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return [
            await ctx.execute_activity(half, 2.5),
            await ctx.execute_activity(unknown, {"a": 1}),
            await ctx.execute_activity(pairs, [(1, "x")]),
        ]

    assert executor.execute(workflow).result(60) == [1.25, {"a": 1}, [1]]


def test_a_method_and_a_context_are_no_parameter_of_the_input(executor: Executor) -> None:
    class Till:
        def pay(self, ctx: inb.ActivityContext, order: Order) -> str:
            return type(order).__name__

        async def check(self, order: Order) -> str:
            return type(order).__name__

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        till = Till()
        return [await ctx.execute_activity(fn, ORDER) for fn in (till.pay, till.check)]

    assert executor.execute(workflow).result(60) == ["Order", "Order"]


def test_what_a_partial_has_got_already_is_no_parameter_of_the_input(executor: Executor) -> None:
    def note(prefix: str, ctx: inb.ActivityContext, order: Order) -> str:
        return f"{prefix} {type(order).__name__}"

    def count(order: Order, times: int) -> str:
        return f"{times} {type(order).__name__}"

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        partials = partial(note, "a"), partial(count, times=2)
        return [await ctx.execute_activity(fn, ORDER) for fn in partials]

    assert executor.execute(workflow).result(60) == ["a Order", "2 Order"]
