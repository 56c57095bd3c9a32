"""Processes that die by SIGKILL at any moment: what was recorded stays, and is not done again."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from mortal_runs import Life, Mortals, death, effects, mortals, send_the_rest, signals_of
from replayed_workflows import WORKFLOWS, alike, ended, outcome
from small_workflows import waits_and_returns

from inngest_nb import (
    Executor,
    InngestStore,
    Signal,
    SqliteStore,
    WorkflowState,
    WorkflowStore,
)
from inngest_nb.errors import (
    LeaseLostError,
    WorkflowLeasedError,
    WorkflowNotHereError,
    WorkflowNotRunningError,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="forks and kills"),
]

# Every so many moments will do: on a server there are several times as many, and each takes longer.
# INNGEST_NB_KILLS=all takes each of them.
FILES_STEP, SERVERS_STEP = (1, 1) if os.environ.get("INNGEST_NB_KILLS") == "all" else (2, 6)


@pytest.fixture(scope="module", name="mortals")
def _mortals() -> Iterator[Mortals]:
    with mortals() as made:
        yield made


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a state server in a process of its own."""
    path = tmp_path_factory.mktemp("server") / "states.db"
    command = [sys.executable, "-m", "inngest_nb", "serve", "--port", "0", "--path", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield re.findall(r"http://[^\s,]+", server.stdout.readline())[0]
        server.terminate()


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is: a path, or an address."""
    if request.param == "file":
        return str(tmp_path / "states.db")
    return str(request.getfixturevalue("server_url"))


def open_store(place: str) -> WorkflowStore:
    return InngestStore(place) if place.startswith("http") else SqliteStore(place)


def undisturbed(name: str) -> object:
    fn, given, signals = WORKFLOWS[name]
    with Executor() as executor:
        handle = executor.execute(fn, input=given)
        send_the_rest(executor, handle, signals)
        return outcome(handle)


def go_on(executor: Executor, name: str, log: Path) -> object:
    """Go on with a run, see it to its end, and return what came of it.

    What the dead process had sent may arrive at a server only now.
    """
    fn, given, signals = WORKFLOWS[name]
    workflow_id = log.stem
    with contextlib.closing(Life(log)) as life:
        while (stored := executor.store.load(workflow_id)) is None or stored.status == "running":
            try:
                if stored is None:  # nothing was saved: it never began
                    handle = executor.execute(life.workflow(fn), id=workflow_id, input=given)
                else:
                    handle = executor.resume(life.workflow(fn), workflow_id)
                send_the_rest(executor, handle, signals)
                return outcome(handle)
            except (LeaseLostError, WorkflowNotHereError, WorkflowNotRunningError):
                continue
    return stored.error or stored.result


# How many activities of a workflow are in flight at a time, where that is more than one.
AT_ONCE = {"everything": 4, "plainly": 2, "fan_out": 6}


def check(
    name: str, before: WorkflowState | None, after: WorkflowState | None, log: Path, lives: int = 2
) -> None:
    """Compare what a dead run left, what became of it, and how often its activities ran."""
    assert after is not None
    history = before.history if before else ()
    assert after.history[: len(history)] == history
    assert [event.id for event in after.history] == list(range(1, len(after.history) + 1))
    counts = effects(log)
    for attempt in ended(before):
        # One that was canceled before it began has an end, but had no effect.
        assert counts[attempt] < lives, f"the recorded attempt {attempt} was made again"
    assert set(counts.values()) <= set(range(1, lives + 1))
    again = [attempt for attempt, count in counts.items() if count > 1]
    assert len(again) <= AT_ONCE.get(name, 1) * (lives - 1), "more than those in flight ran again"
    completed = Counter(e.seq for e in after.history if e.type == "activity_completed")
    assert set(completed.values()) <= {1}
    assert signals_of(after) == WORKFLOWS[name][2]


def moments_of(name: str, place: str) -> set[str]:
    """Return the names of the moments that come in a run."""
    moments = {
        f"{when} {what}" for when in ("before", "after") for what in ("a save", "the final save")
    }
    moments |= {"told of the start", "before an activity", "in an activity", "after an activity"}
    if WORKFLOWS[name][2]:
        moments |= {"waiting for a signal", "after a signal"}
    if name in ("everything", "plainly", "order", "approval", "broken"):
        moments.add("waiting for a timer")
    if name in ("everything", "plainly", "order", "broken"):
        moments.add("told of a retry")
    return moments | ({"in a request", "before an answer"} if place.startswith("http") else set())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_run_whose_process_is_killed_at_any_moment_goes_on_where_it_was(
    mortals: Mortals, place: str, tmp_path: Path, name: str
) -> None:
    expected = undisturbed(name)
    named = sorted(moments_of(name, place))
    died: set[str] = set()
    survived = 0
    with open_store(place) as store, Executor(store) as executor:
        step = SERVERS_STEP if place.startswith("http") else FILES_STEP
        for moment in itertools.chain(named, itertools.count(1, step)):
            log = tmp_path / f"{name} {moment}.log"
            if not mortals.live(name, place, log, die_at=moment):
                survived += 1
                if survived == 3:  # how many moments there are differs a little
                    break
                continue
            died.add(death(log))
            before = store.load(log.stem)
            assert alike(go_on(executor, name, log), expected), moment
            check(name, before, store.load(log.stem), log)
    assert died == set(named)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_run_that_dies_in_life_after_life_comes_to_its_end(
    mortals: Mortals, place: str, tmp_path: Path, name: str, seed: int
) -> None:
    luck = random.Random(seed)
    log = tmp_path / f"{name} of {seed}.log"
    with open_store(place) as store:
        died, lives = True, 0
        while died:
            before, effects_before = store.load(log.stem), effects(log)
            died = mortals.live(name, place, log, die_at=luck.randint(3, 40))
            lives += 1
            after = store.load(log.stem)
            recorded = ended(before)
            again = effects(log) - effects_before
            assert not recorded & set(again), "a recorded attempt was made again"
            assert set(again.values()) <= {1}
        assert lives > 1
        check(name, before, after, log, lives)
        assert after is not None
        assert alike(after.error or after.result, undisturbed(name))


def test_a_process_that_dies_within_a_commit_leaves_what_was_committed_before(
    mortals: Mortals, tmp_path: Path
) -> None:
    """The system ends it when SQLite's log has grown to so many bytes, whatever it is writing."""
    expected = undisturbed("order")
    sizes = [0, 4000]
    while sizes[-1] != sizes[-2]:
        path, log = tmp_path / f"{sizes[-1]}.db", tmp_path / f"{sizes[-1]}.log"
        SqliteStore(path).close()  # which copies the log with the tables into the file
        with SqliteStore(path) as store, Executor(store) as executor:
            assert store.list() == []  # so that the log is kept, as others have the file open
            died = mortals.live("order", str(path), log, longest_file=sizes[-1])
            written = Path(f"{path}-wal").stat().st_size
            assert not died or written == sizes[-1]
            before = store.load(log.stem)
            assert alike(go_on(executor, "order", log), expected)
            check("order", before, store.load(log.stem), log)
        sizes.append(sizes[-1] + 4567 if died else sizes[-1])
    assert len(sizes) > 20


WAITS = """
import sys
import inngest_nb as inb

async def waits(ctx):
    return await ctx.receive_signal("go")

executor = inb.Executor(inb.SqliteStore(sys.argv[1]))
executor.execute(waits, id="w")
executor.signal("w", inb.Signal("hello"))
print("waiting", flush=True)
executor.execute(waits).result()
"""


def test_a_killed_process_that_nobody_has_waited_for_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITS, str(tmp_path / "states.db")]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        SqliteStore(tmp_path / "states.db") as store,
        Executor(store) as executor,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        with pytest.raises(WorkflowLeasedError, match=f"process {process.pid} "):
            executor.resume(waits_and_returns, "w")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        handle = executor.resume(waits_and_returns, "w")
        executor.signal("w", Signal("go", 7))
        assert handle.result(60) == 7
