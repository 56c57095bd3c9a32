"""The functions of the app `nb-lab`, whose executor requests were recorded, written anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import inngest

# Called with a run's id and a step's name while the step runs: how long that takes.
Pace = Callable[[str, str], Awaitable[None]]

_VALUES = {"nested": {"a": {"b": [1, {"c": None}]}, "data": {"x": 1}}, "bigint": 2**60 + 1}


def lab_functions(client: inngest.Inngest, pace: Pace) -> list[inngest.Function[Any]]:
    """Make the functions; `pace` says how long each step takes."""

    def function(fn_id: str, event: str, retries: int = 0, **more: Any) -> Any:
        trigger = inngest.TriggerEvent(event=f"lab/{event}")
        return client.create_function(fn_id=fn_id, trigger=trigger, retries=retries, **more)

    async def run(ctx: inngest.Context, name: str, value: Any) -> Any:
        async def work() -> Any:
            await pace(ctx.run_id, name)
            if isinstance(value, Exception):
                raise value
            return value

        return await ctx.step.run(name, work)

    @function("waiter", "wait")
    async def waiter(ctx: inngest.Context) -> Any:
        event = await ctx.step.wait_for_event(
            "wait-for-approval",
            event="lab/approve",
            if_exp="event.data.key == async.data.key",
            timeout=timedelta(seconds=ctx.event.data["timeout"]),
        )
        if event is None:
            return {"approved": False, "reason": "timeout"}
        return {"approved": True, "by": event.data["by"]}

    @function("square", "square")
    async def square(ctx: inngest.Context) -> Any:
        return await run(ctx, "calc", ctx.event.data["n"] ** 2)

    @function("invoker", "invoke")
    async def invoker(ctx: inngest.Context) -> Any:
        data = {"n": ctx.event.data["n"]}
        return {"result": await ctx.step.invoke("call-square", function=square, data=data)}

    @function("order-pipeline", "order.placed", 2)
    async def order_pipeline(ctx: inngest.Context) -> Any:
        order, items = ctx.event.data["order_id"], ctx.event.data["items"]
        valid = await run(ctx, "validate", {"ok": True, "items": items})
        price = await run(ctx, "price", {"total": 10 * items, "currency": "EUR"})
        skus = await run(ctx, "reserve", [f"sku-{n + 1}" for n in range(items)])
        charge = await run(ctx, "charge", f"ch_{order}")
        await run(ctx, "email", None)
        ended = {"order_id": order, "valid": valid["ok"], "total": price["total"]}
        return ended | {"skus": skus, "charge": charge}

    async def note_failure(ctx: inngest.Context) -> Any:
        return await run(ctx, "note-failure", "noted")

    @function("hard-fail", "hardfail", 3, on_failure=note_failure)
    async def hard_fail(ctx: inngest.Context) -> Any:
        raise inngest.NonRetriableError("bad input, will not retry")

    @function("fan-out", "parallel")
    async def fan_out(ctx: inngest.Context) -> Any:
        def part(n: int) -> Callable[[], Awaitable[Any]]:
            return lambda: run(ctx, f"part-{n}", {"i": n, "sq": n * n})

        parts = await ctx.group.parallel(tuple(part(n) for n in range(4)))
        return {"sum": sum(each["sq"] for each in parts)}

    @function("sleeper", "sleep")
    async def sleeper(ctx: inngest.Context) -> Any:
        seconds = ctx.event.data["seconds"]
        await run(ctx, "first", "before")
        await ctx.step.sleep("nap", timedelta(seconds=seconds))
        await run(ctx, "last", "after")
        return {"slept": seconds}

    @function("long-job", "long")
    async def long_job(ctx: inngest.Context) -> Any:
        await run(ctx, "start", {"started": ctx.event.data["job_id"]})
        await ctx.step.sleep("long-nap", timedelta(hours=1))

    @function("flaky", "flaky", 3)
    async def flaky(ctx: inngest.Context) -> Any:
        failure = inngest.RetryAfterError(f"attempt {ctx.attempt} failed", timedelta(seconds=1))
        value = failure if ctx.attempt < 2 else {"succeeded_on_attempt": ctx.attempt}
        return await run(ctx, "maybe", value)

    @function("outputs", "outputs")
    async def outputs(ctx: inngest.Context) -> Any:
        value = _VALUES[ctx.event.data["kind"]]
        await run(ctx, "value", value)
        return value

    @function("always-fails", "fail", 1)
    async def always_fails(ctx: inngest.Context) -> Any:
        await run(ctx, "before", "fine")
        failure = ValueError("boom: value out of range")
        if ctx.event.data.get("fast"):
            failure = inngest.RetryAfterError("quick boom", timedelta(seconds=1))
        await run(ctx, "bad-step", failure)

    @function("sender", "send")
    async def sender(ctx: inngest.Context) -> Any:
        return await ctx.step.send_event("notify", inngest.Event(name="lab/notified"))

    @function("batcher", "batch")
    async def batcher(ctx: inngest.Context) -> Any:
        return {"n": len(ctx.events)}

    return [
        waiter,
        square,
        invoker,
        order_pipeline,
        hard_fail,
        fan_out,
        sleeper,
        long_job,
        flaky,
        outputs,
        always_fails,
        sender,
        batcher,
    ]
