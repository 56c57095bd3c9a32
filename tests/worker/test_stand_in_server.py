"""The executor stand-in as a server: with keys, away, as a process, and broken."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import inngest as sdk
import pytest
from inngest_engine import Answer, InngestEngine
from inngest_replay import SIGNING_KEY
from scripted_worker import ScriptedWorker, opcodes, returned
from sdk_app import SdkApp
from story_server import EVENT_KEY

from inngest_nb import InngestAPI, InngestError


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
