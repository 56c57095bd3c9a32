"""The functions of the app `nb-flows`, whose executor requests were recorded.

They were workflows on a prototype; here they are what that one made of them. Its answers to
requests for a planned step did not say `parallelMode`, so the server waited there for all of them.
Private parts of the SDK: the memoized steps, and the answer `StepFailed` while attempts are left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import inngest
from inngest._internal import server_lib, step_lib
from recorded_lab import Pace

AT = "2026-11-28T08:48:40.987386+00:00"
_REST = timedelta(seconds=0.4)
_DECLINED = "PaymentDeclinedError: the bank does not answer (503)"
_METER = "MeterError: a meter with five digits cannot show 1000000"
_CITIES = {"Oslo": 21, "Lima": 15, "Nairobi": 16, "Kyoto": 22, "Reykjavik": 12, "Montevideo": 18}

Step = Callable[[], Awaitable[Any]]


def hashed(name: str) -> str:
    """Return a step's id."""
    return hashlib.sha1(name.encode()).hexdigest()  # noqa: S324


class Flow:
    """The steps of one request."""

    def __init__(self, ctx: inngest.Context, pace: Pace) -> None:
        self.ctx, self._pace = ctx, pace
        self.workflow_id = ctx.event.data["workflow_id"]
        self._done = {*ctx.step._execution._memos._memos}
        self._target = ctx.step._target_hashed_id

    async def run(self, name: str, value: Any) -> Any:
        """Run an activity that returns a value."""
        return (await self.plain(name, {"result": value, "at": AT}))["result"]

    async def plain(self, name: str, value: Any) -> Any:
        """Run a step that returns a value."""

        async def work() -> Any:
            await self._pace(self.ctx.run_id, name)
            return value

        return await self.ctx.step.run(name, work)

    async def fail(self, name: str, text: str) -> str:
        """Run an activity that fails; return its error."""
        info = step_lib.StepInfo(
            display_name=name,
            id=hashed(name),
            name=name,
            op=server_lib.Opcode.STEP_FAILED,
            userland=step_lib.base.StepUserlandInfo(id=name, index=None),
        )

        async def work() -> None:
            await self._pace(self.ctx.run_id, name)
            failed = step_lib.base.StepResponse(original_error=Exception(text), step=info)
            raise step_lib.ResponseInterrupt(failed)

        try:
            await self.ctx.step.run(name, work)
        except inngest.StepError as error:
            return error.message
        raise AssertionError("the step has not failed")

    async def rest(self, name: str) -> None:
        await self.ctx.step.sleep(name, _REST)

    async def wait(self, name: str, signal: str, seconds: int) -> Any:
        """Wait for a signal."""
        return await self.ctx.step.wait_for_event(
            name,
            event=f"nb/signal.{signal}",
            if_exp=f'async.data.workflow_id == "{self.workflow_id}"',
            timeout=timedelta(seconds=seconds),
        )

    async def together(self, steps: dict[str, Step], enough: str | None = None) -> list[Any]:
        """Plan all steps; return their values once they, or the one that is enough, are done."""
        undone = [name for name in steps if hashed(name) not in self._done]
        if enough is not None and enough not in undone:
            return [await steps[enough]()]
        for name in undone:
            if hashed(name) == self._target:
                await steps[name]()
        token = step_lib.in_parallel.set(True)
        plan: list[step_lib.StepResponse] = []
        try:
            for name in undone:
                try:
                    await steps[name]()
                except step_lib.ResponseInterrupt as interrupt:
                    plan += interrupt.responses
        finally:
            step_lib.in_parallel.reset(token)
        for each in plan:
            each.step.set_parallel_mode(server_lib.ParallelMode.RACE)
        if plan:
            raise step_lib.ResponseInterrupt(plan)
        return [await step() for step in steps.values()]

    def slow(self, number: int, **value: Any) -> dict[str, Step]:
        return {f"{number}:slow": lambda: self.run(f"{number}:slow", value)}


async def sequence(flow: Flow) -> Any:
    first = await flow.run("1:quick", {"x": 1})
    second = await flow.run("2:plain", [2, 2**60 + 1, 1.0])
    return [first, second, await flow.run("3:quick", {"x": 3})]


async def gathers(flow: Flow) -> Any:
    steps: dict[str, Step] = {}
    for k in range(4):
        steps |= flow.slow(k + 1, s=0.3, k=k)
    return [each["k"] for each in await flow.together(steps)]


async def race(flow: Flow) -> Any:
    waits = (1.2, 0.2, 0.6)
    steps: dict[str, Step] = {}
    for number, s in enumerate(waits, 1):
        steps |= flow.slow(number, s=s)
    done = await flow.together(steps)
    timer: dict[str, Step] = {"4:timer": lambda: flow.rest("4:timer")}
    await flow.together(timer | flow.slow(5, s=3), enough="4:timer")
    return [*sorted(each["s"] for each in done), "timeout"]


async def two_lines(flow: Flow) -> Any:
    lines: list[list[int]] = [[], []]
    for k in range(3):
        steps = flow.slow(2 * k + 1, s=0.1, k=k, n=1) | flow.slow(2 * k + 2, s=0.4, k=k, n=4)
        for line, each in zip(lines, await flow.together(steps), strict=True):
            line.append(each["k"])
    return lines


