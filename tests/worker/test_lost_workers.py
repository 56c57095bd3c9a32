"""Workers that are killed in the middle of a step: every run ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from inngest_engine import InngestEngine, Run
from inngest_fleet import InngestFleet, inngest_fleet
from inngest_gateway import InngestGateway
from inngest_site import until
from lost_workflows import ACTIVITIES, LOG, MOST, SIGNALED, WORKFLOWS, Attempt, Begin, Log
from replayed_workflows import outcome

from inngest_nb import Executor, InngestAPI, Signal
from inngest_nb.engine.basics import name_of
from inngest_nb.worker._handle import InngestHandle, start_run
from inngest_nb.worker.steps._sdk import hash_of
from inngest_nb.worker.steps._steps import attempt_name

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills")]

# INNGEST_NB_CHAOS=1 takes two minutes.
ROUNDS = 20 if os.environ.get("INNGEST_NB_CHAOS") else 2
WORKERS = 3
GIVEN = 2
GO = Signal("go", {"now": True})
# Seconds. In its lease a worker has to end a step that takes the twentieth part of it.
LEASE, RETRY_INTERVAL = 1, 1
PATIENCE = 60


@dataclass(frozen=True)
class Undisturbed:
    """What the workflows give with an `Executor`, and which attempts that takes."""

    outcomes: dict[str, Any]
    attempts: set[Attempt]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    log = Log(tmp_path_factory.mktemp("undisturbed") / "log")
    with pytest.MonkeyPatch.context() as patch, Executor() as executor:
        patch.setenv(LOG, str(log.file))
        handles = {
            name_of(fn): executor.execute(fn, id=f"e-{name_of(fn)}", input=GIVEN)
            for fn in WORKFLOWS
        }
        executor.signal(f"e-{SIGNALED}", GO)
        outcomes = {name: outcome(handle) for name, handle in handles.items()}
    return Undisturbed(outcomes, {*log.begun("e-")})


@dataclass(frozen=True)
class Site:
    """The server, its workers, and what these did."""

    inngest: InngestEngine
    gateway: InngestGateway
    fleet: InngestFleet
    log: Log
    via: str


@pytest.fixture(params=["http", "connect"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    via, log = request.param, Log(tmp_path / "log")
    variables = {LOG: str(log.file)}
    with (
        InngestEngine(retry_interval=RETRY_INTERVAL) as inngest,
        InngestGateway(inngest, lease=LEASE) as gateway,
        inngest_fleet(inngest.url, "lost_workflows", via, tmp_path, **variables) as fleet,
    ):
        yield Site(inngest, gateway, fleet, log, via)


@pytest.mark.timeout(600)
def test_every_run_ends_right_whoever_is_killed(site: Site, undisturbed: Undisturbed) -> None:
    with InngestAPI(site.inngest.url) as api:
        for number in range(ROUNDS):
            play(site, api, undisturbed, number)
    assert len(site.fleet.killed) == ROUNDS


def play(site: Site, api: InngestAPI, undisturbed: Undisturbed, number: int) -> None:
    """Run all workflows with three workers, of which the one that is in a chosen step is killed."""
    fleet, log, prefix = site.fleet, site.log, f"{number}-"
    fleet.wait_active(WORKERS)
    if site.via == "connect":
        site.gateway.wait_until(lambda: len(site.gateway.workers) == WORKERS)
    before = log.held()
    log.choose(random.Random(f"{site.via} {number}").randint(1, MOST))
    handles = {name_of(fn): begin(api, fn, prefix + name_of(fn)) for fn in WORKFLOWS}
    handles[SIGNALED].signal(GO)
    until(lambda: log.held() > before)
    (victim,) = log.held() - before
    fleet.kill(victim)
    if number % 2 == 0:
        fleet.start()  # which serves while the runs go on
    outcomes = {name: outcome(handle, PATIENCE) for name, handle in handles.items()}
    assert outcomes == undisturbed.outcomes
    begun = log.begun(prefix)
    assert {*begun} == undisturbed.attempts
    for attempt, begins in begun.items():
        check(site, prefix, attempt, begins)
    again = sum(len(begins) - 1 for begins in begun.values())
    assert again >= 1, "nobody made the attempt that was killed"


def begin(api: InngestAPI, fn: Callable[..., Any], workflow_id: str) -> InngestHandle:
    _, run_id = start_run(api, "nb", fn, GIVEN, workflow_id, None)
    return InngestHandle(api, fn, workflow_id, run_id)


def check(site: Site, prefix: str, attempt: Attempt, begins: list[Begin]) -> None:
    """See that an attempt was made again only for who was lost, and not once it was recorded."""
    workflow, seq, number = attempt
    run = run_of(site, prefix + workflow)
    lost = site.fleet.killed | late(site, run)
    assert {each.pid for each in begins[:-1]} <= lost, f"{attempt} made again, and nobody was lost"
    assert len({each.pid for each in begins}) == len(begins), f"{attempt} made twice by one process"
    names = [attempt_name(seq, activity, number) for activity in ACTIVITIES]
    (recorded,) = [run.times[key][1] for key in map(hash_of, names) if key in run.times]
    assert recorded is not None
    after = {each.pid for each in begins if each.when > recorded.timestamp()}
    assert after <= late(site, run), f"{attempt} made again after it was recorded"


def run_of(site: Site, workflow_id: str) -> Run:
    runs = site.inngest.do(lambda: [*site.inngest.executor.runs.values()])
    (found,) = [run for run in runs if run.events[0]["data"]["workflow_id"] == workflow_id]
    return found


def late(site: Site, run: Run) -> set[int]:
    """Return the connected workers that let a lease of a run pass: they were dead, or too slow."""
    lost = {
        each.body["ctx"]["request_id"]
        for each in site.inngest.requests
        if each.is_lost and each.run_id == run.id
    }
    connections = {
        frame.connection
        for frame in [*site.gateway.frames]
        if frame.kind == "GATEWAY_EXECUTOR_REQUEST" and frame.request_id in lost
    }
    return {
        int(frame.payload.instance_id.rpartition("-")[2])
        for frame in [*site.gateway.frames]
        if frame.kind == "WORKER_CONNECT" and frame.connection in connections
    }
