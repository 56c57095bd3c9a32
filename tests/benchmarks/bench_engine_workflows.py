"""How many workflows of one activity a second, one after another and 32 at once, beside DBOS.

Each side has on disk that a workflow began, what its activity gave, and how it ended. Ours is
measured with async and with plain functions, on a SqliteStore and over HTTP to a state server in a
process of its own. Last comes the floor: bare Python that commits these three rows with sqlite3;
for 32 at once one commit has a row of each.
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

from inngest_nb import Executor, InngestStore, SqliteStore, WorkflowStatus

FUNCTIONS = {"async": async_steps, "plain": plain_steps}
BATCHES = {1: 40, 32: 2}  # how many times so many at once make a measurement
ROUNDS = 9
GOAL = 5


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
        for at_once in BATCHES:
            compare(executors, floor, at_once)
        floor.close()
        check(file, folder / "dbos.db")


def compare(executors: dict[str, Executor], floor: Floor, at_once: int) -> None:
    batches = BATCHES[at_once]
    ours = {
        f"{kind} functions, {store}": run(executor, workflow, at_once)
        for store, executor in executors.items()
        for kind, workflow in FUNCTIONS.items()
    }
    works: dict[str, Callable[[], object]] = {
        "DBOS": lambda: dbos_peer.run(at_once, 1),
        "bare Python and sqlite3": lambda: floor.workflows(at_once),
        **ours,
    }
    for work in works.values():
        work()  # the first time is another: threads, connections and tables are new
    times = measure(works, rounds=ROUNDS, calls=batches, units=at_once)
    manner = f"{at_once} at once" if at_once > 1 else "one after another"
    print(f"A workflow of one activity, {manner}")
    show(times)
    for each in ours:
        near = 1 / ratio_of(times[each], times["bare Python and sqlite3"])
        print(f"{each}: {near:.1f} times what the floor takes")
        judge(
            f"engine: workflows per second, {manner}, {each}", times[each], times["DBOS"], goal=GOAL
        )


def run(executor: Executor, workflow: Callable[..., Any], at_once: int) -> Callable[[], None]:
    def work() -> None:
        handles = [executor.execute(workflow, input=1) for _ in range(at_once)]
        for handle in handles:
            assert handle.result(600) == 1

    return work


def check(ours: SqliteStore, dbos: Path) -> None:
    """See in the files that both sides kept what they did."""
    states = ours.list()
    assert all(state.status is WorkflowStatus.COMPLETED for state in states)
    workflows, steps = dbos_peer.recorded(dbos)
    print(f"On disk: {len(states):,} completed runs; of DBOS: {workflows:,}")
    assert workflows == steps == len(states) / 2


if __name__ == "__main__":
    main()
