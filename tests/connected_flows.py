"""The functions behind the recorded frames of connect, written for the official SDK."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import inngest
from inngest._internal.server_lib import Opcode, ParallelMode
from inngest._internal.step_lib import base

_FILE = Path(__file__).parent / "data" / "inngest" / "connect.jsonl"

APP = "nb-rec"
FRAMES: list[dict[str, Any]] = [
    json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()
]


def connected_flows(client: inngest.Inngest) -> list[inngest.Function[Any]]:
    """Return the functions; their steps have the recorded names and results."""

    def flow(handler: Callable[[inngest.Context], Awaitable[Any]]) -> inngest.Function[Any]:
        name = handler.__name__
        trigger = inngest.TriggerEvent(event=f"nb/{name}.requested")
        return client.create_function(fn_id=name, trigger=trigger, retries=4)(handler)

    return [flow(each) for each in (sequence, gathers, catches, fails, sleeps, waits_in_vain)]


async def sequence(ctx: inngest.Context) -> Any:
    results = {"1:quick": {"x": 1}, "2:plain": [2, 1152921504606846977, 1.0], "3:quick": {"x": 3}}
    return [(await run(ctx, name, {"result": each}))["result"] for name, each in results.items()]


async def gathers(ctx: inngest.Context) -> Any:
    results = await ctx.group.parallel(
        tuple(
            lambda k=k: run(ctx, f"{k + 1}:slow", {"result": {"s": 0.3, "k": k}}) for k in range(4)
        ),
        ParallelMode.RACE,
    )
    return [each["result"]["k"] for each in results]


async def catches(ctx: inngest.Context) -> Any:
    try:
        await ctx.step.run("1:bad", bad)
    except inngest.StepError as error:
        return {"caught": f"activity 'bad' failed: {error.message}", "attempts": 1}


async def fails(ctx: inngest.Context) -> Any:
    try:
        await ctx.step.run("1:bad", bad)
    except inngest.StepError as error:
        text = f"ActivityError: activity 'bad' failed: {error.message}"
        raise inngest.NonRetriableError(text) from error


async def sleeps(ctx: inngest.Context) -> Any:
    await ctx.step.sleep_until("1:timer", datetime(2026, 11, 28, 8, 50, 34, 15_000, UTC))
    return 1.5


async def waits_in_vain(ctx: inngest.Context) -> Any:
    wanted = json.dumps(ctx.event.data["workflow_id"])
    await ctx.group.parallel(
        (
            lambda: ctx.step.wait_for_event(
                "1:signal never",
                event="nb/signal.never",
                if_exp=f"async.data.workflow_id == {wanted}",
                timeout=timedelta(seconds=1),
            ),
            lambda: run(ctx, "1:mailbox never", []),
        ),
        ParallelMode.RACE,
    )
    return "no signal 'never' came within 1 s"


async def run(ctx: inngest.Context, name: str, result: Any) -> Any:
    async def answer() -> Any:
        return result

    return await ctx.step.run(name, answer)


async def bad() -> None:
    """Fail the step for good, which the SDK's own errors do to the whole run only."""
    step = base.StepInfo(
        display_name="1:bad",
        id=hashlib.sha1(b"1:bad", usedforsecurity=False).hexdigest(),
        name="1:bad",
        op=Opcode.STEP_FAILED,
        userland=base.StepUserlandInfo(id="1:bad", index=None),
    )
    error = Exception("ValueError: no good")
    raise base.ResponseInterrupt(base.StepResponse(original_error=error, step=step))
