"""The executor stand-in: its HTTP API, in the shapes and with the quirks of the real server's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import inngest as sdk
import pytest
from inngest_engine import Answer, InngestEngine
from scripted_worker import (
    ScriptedWorker,
    opcodes,
    raised,
    ran,
    returned,
    slept,
    waited,
)
from sdk_app import SdkApp, client_of

from inngest_nb import InngestAPI, InngestNotFoundError, InngestStatusError


async def one(step: str, body: dict[str, Any]) -> Answer:
    return returned(body["event"]["data"].get("n"))


@pytest.fixture
def inngest() -> Iterator[InngestEngine]:
    with InngestEngine(virtual=True) as engine:
        yield engine


@pytest.fixture
def api(inngest: InngestEngine) -> Iterator[InngestAPI]:
    with InngestAPI(inngest.url) as client:
        yield client


# Starting


def test_a_key_that_is_repeated_finds_the_first_run(
    inngest: InngestEngine, api: InngestAPI
) -> None:
    ScriptedWorker(one=one).register(inngest)
    first = api.invoke("lab", "one", {"n": 1}, idempotency_key="order-1")
    assert api.invoke("lab", "one", {"n": 2}, idempotency_key="order-1") == first
    assert api.invoke("lab", "one", {"n": 3}, idempotency_key="order-2") != first
    url = f"{inngest.url}/api/v2/apps/lab/functions/one/invoke"
    said = httpx.post(url, json={"data": {}, "idempotencyKey": "order-1"})
    assert (said.status_code, said.json()["data"]) == (409, {"runId": first})
    assert inngest.ended(first).output == 1


def test_unknown_functions_and_runs_are_told(inngest: InngestEngine, api: InngestAPI) -> None:
    ScriptedWorker(one=one).register(inngest)
    with pytest.raises(InngestNotFoundError, match="no function 'two'"):
        api.invoke("lab", "two")
    with pytest.raises(InngestNotFoundError, match="no app 'other'"):
        api.invoke("other", "one")
    unknown = "01M82A54TCY12XB7AYZ9APCG5A"
    for call in (api.run, api.trace, api.cancel, api.rerun, api.event):
        with pytest.raises(InngestNotFoundError):
            call(unknown)


def test_a_run_is_repeated_with_its_event(inngest: InngestEngine, api: InngestAPI) -> None:
    ScriptedWorker(one=one).register(inngest)
    run_id = inngest.ended(api.invoke("lab", "one", {"n": 7})).id
    again = inngest.ended(api.rerun(run_id))
    assert (again.output, api.run(again.id).original_run_id) == (7, run_id)


# Reading


async def sleepy(step: str, body: dict[str, Any]) -> Answer:
    done = body["ctx"]["stack"]["stack"]
    if not done:
        return opcodes(ran("first", {"x": 1}))
    if len(done) == 1:
        return opcodes(waited("w", "lab/go", "1h"))
    return raised("over", retry=False)


def test_a_run_that_waits_has_no_end_although_its_detail_says_completed(
    inngest: InngestEngine, api: InngestAPI
) -> None:
    ScriptedWorker(sleepy=sleepy).register(inngest)
    with inngest.clock.hold():
        run_id = api.invoke("lab", "sleepy")
        inngest.until(lambda: len([each for each in inngest.requests if each.answer]) == 2)
        assert [job.kind for job in api.jobs(run_id)] == ["pause"]
        detail = httpx.get(f"{inngest.url}/api/v2/runs/{run_id}").json()["data"]
        assert (detail["status"], "endedAt" in detail) == ("COMPLETED", False)
        assert api.run(run_id).status == "running"
        assert [run.status for run in api.runs()] == ["running"]
        steps = [(step.name, step.kind, step.status) for step in api.trace(run_id).steps]
    assert steps == [("first", "step", "completed"), ("w", "wait", "waiting")]
    inngest.ended(run_id)
    run = api.run(run_id)
    assert (run.status, run.error and run.error.message) == ("failed", "over")
    assert [each.error and each.error.message for each in api.runs(output=True)] == ["over"]


def test_the_end_of_a_canceled_run_is_late_in_lists(
    inngest: InngestEngine, api: InngestAPI
) -> None:
    ScriptedWorker(sleepy=sleepy).register(inngest)
    with inngest.clock.hold():
        run_id = api.invoke("lab", "sleepy")
        api.cancel(run_id)
    said = httpx.get(f"{inngest.url}/api/v2/runs").json()["data"][0]
    ended = inngest.ended(run_id).ended_at
    assert ended is not None
    assert said["endedAt"] == (ended + timedelta(seconds=10)).isoformat().replace("+00:00", "Z")
    assert api.runs()[0].ended_at == api.run(run_id).ended_at
    with pytest.raises(InngestStatusError, match="already cancelled"):
        api.cancel(run_id)
    assert httpx.delete(f"{inngest.url}/v1/runs/{run_id}").status_code == 200


def test_v1_repeats_for_a_while_what_it_said_of_a_run() -> None:
    """Only in real time, which passes."""
    with InngestEngine() as inngest:
        ScriptedWorker(sleepy=sleepy).register(inngest)
        run = inngest.invoke("lab-sleepy")
        url = f"{inngest.url}/v1/runs/{run.id}"
        assert httpx.get(url).json()["data"]["status"] == "Running"
        inngest.do(lambda: inngest.executor.cancel(run))
        assert httpx.get(url).json()["data"]["status"] == "Running"


def test_apps_and_functions_are_those_that_workers_registered(
    inngest: InngestEngine, api: InngestAPI
) -> None:
    client = client_of("lab", inngest.url)
    cron = sdk.TriggerCron(cron="0 0 * * *")

    @client.create_function(fn_id="nightly", trigger=cron, retries=7)
    async def nightly(ctx: sdk.Context) -> None:
        return None

    with SdkApp(client, [nightly]) as app:
        (known,) = api.apps()
        (function,) = api.functions("lab")
    assert (known.app_id, known.method, known.url) == ("lab", "SERVE", app.url)
    assert (function.function_id, function.retries) == ("nightly", 7)
    assert [trigger.kind for trigger in function.triggers] == ["CRON"]
    assert api.health().kind == "dev"


def test_a_worker_that_registers_again_takes_its_new_functions(
    inngest: InngestEngine, api: InngestAPI
) -> None:
    ScriptedWorker(one=one, two=one).register(inngest)
    ScriptedWorker(two=one, three=one).register(inngest)
    assert [each.function_id for each in api.functions("lab")] == ["two", "three"]


def test_an_app_is_called_at_the_address_that_it_registered_last(inngest: InngestEngine) -> None:
    client = client_of("lab", inngest.url)
    trigger = sdk.TriggerEvent(event="lab/where")

    def where(place: str) -> sdk.Function[Any]:
        @client.create_function(fn_id="where", trigger=trigger, retries=0)
        async def function(ctx: sdk.Context) -> str:
            return place

        return function

    found = []
    for place in ("here", "there"):
        with SdkApp(client_of("lab", inngest.url), [where(place)]):
            found += [inngest.ended(inngest.invoke("lab-where")).output for _ in range(2)]
    assert found == ["here", "here", "there", "there"]


def test_a_sleep_can_be_seen_among_the_jobs(inngest: InngestEngine, api: InngestAPI) -> None:
    async def nap(step: str, body: dict[str, Any]) -> Answer:
        if body["steps"]:
            return returned(None)
        return opcodes(slept("nap", inngest.clock.now() + timedelta(hours=1)))

    ScriptedWorker(nap=nap).register(inngest)
    with inngest.clock.hold():
        run = inngest.invoke("lab-nap")
        inngest.until(lambda: bool(inngest.requests) and bool(inngest.requests[0].answer))
        (job,) = api.jobs(run.id)
    assert (job.kind, job.at) == ("sleep", run.queued_at + timedelta(hours=1))
