"""The virtual time of the executor stand-in: when it skips, and who draws what comes next."""

from __future__ import annotations

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from inngest_engine import Answer, InngestEngine
from scripted_worker import ScriptedWorker, hashed, opcodes, planned, ran, returned, slept

START = datetime(2030, 1, 1, tzinfo=UTC)


def napping(inngest: InngestEngine, seconds: float) -> ScriptedWorker:
    async def nap(step: str, body: dict[str, Any]) -> Answer:
        if body["steps"]:
            return returned(None)
        return opcodes(slept("nap", inngest.clock.now() + timedelta(seconds=seconds)))

    return ScriptedWorker(nap=nap)


def test_time_skips_to_what_is_due_next() -> None:
    with InngestEngine(virtual=True, start=START) as inngest:
        napping(inngest, 86_400).register(inngest)
        inngest.ended(inngest.invoke("lab-nap"))
        assert inngest.clock.now() == START + timedelta(days=1)


def test_it_stands_still_while_it_is_held() -> None:
    with InngestEngine(virtual=True, start=START) as inngest:
        napping(inngest, 60).register(inngest)
        with inngest.clock.hold():
            run = inngest.invoke("lab-nap")
            inngest.until(lambda: len(inngest.requests) == 1)
            inngest.do(lambda: None)
            assert inngest.clock.now() == START
        inngest.ended(run)
        assert inngest.clock.now() == START + timedelta(seconds=60)


def test_it_stands_still_while_a_worker_is_busy() -> None:
    busy, go = threading.Event(), threading.Event()

    async def work(step: str, body: dict[str, Any]) -> Answer:
        busy.set()
        await asyncio.to_thread(go.wait, 10)
        return returned(None)

    with InngestEngine(virtual=True, start=START) as inngest:
        worker = ScriptedWorker(work=work)
        worker.register(inngest)
        run = inngest.invoke("lab-work")
        assert busy.wait(60)
        called = threading.Event()
        inngest.later(5, called.set)
        inngest.do(lambda: None)
        assert inngest.clock.now() == START
        assert not called.is_set()
        go.set()
        inngest.ended(run)
        assert called.wait(60)


async def waits(inngest: InngestEngine, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    at = inngest.clock.now() + timedelta(seconds=seconds)
    inngest.clock.call_at(at, lambda: loop.call_soon_threadsafe(done.set_result, None))
    await done


def test_it_skips_when_all_that_is_in_flight_waits_for_the_clock() -> None:
    async def both(step: str, body: dict[str, Any]) -> Answer:
        if step == "step":
            done = body["ctx"]["stack"]["stack"]
            return returned(done) if done else opcodes(planned("a"), planned("b"))
        name = "a" if step == hashed("a") else "b"
        await waits(inngest, 7 if name == "a" else 3)
        return opcodes(ran(name))

    with InngestEngine(virtual=True, start=START) as inngest:
        ScriptedWorker(both=both).register(inngest)
        run = inngest.ended(inngest.invoke("lab-both"))
        assert run.output == [hashed("b"), hashed("a")]
        assert inngest.clock.now() == START + timedelta(seconds=7)


def test_a_timer_that_is_canceled_moves_no_time() -> None:
    async def one(step: str, body: dict[str, Any]) -> Answer:
        timer = inngest.clock.call_at(START + timedelta(hours=1), lambda: None)
        await waits(inngest, 1)
        timer.cancel()
        return returned(None)

    with InngestEngine(virtual=True, start=START) as inngest:
        ScriptedWorker(one=one).register(inngest)
        inngest.ended(inngest.invoke("lab-one"))
        inngest.do(lambda: None)
        assert inngest.clock.now() == START + timedelta(seconds=1)


def test_the_end_of_a_wait_that_is_over_moves_no_time() -> None:
    with InngestEngine(virtual=True, start=START) as inngest:
        napping(inngest, 3600).register(inngest)
        with inngest.clock.hold():
            run = inngest.invoke("lab-nap")
            inngest.until(lambda: bool(inngest.requests) and bool(inngest.requests[0].answer))
            assert len(inngest.clock._entries) == 1
            inngest.do(lambda: inngest.executor.cancel(run))
            assert inngest.clock._entries == []


def test_it_skips_to_a_limit_only_when_a_worker_hangs() -> None:
    """The limit of the quick step is a year away, that of the other one an hour."""

    async def one(step: str, body: dict[str, Any]) -> Answer:
        if body["event"]["data"].get("hangs"):
            loop, over = asyncio.get_running_loop(), asyncio.Event()
            hour = timedelta(hours=1)
            inngest.clock.call_later(hour, lambda: loop.call_soon_threadsafe(over.set))
            await over.wait()
            return returned("too long")
        limit = inngest.clock.call_later(timedelta(days=365), lambda: None)
        await asyncio.to_thread(lambda: None)
        limit.cancel()
        return returned("quick")

    with InngestEngine(virtual=True, start=START) as inngest:
        ScriptedWorker(one=one).register(inngest)
        assert inngest.ended(inngest.invoke("lab-one")).output == "quick"
        assert inngest.clock.now() == START
        assert inngest.ended(inngest.invoke("lab-one", {"hangs": True})).output == "too long"
        assert inngest.clock.now() == START + timedelta(hours=1)


def order_of(seed: int) -> tuple[str, ...]:
    """Return the order in which the answers of four steps were taken."""

    async def four(step: str, body: dict[str, Any]) -> Answer:
        if step != "step":
            return opcodes(ran(next(name for name in "abcd" if hashed(name) == step)))
        done = body["ctx"]["stack"]["stack"]
        return returned(done) if done else opcodes(*map(planned, "abcd"))

    with InngestEngine(virtual=True, start=START, shuffle=random.Random(seed)) as inngest:
        ScriptedWorker(four=four).register(inngest)
        run = inngest.ended(inngest.invoke("lab-four"))
    names = {hashed(name): name for name in "abcd"}
    return tuple(names[step] for step in run.output)


def test_a_seed_draws_the_order_of_answers() -> None:
    orders = [order_of(seed) for seed in range(40)]
    assert orders[:5] == [order_of(seed) for seed in range(5)]
    assert len({*orders}) > 10, "there are 24"


def test_only_virtual_time_can_be_shuffled() -> None:
    with pytest.raises(ValueError, match="virtual=True"):
        InngestEngine(shuffle=random.Random(0))
