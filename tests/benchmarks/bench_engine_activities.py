"""How many durable activities a second, in one run and in 32 runs at once, beside DBOS on SQLite.

Ours is measured with async and with plain functions, on a SqliteStore and over HTTP to a state
server in a process of its own. Each activity's result is on disk before its workflow goes on. Last
comes the floor: bare Python that calls the function and writes a row per activity with sqlite3,
each on disk before the next; for 32 runs one commit has a row of each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dbos_peer
from alternating import judge, measure, ratio_of, show
from same_steps import Floor, async_steps, plain_steps
from served import state_server

from inngest_nb import Executor, InngestStore, SqliteStore

FUNCTIONS = {"async": async_steps, "plain": plain_steps}
# Of async and of plain functions.
GOALS = {
    ("SqliteStore", 1): {"async": 6, "plain": 6},
    ("SqliteStore", 32): {"async": 50, "plain": 30},
    ("HTTP", 1): {"async": 2, "plain": 2},
    ("HTTP", 32): {"async": 20, "plain": 20},
}


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        state_server((folder := Path(name)) / "served.db") as url,
        SqliteStore(folder / "states.db") as file,
        InngestStore(url) as client,
        Executor(file) as on_file,
        Executor(client) as over_http,
        dbos_peer.launched(folder / "dbos.db"),
    ):
        floor = Floor(folder / "floor.db")
        executors = {"SqliteStore": on_file, "HTTP": over_http}
        compare(executors, floor, runs=1, activities=100, rounds=11)
        compare(executors, floor, runs=32, activities=50, rounds=7)
        floor.close()
        check(file, folder / "dbos.db")


def compare(
    executors: dict[str, Executor], floor: Floor, *, runs: int, activities: int, rounds: int
) -> None:
    for work in works(executors, floor, runs, 2).values():
        work()  # the first time is another: threads, connections and tables are new
    measured = works(executors, floor, runs, activities)
    times = measure(measured, rounds=rounds, units=runs * activities)
    several = f"{runs} runs at once" if runs > 1 else "one run"
    print(f"An activity, with {runs * activities} in {several}")
    show(times)
    for (store, at_once), goals in GOALS.items():
        for kind, goal in goals.items() if at_once == runs else ():
            name = f"{kind} functions, {store}"
            near = 1 / ratio_of(times[name], times["bare Python and sqlite3"])
            print(f"{name}: {near:.1f} times what the floor takes")
            benchmark = f"engine: activities per second, {several}, {name}"
            judge(benchmark, times[name], times["DBOS"], goal=goal)


def works(
    executors: dict[str, Executor], floor: Floor, runs: int, activities: int
) -> dict[str, Callable[[], object]]:
    made: dict[str, Callable[[], object]] = {
        "DBOS": lambda: dbos_peer.run(runs, activities),
        "bare Python and sqlite3": lambda: floor.activities(runs, activities),
    }
    for store, executor in executors.items():
        for kind, workflow in FUNCTIONS.items():
            made[f"{kind} functions, {store}"] = run(executor, workflow, runs, activities)
    return made


def run(
    executor: Executor, workflow: Callable[..., Any], runs: int, activities: int
) -> Callable[[], None]:
    def work() -> None:
        handles = [executor.execute(workflow, input=activities) for _ in range(runs)]
        for handle in handles:
            assert handle.result(600) == activities

    return work


def check(ours: SqliteStore, dbos: Path) -> None:
    """See in the files that both sides kept what they did."""
    states = ours.list()
    done = [event for state in states for event in state.history if event.result is not None]
    workflows, steps = dbos_peer.recorded(dbos)
    print(f"On disk: {len(done) - len(states):,} results of {len(states)} runs")
    print(f"On disk of DBOS: {steps:,} results of {workflows} runs")
    assert len(done) > len(states)
    assert steps > workflows


if __name__ == "__main__":
    main()
