"""The executor stand-in: what goes on while a step runs, cancels, retries and lost workers."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from inngest_engine import Answer, InngestEngine, WorkerLostError
from inngest_engine_serve import HttpServe
from scripted_worker import (
    ScriptedWorker,
    config_of,
    failed,
    hashed,
    opcodes,
    planned,
    raised,
    ran,
    returned,
    waited,
)
from small_servers import scripted_server

from inngest_nb import InngestAPI


@pytest.fixture
def inngest() -> Iterator[InngestEngine]:
    with InngestEngine(virtual=True) as engine:
        yield engine


class Gate:
    """Lets a step of a worker end when the test says so."""

    def __init__(self, inngest: InngestEngine) -> None:
        self._inngest, self._opened = inngest, asyncio.Event()

    async def passed(self) -> None:
        await self._opened.wait()

    def open(self) -> None:
        self._inngest.do(self._opened.set)


# Steps that were planned together


def two_steps(gate: Gate, *, race: bool) -> ScriptedWorker:
    async def both(step: str, body: dict[str, Any]) -> Answer:
        if step == hashed("quick"):
            return opcodes(ran("quick", 1, race=race))
        if step == hashed("slow"):
            await gate.passed()
            return opcodes(ran("slow", 2, race=race))
        if body["steps"]:
            return returned([*body["ctx"]["stack"]["stack"]])
        return opcodes(planned("quick", race=race), planned("slow", race=race))

    return ScriptedWorker(both=both)


def test_in_race_mode_the_run_goes_on_while_a_step_runs(inngest: InngestEngine) -> None:
    gate = Gate(inngest)
    two_steps(gate, race=True).register(inngest)
    run = inngest.ended(inngest.invoke("lab-both"))
    assert run.output == [hashed("quick")]
    assert [each.step for each in inngest.requests if each.answer is None] == [hashed("slow")]
    gate.open()
    inngest.until(lambda: all(each.answer for each in inngest.requests))
    assert len(inngest.requests) == 4, "an answer after the end is nobody's"


def test_else_it_waits_until_all_of_them_are_done(inngest: InngestEngine) -> None:
    gate = Gate(inngest)
    two_steps(gate, race=False).register(inngest)
    run = inngest.invoke("lab-both")
    inngest.until(lambda: len([each for each in inngest.requests if each.answer]) == 2)
    assert len(inngest.requests) == 3
    gate.open()
    assert inngest.ended(run).output == [hashed("quick"), hashed("slow")]


@pytest.mark.parametrize("race", [True, False])
def test_for_a_failed_step_the_mode_of_the_plan_counts(inngest: InngestEngine, race: bool) -> None:
    """Its answer says no mode; that of a step that has run would have to."""
    gate = Gate(inngest)

    async def both(step: str, body: dict[str, Any]) -> Answer:
        if step == hashed("bad"):
            return opcodes(failed("bad", "no good"))
        if step == hashed("slow"):
            await gate.passed()
            return opcodes(ran("slow"))
        done = body["ctx"]["stack"]["stack"]
        plan = opcodes(planned("bad", race=race), planned("slow", race=race))
        return returned(len(done)) if done else plan

    ScriptedWorker(both=both).register(inngest)
    run = inngest.invoke("lab-both")
    if not race:
        inngest.until(lambda: len([each for each in inngest.requests if each.answer]) == 2)
        gate.open()
    assert inngest.ended(run).output == (1 if race else 2)
    gate.open()


def test_a_step_that_is_planned_again_runs_once(inngest: InngestEngine) -> None:
    gate = Gate(inngest)

    async def three(step: str, body: dict[str, Any]) -> Answer:
        if step != "step":
            name = next(each for each in "abc" if hashed(each) == step)
            if name == "c":
                await gate.passed()
            return opcodes(ran(name, race=True))
        done = body["steps"]
        if len(done) == 2:
            gate._opened.set()
        if len(done) == 3:
            return returned(None)
        return opcodes(*(planned(name, race=True) for name in "abc" if hashed(name) not in done))

    ScriptedWorker(three=three).register(inngest)
    inngest.ended(inngest.invoke("lab-three"))
    targets = [each.step for each in inngest.requests if each.step != "step"]
    assert sorted(targets) == sorted(map(hashed, "abc"))


# Cancels


def test_a_run_can_be_canceled_while_a_step_is_in_flight(inngest: InngestEngine) -> None:
    gate = Gate(inngest)

    async def one(step: str, body: dict[str, Any]) -> Answer:
        await gate.passed()
        return returned("late")

    ScriptedWorker(one=one).register(inngest)
    with InngestAPI(inngest.url) as api:
        run_id = api.invoke("lab", "one")
        inngest.until(lambda: bool(inngest.requests))
        api.cancel(run_id)
        assert api.run(run_id).status == "canceled"
        gate.open()
        inngest.until(lambda: inngest.requests[0].answer is not None)
        assert api.run(run_id).status == "canceled"
    assert len(inngest.requests) == 1


def test_an_event_cancels_the_runs_that_it_is_meant_for(inngest: InngestEngine) -> None:
    async def waiting(step: str, body: dict[str, Any]) -> Answer:
        if body["steps"]:
            return returned("waited")
        return opcodes(waited("w", "lab/never", "1h"))

    condition = "async.data.workflow_id == event.data.workflow_id"
    cancel = [{"event": "lab/stop", "if": condition}]
    worker = ScriptedWorker(waiting=waiting)
    inngest.register("lab", [config_of("waiting", 0, cancel=cancel)], worker)
    with inngest.clock.hold():
        runs = [inngest.invoke("lab-waiting", {"workflow_id": key}) for key in "ab"]
        inngest.until(lambda: len(inngest.requests) == 2)
        inngest.send("lab/stop", {"workflow_id": "a"})
    assert [inngest.ended(run).status for run in runs] == ["CANCELLED", "COMPLETED"]


# Attempts


def counting(inngest: InngestEngine, *answers: Answer | WorkerLostError) -> list[datetime]:
    """Register a function that is answered so, one attempt after the other; return its times."""
    times: list[datetime] = []

    async def one(step: str, body: dict[str, Any]) -> Answer:
        times.append(inngest.clock.now())
        given = answers[min(len(times), len(answers)) - 1]
        assert body["ctx"]["attempt"] == len(times) - 1 or given is answers[-1]
        if isinstance(given, WorkerLostError):
            raise given
        return given

    ScriptedWorker(retries=2, one=one).register(inngest)
    return times


LOST = WorkerLostError("Unable to reach SDK URL")


@pytest.mark.parametrize("first", [LOST, raised("no")], ids=["lost", "raised"])
def test_another_attempt_comes_after_the_backoff(
    inngest: InngestEngine, first: Answer | WorkerLostError
) -> None:
    times = counting(inngest, first, first, returned(1))
    assert inngest.ended(inngest.invoke("lab-one")).output == 1
    waits = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
    assert 15 <= waits[0] <= 45
    assert 30 <= waits[1] <= 60


def test_an_interval_takes_the_place_of_the_backoff() -> None:
    with InngestEngine(virtual=True, retry_interval=1) as inngest:
        times = counting(inngest, LOST, LOST, returned(1))
        inngest.ended(inngest.invoke("lab-one"))
    assert times[2] - times[0] == timedelta(seconds=2)


def test_a_run_whose_worker_is_lost_too_often_fails(inngest: InngestEngine) -> None:
    counting(inngest, LOST)
    run_id = inngest.invoke("lab-one").id
    assert inngest.ended(run_id).status == "FAILED"
    assert len(inngest.requests) == 3
    with InngestAPI(inngest.url) as api:
        error = api.run(run_id).error
    assert error is not None
    assert error.message == "Unable to reach SDK URL"


def test_an_error_that_is_not_to_be_retried_fails_the_run_at_once(inngest: InngestEngine) -> None:
    counting(inngest, raised("bad input", retry=False))
    run = inngest.ended(inngest.invoke("lab-one"))
    assert (run.status, run.output["message"]) == ("FAILED", "bad input")
    assert len(inngest.requests) == 1


def test_a_failed_step_goes_on_with_its_error(inngest: InngestEngine) -> None:
    async def one(step: str, body: dict[str, Any]) -> Answer:
        if body["steps"]:
            return returned(body["steps"][hashed("one")])
        return opcodes(failed("one", "no good"))

    ScriptedWorker(retries=4, one=one).register(inngest)
    run = inngest.ended(inngest.invoke("lab-one"))
    assert run.output == {"error": {"message": "no good", "name": "Error", "stack": ""}}


def test_a_worker_that_hangs_up_in_the_middle_of_a_step_is_lost(inngest: InngestEngine) -> None:
    with scripted_server(b"") as worker:
        transport = HttpServe(f"{worker.url}/api/inngest")
        inngest.register("lab", [config_of("one", 1)], transport)
        run = inngest.ended(inngest.invoke("lab-one"))
    assert (run.status, run.output["message"]) == ("FAILED", "Unable to reach SDK URL")
    assert len(worker.requests) == 2
    assert [each.is_lost for each in inngest.requests] == [True, True]


def test_so_is_one_that_is_not_there(inngest: InngestEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    inngest.register("lab", [config_of("one", 0)], HttpServe(f"http://127.0.0.1:{port}/"))
    assert inngest.ended(inngest.invoke("lab-one")).status == "FAILED"


# Runs without a worker


def test_a_run_without_a_worker_waits_as_queued(inngest: InngestEngine) -> None:
    async def one(step: str, body: dict[str, Any]) -> Answer:
        return returned(body["ctx"]["attempt"])

    worker = ScriptedWorker(one=one)
    worker.register(inngest)
    inngest.unregister(worker)
    with InngestAPI(inngest.url) as api:
        run_id = api.invoke("lab", "one")
        assert api.run(run_id).status == "queued"
        assert [run.status for run in api.runs(status="queued")] == ["queued"]
        worker.register(inngest)
        assert inngest.ended(run_id).output == 0, "the wait was no attempt"
        assert api.run(run_id).status == "completed"


def test_a_request_that_nobody_took_is_no_attempt(inngest: InngestEngine) -> None:
    async def nobody(step: str, body: dict[str, Any]) -> Answer:
        raise WorkerLostError("no worker is connected", unassigned=True)

    async def one(step: str, body: dict[str, Any]) -> Answer:
        return returned(body["ctx"]["attempt"])

    gone = ScriptedWorker(one=nobody)
    gone.register(inngest)
    run = inngest.invoke("lab-one")
    inngest.until(lambda: any(each.is_lost for each in inngest.requests))
    inngest.unregister(gone)
    ScriptedWorker(one=one).register(inngest)
    assert inngest.ended(run).output == 0
