"""The executor stand-in: how much a run may hold, and what becomes of numbers and of sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import inngest as sdk
import pytest
from inngest_engine import Answer, InngestEngine
from inngest_engine_numbers import bent
from scripted_worker import (
    ScriptedWorker,
    hashed,
    opcodes,
    planned,
    ran,
    returned,
    slept,
)
from sdk_app import SdkApp, client_of

from inngest_nb import InngestAPI

MB = 2**20


@pytest.fixture
def inngest() -> Iterator[InngestEngine]:
    with InngestEngine(virtual=True) as engine:
        yield engine


def stack_of(body: dict[str, Any]) -> list[str]:
    stack: list[str] = body["ctx"]["stack"]["stack"]
    return stack


# Steps


def steps(together: int, after: int) -> ScriptedWorker:
    """Make a function of so many steps planned at once, and then so many one by one."""
    names = {hashed(f"{n}"): f"{n}" for n in range(together)}

    async def many(step: str, body: dict[str, Any]) -> Answer:
        if step != "step":
            return opcodes(ran(names[step]))
        done = len(stack_of(body))
        if done < together:
            return opcodes(*(planned(name) for name in names.values()))
        return opcodes(ran(f"{done}")) if done < together + after else returned(done)

    return ScriptedWorker(many=many)


def test_a_run_may_have_almost_a_thousand_steps(inngest: InngestEngine) -> None:
    steps(996, 3).register(inngest)
    assert inngest.ended(inngest.invoke("lab-many")).output == 999


@pytest.mark.parametrize(("together", "after"), [(997, 3), (1_001, 0)])
def test_a_run_with_more_fails_as_recorded(  # after the thousandth it is not called again
    inngest: InngestEngine, together: int, after: int
) -> None:
    steps(together, after).register(inngest)
    run = inngest.ended(inngest.invoke("lab-many"))
    assert (run.status, run.output["error"]["name"]) == ("FAILED", "InngestErrFunctionOverflowed")
    assert run.output["error"]["error"] == "function has too many steps"
    with InngestAPI(inngest.url) as api:
        error = api.run(run.id).error
    assert error is not None
    assert error.message == "The function run exceeded the step limit of 1000 steps."


# Bytes


def big(size: int, retries: int = 0) -> ScriptedWorker:
    """Make a function of as many steps as it is told, each of so many bytes."""
    text = "x" * (size - len('{"data":""}'))

    async def steps(step: str, body: dict[str, Any]) -> Answer:
        done = len(stack_of(body))
        is_over = done == body["event"]["data"]["count"]
        return returned(done) if is_over else opcodes(ran(f"{done}", text))

    return ScriptedWorker(retries, big=steps)


def test_a_step_may_return_four_megabytes(inngest: InngestEngine) -> None:
    big(4 * MB).register(inngest)
    assert inngest.ended(inngest.invoke("lab-big", {"count": 1})).output == 1


def test_a_step_that_returns_more_is_tried_again_and_fails_the_run(inngest: InngestEngine) -> None:
    big(4 * MB + 1, retries=1).register(inngest)
    run = inngest.ended(inngest.invoke("lab-big", {"count": 1}))
    assert run.status == "FAILED"
    assert run.output["message"] == "step output size is greater than the limit"
    assert len(inngest.requests) == 2


def test_a_run_may_hold_32_megabytes_and_no_more(inngest: InngestEngine) -> None:
    big(4 * MB).register(inngest)
    assert inngest.ended(inngest.invoke("lab-big", {"count": 8})).output == 8
    run = inngest.ended(inngest.invoke("lab-big", {"count": 9}))
    assert run.output["error"]["name"] == "InngestErrStateOverflowed"


def test_a_worker_fetches_a_state_that_is_too_big_to_be_sent(inngest: InngestEngine) -> None:
    client = client_of("lab", inngest.url)
    trigger = sdk.TriggerEvent(event="lab/big")

    @client.create_function(fn_id="big", trigger=trigger, retries=0)
    async def function(ctx: sdk.Context) -> int:
        async def work() -> str:
            return "x" * 3 * MB

        texts = [await ctx.step.run(f"{n}", work) for n in range(2)]
        return sum(map(len, texts)) + len(ctx.events)

    with SdkApp(client, [function]):
        run = inngest.ended(inngest.run_of(inngest.send("lab/big")))
    assert run.output == 6 * MB + 1
    assert [each.body["use_api"] for each in inngest.requests] == [False, False, True]
    assert inngest.requests[-1].body["steps"] == {}


# Numbers


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (2**60 + 1, "1152921504606847000"),
        (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740992"),
        (-(2**60) - 1, "-1152921504606847000"),
        (1.0, "1"),
        (-0.0, "0"),
        (17.3, "17.3"),
        (1e20, "100000000000000000000"),
        (10**21, "1e+21"),
        (True, "True"),
        ({"b": [1.0], "a": None}, "{'a': None, 'b': [1]}"),
    ],
)
def test_numbers_come_out_as_the_server_writes_them(given: Any, sent: str) -> None:
    assert str(bent(given)) == sent


def test_event_data_and_steps_are_bent_and_a_runs_own_output_is_exact() -> None:
    async def one(step: str, body: dict[str, Any]) -> Answer:
        if not body["steps"]:
            return opcodes(ran("one", [2**60 + 1, 1.0]))
        found = [body["event"]["data"]["n"], body["steps"][hashed("one")]["data"]]
        assert str(found) == "[1152921504606847000, [1152921504606847000, 1]]"
        return returned([2**60 + 1, 1.0])

    with InngestEngine(virtual=True) as inngest, InngestAPI(inngest.url) as api:
        ScriptedWorker(one=one).register(inngest)
        run = inngest.ended(inngest.run_of(inngest.send("lab/one", {"n": 2**60 + 1})))
        assert str(api.run(run.id).output) == "[1152921504606846977, 1.0]"
        listed = api.runs(output=True)
        assert str(listed[0].output) == "[1152921504606847000, 1]"
        assert str(api.events()[0].data) == "{'n': 1152921504606847000}"


# Sleeps


@pytest.mark.parametrize(
    ("seconds", "slept_for"),
    [(-5, 0), (0.4, 0), (0.5, 1), (0.6, 1), (1.4, 1), (1.6, 2), (3600, 3600)],
)
def test_a_sleep_is_rounded_to_whole_seconds(
    inngest: InngestEngine, seconds: float, slept_for: int
) -> None:
    times: list[datetime] = []

    async def nap(step: str, body: dict[str, Any]) -> Answer:
        times.append(inngest.clock.now())
        if body["steps"]:
            return returned(None)
        return opcodes(slept("nap", times[0] + timedelta(seconds=seconds)))

    ScriptedWorker(nap=nap).register(inngest)
    inngest.ended(inngest.invoke("lab-nap"))
    assert times[1] - times[0] == timedelta(seconds=slept_for)
