"""The stand-in for the executor, held against what a real one asked and was answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from executor_recordings import Recorded, at_once, lasting, paced, recorded, recorded_runs
from inngest_engine import Exchange, InngestEngine, Run
from recorded_flows import flow_functions
from recorded_lab import lab_functions
from sdk_app import SdkApp, client_of

MAKERS = {"nb-lab": lab_functions, "nb-flows": flow_functions}
# Runs that others start. That a batch of events makes one run is not in the stand-in.
CHILDREN = {
    "nb-lab-invoker": "nb-lab-square",
    "nb-lab-hard-fail": "nb-lab-hard-fail-failure",
}
ROOTS = [name for name in recorded_runs() if name not in {*CHILDREN.values(), "nb-lab-batcher"}]
# What was sent while a run waited: seconds after its start, event, data.
SIGNALS = ("57619e95a753404092d76e3c7cfcc6f1", "869c7d2826eb4522959795809d421743")
SENT: dict[str, list[tuple[int, str, dict[str, Any]]]] = {
    "nb-lab-waiter again": [(1, "lab/approve", {"by": "me", "key": "m"})],
    "nb-flows-waits": [
        (n, "nb/signal.go", {"payload": n, "signal_id": key, "workflow_id": "rec-waits"})
        for n, key in enumerate(SIGNALS, 1)
    ],
}
# What is recorded of a run that was not over when the recording ended.
UNFINISHED = ("nb-lab-long-job", "nb-lab-always-fails again")


def app_of(function: str) -> str:
    return next(app for app in MAKERS if function.startswith(f"{app}-"))


# The recorded requests, given to functions that do the same


@pytest.fixture(scope="module")
def workers() -> Iterator[dict[str, str]]:
    """The addresses of both apps."""
    with InngestEngine() as inngest:  # which takes the event that one of them sends
        with ExitStack() as served:
            urls = {}
            for app, make in MAKERS.items():
                client = client_of(app, inngest.url)
                urls[app] = served.enter_context(SdkApp(client, make(client, at_once))).url
            yield urls


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.mark.parametrize("asked", recorded(), ids=lambda each: each.name)
def test_a_recorded_request_gets_the_recorded_opcodes(
    asked: Recorded, workers: dict[str, str], server: httpx.Client
) -> None:
    query = {"fnId": asked.function, "stepId": asked.step}
    said = server.post(workers[app_of(asked.function)], params=query, json=asked.body)

    assert said.status_code == asked.response["status"]
    assert shown(said.json()) == shown(asked.response["body"])
    for name in ("x-inngest-no-retry", "retry-after"):
        assert (name in said.headers) == (name in asked.response["headers"])


def shown(body: Any) -> Any:
    """Return an answer without its moments; the date of a sleep is one."""
    said = lasting(body)
    if isinstance(said, list):
        for op in said:
            if isinstance(op, dict) and op.get("op") == "Sleep":
                op["name"] = "a date"
    return said


# The stand-in, driving the same functions


@pytest.fixture(scope="module")
def asked() -> dict[str, list[Exchange]]:
    """Start all recorded runs at once, as they were; return what each worker was asked."""
    found: dict[str, list[Exchange]] = {}
    for app, make in MAKERS.items():
        names = [name for name in ROOTS if app_of(name) == app]
        with InngestEngine(virtual=True) as inngest:
            client = client_of(app, inngest.url)
            with SdkApp(client, make(client, paced(inngest))):
                with inngest.clock.hold():
                    runs = {name: start(inngest, name) for name in names}
                for name, run in runs.items():
                    count = len(recorded_runs()[name])
                    inngest.ended(run)
                    inngest.until(lambda r=run, n=count: len(answered(inngest, r)) >= n)
                    found[name] = answered(inngest, run)
                    if name in UNFINISHED:
                        del found[name][count:]
                for child in CHILDREN.values():
                    for run in [*inngest.executor.runs.values()]:
                        if run.function.slug == child:
                            found[child] = answered(inngest, inngest.ended(run))
    return found


def start(inngest: InngestEngine, name: str) -> Run:
    """Send the event of a recorded run, and later those that it waits for."""
    for seconds, event, data in SENT.get(name, ()):
        inngest.later(seconds, lambda e=event, d=data: inngest.send(e, d))
    event = recorded_runs()[name][0].body["event"]
    return inngest.run_of(inngest.send(event["name"], event["data"]))


@pytest.mark.parametrize("name", [*ROOTS, *CHILDREN.values()])
def test_the_stand_in_asks_the_recorded_requests_in_the_recorded_order(
    name: str, asked: dict[str, list[Exchange]]
) -> None:
    expected = recorded_runs()[name]
    assert [ask_of(each.step, each.body) for each in asked[name]] == [
        ask_of(each.step, each.body) for each in expected
    ]
    answers = [each.answer for each in asked[name] if each.answer is not None]
    assert [(each.status, shown(each.body)) for each in answers] == [
        (each.response["status"], shown(each.response["body"])) for each in expected
    ]


def answered(inngest: InngestEngine, run: Run) -> list[Exchange]:
    """Return the requests of a run in the order of their answers."""
    found = [each for each in inngest.requests if each.run_id == run.id and each.answered]
    return sorted(found, key=lambda each: each.answered or 0)


def ask_of(step: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return what a request asks: which step, and all that tells what has been done."""
    ctx = body["ctx"]
    names = ("attempt", "max_attempts", "disable_immediate_execution", "stack", "use_api", "env")
    event = {key: body["event"].get(key) for key in ("name", "data", "user")}
    return {
        "step": step,
        "version": body["version"],
        "steps": lasting(body["steps"]),
        "event": lasting(event),
        "events": len(body["events"]),
        "keys": sorted(body),
        "ctx": sorted(ctx),
        **{name: ctx[name] for name in names},
    }