async def mapped(flow: Flow) -> Any:
    found: list[int] = []
    for k in (0, 2, 4):
        steps = flow.slow(k + 1, s=0.1, k=k) | flow.slow(k + 2, s=0.1, k=k + 1)
        found += [each["k"] for each in await flow.together(steps)]
    return found


async def fan_out(flow: Flow) -> Any:
    def measure(number: int, city: str, value: int) -> dict[str, Step]:
        name = f"{number}:measure_city"
        return {name: lambda: flow.run(name, {"city": city, "temperature": value})}

    steps: dict[str, Step] = {}
    for number, (city, value) in enumerate(_CITIES.items(), 1):
        steps |= measure(number, city, value)
    await flow.together(steps)
    return {"average": await flow.run("7:average", 17.3), "warmest": "Kyoto"}


async def versioned(flow: Flow) -> Any:
    steps: dict[str, Step] = {
        "version:new": lambda: flow.plain("version:new", 2),
        "1:quick": lambda: flow.run("1:quick", {"x": 2}),
    }
    version, quick = await flow.together(steps)
    return [version, quick["x"]]


async def retries(flow: Flow) -> Any:
    for n in (1, 2):
        await flow.fail("1:flaky" if n == 1 else f"1:flaky #{n}", f"RuntimeError: attempt {n}")
        await flow.rest(f"1:flaky pause {n}")
    key = f"{flow.ctx.run_id}-1"
    return await flow.run("1:flaky #3", {"attempt": 3, "key": key})


async def exhausted(flow: Flow) -> Any:
    for n in (1, 2, 3):
        await flow.fail("1:bad" if n == 1 else f"1:bad #{n}", "ValueError: no good")
        if n < 3:
            await flow.rest(f"1:bad pause {n}")
    return {"attempts": 3}


async def catches(flow: Flow) -> Any:
    error = await flow.fail("1:bad", "ValueError: no good")
    return {"caught": f"activity 'bad' failed: {error}", "attempts": 1}


async def times_out(flow: Flow) -> Any:
    return f"activity 'stuck' failed: {await flow.fail('1:stuck', 'TimeoutError')}"


async def fails(flow: Flow) -> Any:
    error = await flow.fail("1:bad", "ValueError: no good")
    raise inngest.NonRetriableError(f"ActivityError: activity 'bad' failed: {error}")


async def raises(flow: Flow) -> Any:
    raise inngest.NonRetriableError("KeyError: 'workflow code broke'")


async def dice(flow: Flow) -> Any:
    rolled = await flow.run("1:quick", {"x": 0.654594152915313})
    return [rolled["x"], "7ffbf51b-58d4-4c9b-9b2a-bfa988fab98c", 0.1560646304759148]


async def sleeps(flow: Flow) -> Any:
    await flow.rest("1:timer")
    return 1.5


async def order(flow: Flow) -> Any:
    shelf = await flow.run("1:reserve_stock", {"order": 42, "shelf": "B-12"})
    for n in (1, 2):
        await flow.fail("2:charge_card" if n == 1 else f"2:charge_card #{n}", _DECLINED)
        await flow.rest(f"2:charge_card pause {n}")
    charge = {"order": 42, "charged": 99.5, "currency": "EUR"}
    charged = await flow.run("2:charge_card #3", charge)
    parcel = await flow.run("3:send_parcel", {"order": 42, "tracking": "PX00000042"})
    return {"charged": charged["charged"]} | shelf | parcel


async def broken(flow: Flow) -> Any:
    await flow.run("1:read_meter", 1_000_000)
    await flow.fail("2:check_reading", _METER)
    await flow.rest("2:check_reading pause 1")
    error = await flow.fail("2:check_reading #2", _METER)
    text = f"ActivityError: activity 'check_reading' failed after 2 attempts: {error}"
    raise inngest.NonRetriableError(text)


def _signal(flow: Flow, number: int, name: str, seconds: int) -> dict[str, Step]:
    wait, look = f"{number}:signal {name}", f"{number}:mailbox {name}"
    return {wait: lambda: flow.wait(wait, name, seconds), look: lambda: flow.plain(look, [])}


async def waits(flow: Flow) -> Any:
    found = []
    for number in (1, 2):
        steps = _signal(flow, number, "go", 20)
        (event,) = await flow.together(steps, enough=f"{number}:signal go")
        found.append(event.data["payload"])
    return found


async def waits_in_vain(flow: Flow) -> Any:
    event, _ = await flow.together(_signal(flow, 1, "never", 1))
    assert event is None
    return "no signal 'never' came within 1 s"


FLOWS = (
    sequence,
    gathers,
    race,
    two_lines,
    mapped,
    fan_out,
    versioned,
    retries,
    exhausted,
    catches,
    times_out,
    fails,
    raises,
    dice,
    sleeps,
    order,
    broken,
    waits,
    waits_in_vain,
)


def flow_functions(client: inngest.Inngest, pace: Pace) -> list[inngest.Function[Any]]:
    """Make the functions; `pace` says how long each step takes."""

    def made(flow: Callable[[Flow], Awaitable[Any]]) -> inngest.Function[Any]:
        name = flow.__name__
        trigger = inngest.TriggerEvent(event=f"nb/{name}.requested")

        @client.create_function(fn_id=name, trigger=trigger, retries=4)
        async def function(ctx: inngest.Context) -> Any:
            return await flow(Flow(ctx, pace))

        return function

    return [made(flow) for flow in FLOWS]
