"""The executor stand-in: its HTTP API, in the shapes and with the quirks of the real server's."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import inngest as sdk
import pytest
from inngest_engine import Answer, InngestEngine
from inngest_engine_conditions import holds
from inngest_replay import SIGNING_KEY
from scripted_worker import (
    ScriptedWorker,
    hashed,
    opcodes,
    raised,
    ran,
    returned,
    slept,
    waited,
)
from sdk_app import SdkApp, client_of
from story_server import EVENT_KEY

from inngest_nb import InngestAPI, InngestError, InngestNotFoundError, InngestStatusError


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


def test_an_event_that_is_sent_again_starts_its_functions_once(
    inngest: InngestEngine, api: InngestAPI
) -> None:
    ScriptedWorker(one=one).register(inngest)
    first, again = (api.send("lab/one", {"n": 1}, id="mine") for _ in range(2))
    inngest.ended(inngest.run_of(first))
    assert [event.event_id for event in api.events(name="lab/one")] == [again, first]
    assert [run.event_ids for run in api.runs()] == [(first,)]
    assert len(api.event_runs(first)) == 1
    assert len(api.event_runs(again)) == 0


def test_a_run_is_repeated_with_its_event(inngest: InngestEngine, api: InngestAPI) -> None:
    ScriptedWorker(one=one).register(inngest)
    run_id = inngest.ended(api.invoke("lab", "one", {"n": 7})).id
    again = inngest.ended(api.rerun(run_id))
    assert (again.output, api.run(again.id).original_run_id) == (7, run_id)


def test_an_event_is_listed_a_little_later_than_runs_get_it() -> None:
    with InngestEngine(virtual=True, lag=0.2) as inngest, InngestAPI(inngest.url) as api:
        ScriptedWorker(one=one).register(inngest)
        with inngest.clock.hold():
            event_id = api.send("lab/one")
            inngest.ended(inngest.run_of(event_id))
            assert [*api.events()] == []
            later = threading.Event()
            inngest.later(0.2, later.set)
        assert later.wait(10)
        assert [event.event_id for event in api.events()] == [event_id]


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


# Keys


def test_a_server_with_keys_signs_what_it_asks() -> None:
    with InngestEngine("cloud") as inngest:
        client = sdk.Inngest(
            app_id="lab",
            api_base_url=inngest.url,
            event_api_base_url=inngest.url,
            signing_key=SIGNING_KEY,
            event_key=EVENT_KEY,
        )

        @client.create_function(fn_id="one", trigger=sdk.TriggerEvent(event="lab/one"), retries=0)
        async def function(ctx: sdk.Context) -> Any:
            async def work() -> Any:
                return ["ü", 1e-7, 1.5e300, 10**21]

            return await ctx.step.run("one", work)

        with SdkApp(client, [function]):
            assert client.send_sync(sdk.Event(name="lab/one"))
            inngest.until(lambda: len(inngest.executor.runs) == 1)
            (run,) = inngest.executor.runs.values()
            assert inngest.ended(run).output == ["ü", 1e-7, 1.5e300, 10**21]
        with InngestAPI(inngest.url) as api, pytest.raises(InngestError, match="signing key"):
            api.runs()


# Being away


def test_it_can_be_away_and_keeps_what_it_had(inngest: InngestEngine, api: InngestAPI) -> None:
    ScriptedWorker(one=one).register(inngest)
    run_id = inngest.ended(api.invoke("lab", "one", {"n": 1})).id
    inngest.go_away()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{inngest.url}/health")
    inngest.come_back()
    assert api.run(run_id).output == 1


def test_as_a_process_it_tells_its_address_and_ends_with_its_input() -> None:
    script = Path(__file__).parents[1] / "serve_engine.py"
    command = [sys.executable, str(script), "--retry-interval", "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/health").json()["message"] == "OK"
        process.stdin.close()
        assert process.wait(20) == 0


def test_a_process_that_is_killed_comes_back_at_the_same_port() -> None:
    script = Path(__file__).parents[1] / "serve_engine.py"
    port = "0"
    for _ in range(2):
        command = [sys.executable, str(script), "--port", port]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert httpx.get(f"{url}/health").status_code == 200
            assert port in ("0", url.rpartition(":")[2])
            port = url.rpartition(":")[2]
            process.send_signal(signal.SIGKILL)
            process.wait(20)


# Conditions

DATA = {"data": {"id": "a-1", "n": 2, "ok": True, "in": {"x": None}}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, True),
        ("", True),
        ('event.data.id == "a-1"', True),
        ("event.data.id == 'a-1'", True),
        ('event.data.id == "\\u0061-1"', True),
        ("event.data.id != 'a-1'", False),
        ("event.data.n == 2 && event.data.ok == true", True),
        ("event.data.n == 3 || event.data.ok", True),
        ("(event.data.n == 3 || event.data.ok) && event.data.in.x == null", True),
        ("event.data.missing == null", False),
        ("event.data.id.deeper == 'a-1'", False),
        ("async.data.id == event.data.id", True),
        ("event.data.n", False),
    ],
)
def test_conditions_hold_as_cel_has_it(condition: str | None, expected: bool) -> None:
    assert holds(condition, event=DATA, **{"async": DATA}) is expected


@pytest.mark.parametrize("condition", ["event.data.n > 1", "size(event.data.id) == 3", "'a", "(1"])
def test_what_is_more_than_that_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match=r"cannot read|bracket"):
        holds(condition, event=DATA)


def test_a_wait_takes_the_event_that_fits(inngest: InngestEngine) -> None:
    async def picky(step: str, body: dict[str, Any]) -> Answer:
        if body["steps"]:
            return returned(body["steps"][hashed("w")]["data"])
        condition = "async.data.key == event.data.key"
        return opcodes(waited("w", "lab/go", "1h", condition))

    ScriptedWorker(picky=picky).register(inngest)
    with inngest.clock.hold():
        run = inngest.invoke("lab-picky", {"key": "a"})
        inngest.until(lambda: bool(inngest.requests) and bool(inngest.requests[0].answer))
        inngest.send("lab/go", {"key": "b"})
        inngest.send("lab/other", {"key": "a"})
        assert not run.is_over
        inngest.send("lab/go", {"key": "a", "n": 1})
        inngest.send("lab/go", {"key": "a", "n": 2})
    assert inngest.ended(run).output == {"key": "a", "n": 1}


def test_what_is_wrong_with_a_worker_is_told_to_who_waits() -> None:
    async def broken(step: str, body: dict[str, Any]) -> Answer:
        return opcodes({"op": "Dance", "id": "x", "name": "x"})

    inngest = InngestEngine(virtual=True).__enter__()
    ScriptedWorker(broken=broken).register(inngest)
    run = inngest.invoke("lab-broken")
    with pytest.raises(KeyError, match="Dance"):
        inngest.ended(run)
    with pytest.raises(KeyError, match="Dance"):
        inngest.__exit__(None, None, None)


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
