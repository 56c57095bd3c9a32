"""How soon the runs of a worker that is killed go on in another, and what three workers do a second.

Three worker processes share a state server in a process of its own, with a lease of 2 s. Takeover
is the time from SIGKILL, with nothing started again, until an activity of each run that the dead
one had runs elsewhere. Goal: 2 leases, as workers look about every lease and then replay.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

from alternating import verdict

sys.path.append(str(Path(__file__).parent.parent))
import chaos_workflows
from worker_fleet import fleet

from inngest_nb import Executor, InngestStore

RUNS, STEPS, PAUSE = 200, 20, 0.3
LEASE = 2.0
ROUNDS = 3
MOST_LEASES = 2.0


def main() -> None:
    measured = [once() for _ in range(ROUNDS)]
    takeovers = [takeover for takeover, _ in measured]
    rates = [rate for _, rate in measured]
    print(f"takeover of all runs: {statistics.median(takeovers):.2f} s {sorted(takeovers)}")
    print(f"runs of {STEPS} steps a second, one killed: {statistics.median(rates):.1f}")
    ratio = statistics.median(takeovers) / LEASE
    verdict(
        "engine: takeover of a killed worker's runs, in leases",
        ratio,
        goal=MOST_LEASES,
        at_most=True,
    )


def once() -> tuple[float, float]:
    """Return the seconds of a takeover, and how many runs ended a second."""
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "effects.log"
        variables = {"CHAOS_LOG": str(log), "CHAOS_STEPS": str(STEPS), "CHAOS_PAUSE": str(PAUSE)}
        os.environ |= variables
        chaos_workflows.STEPS, chaos_workflows.PAUSE = STEPS, PAUSE
        pause = threading.Event().wait
        with (
            fleet(Path(name), 3, lease=LEASE, **variables) as workers,
            InngestStore(workers.server.url) as store,
        ):
            begun = time.time()
            with Executor(store) as executor:
                for number in range(RUNS):
                    executor.execute(chaos_workflows.chaos_async, id=f"{number}", input=number)
            pids = {worker.pid for worker in workers.workers}
            while not pids <= {pid for _, pid, _ in effects(log)}:
                pause(0.05)
            pause(LEASE / 2)
            killed = time.time()
            victim = workers.workers[0].pid
            workers.kill_worker(0, start_again=False)
            while store.fetch(status="running"):
                pause(0.2)
            ended = time.time()
            last = {workflow: pid for workflow, pid, when in effects(log) if when <= killed}
            later: dict[str, list[float]] = defaultdict(list)
            for workflow, _, when in effects(log):
                if when > killed:
                    later[workflow].append(when)
            taken = [
                min(later[w]) - killed for w, pid in last.items() if pid == victim and later[w]
            ]
            assert taken, "the worker that was killed had no run"
            return max(taken) - PAUSE, RUNS / (ended - begun)


def effects(log: Path) -> list[tuple[str, int, float]]:
    """Return which run had an activity in which process, and when."""
    lines = log.read_text().splitlines() if log.exists() else []
    entries = [json.loads(line) for line in lines]
    return [(entry[0], entry[3], entry[4]) for entry in entries]


if __name__ == "__main__":
    main()
