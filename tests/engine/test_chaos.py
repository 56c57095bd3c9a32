"""Workers and their server that are killed all the time: every run ends right, and does it once."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
from chaos_workflows import chaos_async, chaos_plain, result_of
from worker_fleet import Fleet, fleet

from inngest_nb import Executor, InngestStore, WorkflowStore

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills")]

# INNGEST_NB_CHAOS=1 takes a minute and 200 runs.
FULL = bool(os.environ.get("INNGEST_NB_CHAOS"))
SECONDS, RUNS, STEPS, PAUSE = (60.0, 200, 36, 1.5) if FULL else (15.0, 60, 18, 0.7)
WORKER_EVERY, SERVER_EVERY = 3.0, 10.0
LEASE = 10.0  # nobody loses it for being slow, on a machine that is busy with other tests too
_PATIENCE = 120.0
_WAITING = threading.Event()


@pytest.mark.timeout(400)
def test_every_run_ends_right_whoever_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "effects.log"
    variables = {"CHAOS_LOG": str(log), "CHAOS_STEPS": str(STEPS), "CHAOS_PAUSE": str(PAUSE)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("chaos_workflows.STEPS", STEPS)
    monkeypatch.setattr("chaos_workflows.PAUSE", PAUSE)
    with fleet(tmp_path, 3, lease=LEASE, **variables) as workers:
        with InngestStore(workers.server.url) as store:
            submit(store)
            kill_at_random(workers)
            wait_for_the_end(store)
            check(store, log, workers)


def submit(store: WorkflowStore) -> None:
    """Begin the runs in an executor that is closed at once; the workers go on with them."""
    with Executor(store) as executor:
        for number in range(RUNS):
            fn = (chaos_async, chaos_plain)[number % 2]
            executor.execute(fn, id=f"run-{number}", input=number)


def kill_at_random(workers: Fleet) -> None:
    """Kill a worker every few seconds, and the server now and then."""
    begun = time.monotonic()
    kills = servers = 0
    while (now := time.monotonic() - begun) < SECONDS:
        if now > (servers + 1) * SERVER_EVERY:
            servers += 1
            workers.kill_server()
        elif now > (kills + 1) * WORKER_EVERY:
            workers.kill_worker(kills % 3)
            kills += 1
        else:
            _WAITING.wait(0.05)
    assert kills >= SECONDS // (2 * WORKER_EVERY)
    assert servers


def wait_for_the_end(store: WorkflowStore) -> None:
    deadline = time.monotonic() + _PATIENCE
    while running := store.fetch(status="running"):
        assert time.monotonic() < deadline, (len(running), str(running[0]))
        _WAITING.wait(0.2)


def check(store: WorkflowStore, log: Path, workers: Fleet) -> None:
    gone = workers.killed | {os.getpid()}
    begun: dict[tuple[str, int], list[tuple[int, float]]] = defaultdict(list)
    for line in log.read_text().splitlines():
        workflow_id, seq, attempt, pid, when = json.loads(line)
        assert attempt == 1, "nothing fails here, so that nothing is retried"
        begun[workflow_id, seq].append((pid, when))
    for number in range(RUNS):
        state = store.load(f"run-{number}")
        assert state is not None
        name = ("chaos_async", "chaos_plain")[number % 2]
        assert (state.status, state.result) == ("completed", result_of(name, number)), state.error
        assert [event.id for event in state.history] == [*range(1, len(state.history) + 1)]
        completed = [e for e in state.history if e.type == "activity_completed"]
        assert len(completed) == STEPS * (1 if number % 2 else 2)
        for event in completed:
            assert event.timestamp is not None
            times = begun.pop((state.workflow_id, int(event.seq or 0)))
            assert len({pid for pid, _ in times}) == len(times), "begun twice by one process"
            assert {pid for pid, _ in times[:-1]} <= gone, "begun again, and nobody had died"
            assert times[-1][1] <= event.timestamp.timestamp() + 0.05, "begun after its end"
    assert not begun, "activities that no history knows of"
