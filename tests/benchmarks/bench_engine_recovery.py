"""How long it takes to recover 1,000 pending runs after a crash, beside DBOS on SQLite.

Each run has done five activities and has two to do. Each side makes them in a process that is then
killed, and recovers a copy of what that one left, in a new process. The time is from opening the
store to the last result; imports are not in it. DBOS has plain functions, with which it is faster.
The floor is bare Python that reads the rows and writes what is missing, 32 runs in a commit.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from time import perf_counter

from alternating import judge, measure, ratio_of, show
from same_steps import Floor
from served import state_server

HERE = Path(__file__).parent
WORKFLOWS = {"async": "async_seven_steps", "plain": "plain_seven_steps"}
RUNS = 1_000
ROUNDS = 3
MOST = 1 / 20


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies = count()

        def left(crashed: Path) -> Path:
            """Return a new copy of a file that a killed process left, with its journals."""
            copy = folder / f"copy-{next(copies)}"
            shutil.copytree(crashed.parent, copy)
            return copy / crashed.name

        works: dict[str, Callable[[], float]] = {}
        for kind, workflow in WORKFLOWS.items():
            file = crashed(folder / kind, "pending_runs.py", workflow)
            works[f"{kind} functions, SqliteStore"] = on_file(left, file, workflow)
            works[f"{kind} functions, HTTP"] = over_http(left, file, workflow)
        file = crashed(folder / "dbos", "pending_dbos.py")
        works["DBOS"] = lambda: child("pending_dbos.py", "recover", left(file))
        works["bare Python and sqlite3"] = lambda: bare(folder / f"floor-{next(copies)}.db")
        times = measure(works, rounds=ROUNDS, units=RUNS, seconds=600, told=True)
        print(f"A recovered run, of {RUNS:,}")
        show(times)
        for each in list(works)[:-2]:
            near = 1 / ratio_of(times[each], times["bare Python and sqlite3"])
            print(f"{each}: {near:.1f} times what the floor takes")
            benchmark = f"engine: recovery of 1,000 runs, {each}"
            judge(benchmark, times[each], times["DBOS"], goal=MOST, at_most=True)


def on_file(left: Callable[[Path], Path], file: Path, workflow: str) -> Callable[[], float]:
    return lambda: child("pending_runs.py", "recover", workflow, left(file))


def over_http(left: Callable[[Path], Path], file: Path, workflow: str) -> Callable[[], float]:
    def work() -> float:
        with state_server(left(file)) as url:
            return child("pending_runs.py", "recover", workflow, url)

    return work


def bare(file: Path) -> float:
    """Return the seconds that the floor takes for the same."""
    floor = Floor(file)
    floor.activities(RUNS, 5)
    begun = perf_counter()
    floor.recovery(RUNS, 5, 7)
    taken = perf_counter() - begun
    floor.close()
    return taken


def crashed(folder: Path, script: str, *arguments: str) -> Path:
    """Return the file that a process left behind which was killed at its work."""
    folder.mkdir()
    file = folder / "states.db"
    ended = subprocess.run([sys.executable, HERE / script, "crash", *arguments, file])
    assert ended.returncode < 0, "it was to be killed"
    return file


def child(script: str, *arguments: str | Path) -> float:
    """Return the seconds that a process says it took."""
    command = [sys.executable, HERE / script, *arguments]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
