"""Two executors that want the same runs at the same moment: each run is one's alone."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from append_racer import child_environment
from lease_racer import LOST, WAYS, Racer, open_store

from inngest_nb import (
    HistoryEvent,
    InngestStore,
    SqliteStore,
    StateServer,
    WorkflowState,
    WorkflowStore,
)
from inngest_nb.state import EventType

pytestmark = pytest.mark.slow

EVERY_WAY = pytest.mark.parametrize("way", [*WAYS, "retry"])


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store is: a path, or an address."""
    if request.param == "file":
        yield str(tmp_path / "states.db")
        return
    with StateServer(tmp_path / "states.db", port=0) as server:
        yield server.url


class Meeting:
    """Put before a store, it has two executors read the same before either of them writes."""

    barrier: threading.Barrier | None = None

    def load(self, workflow_id: str) -> WorkflowState | None:
        state: WorkflowState | None = super().load(workflow_id)  # type: ignore[misc]
        self._meet()
        return state

    def fetch(self, **options: Any) -> Sequence[WorkflowState]:
        states: Sequence[WorkflowState] = super().fetch(**options)  # type: ignore[misc]
        self._meet()
        return states

    def _meet(self) -> None:
        barrier, self.barrier = self.barrier, None
        if barrier is not None:
            barrier.wait(10)


class MeetingFile(Meeting, SqliteStore):
    pass


class MeetingClient(Meeting, InngestStore):
    pass


def leave(store: WorkflowStore, way: str, ids: Sequence[str]) -> None:
    """Store runs as processes leave them that died, or as runs that have failed."""
    status = "failed" if way == "retry" else "running"
    for workflow_id in ids if way != "execute" else ():
        name = "plain_job" if workflow_id.startswith("plain") else "job"
        events = [HistoryEvent(id=1, type=EventType.WORKFLOW_STARTED, workflow=name)]
        if way == "retry":
            events.append(HistoryEvent(id=2, type=EventType.WORKFLOW_FAILED, error="mended"))
        store.save(
            WorkflowState(
                workflow_id=workflow_id,
                run_id="r",
                status=status,  # type: ignore[arg-type]
                history=tuple(events),
            )
        )


def check(
    store: WorkflowStore, log: Path, ids: Sequence[str], found: Sequence[dict[str, str]]
) -> None:
    """See that each run has one winner, and that no other has done anything of it."""
    names = {error.__name__ for error in LOST}
    done = Counter(tuple(json.loads(line)) for line in log.read_text().splitlines())
    for workflow_id in ids:
        words = [each[workflow_id] for each in found]
        assert words.count("won") == 1, (workflow_id, words)
        assert set(words) <= {"won", "EngineError", *names}
        winner = "ab"[words.index("won")]
        state = store.load(workflow_id)
        assert state is not None
        assert (state.status, state.result) == ("completed", [winner, winner])
        assert done[workflow_id, winner] == 2
        assert done[workflow_id, "ba"["ab".index(winner)]] == 0


@pytest.mark.parametrize("kind", ["async", "plain"])
@EVERY_WAY
def test_of_two_executors_that_read_the_same_one_goes_on(
    place: str, tmp_path: Path, way: str, kind: str
) -> None:
    log, barrier = tmp_path / "log", threading.Barrier(2)
    make = MeetingClient if place.startswith("http") else MeetingFile
    ids = [f"{kind} {way}"]
    with contextlib.ExitStack() as stack:
        stores = [stack.enter_context(make(place)) for _ in "ab"]
        racers = [stack.enter_context(contextlib.closing(Racer(name, str(log)))) for name in "ab"]
        leave(stores[0], way, ids)
        executors = [
            stack.enter_context(racer.executor(store))
            for racer, store in zip(racers, stores, strict=True)
        ]
        for store in stores:
            store.barrier = barrier
        threads = stack.enter_context(ThreadPoolExecutor(2))
        pairs = list(zip(racers, executors, strict=True))
        begun = [threads.submit(racer.begin, executor, way, ids) for racer, executor in pairs]
        refused = [future.result(60) for future in begun]
        found = [racer.end(executor) for racer, executor in pairs]
        check(stores[0], log, ids, [a | b for a, b in zip(refused, found, strict=True)])


@pytest.mark.skipif(sys.platform == "win32", reason="appends to one file from two processes")
def test_of_two_processes_each_run_has_one(place: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = str(Path(__file__).parents[1] / "lease_racer.py")
    with contextlib.ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, script, name, place, str(log)],
                    env=child_environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for name in "ab"
        ]
        store = stack.enter_context(open_store(place))
        assert [line(racer) for racer in racers] == ["ready"] * 2
        for way in (*WAYS, "retry"):
            ids = [f"{kind} {way} {n}" for n in range(15) for kind in ("async", "plain")]
            leave(store, way, ids)
            refused = tell(racers, way, ids)
            found = tell(racers, way, [])
            check(store, log, ids, [a | b for a, b in zip(refused, found, strict=True)])
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.close()
            assert racer.wait(60) == 0


def tell(racers: Sequence[subprocess.Popen[str]], way: str, ids: list[str]) -> list[dict[str, str]]:
    """Tell all racers the same at once, and return what they answer."""
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(json.dumps([way, ids]) + "\n")
        racer.stdin.flush()
    return [json.loads(line(racer)) for racer in racers]


def line(racer: subprocess.Popen[str]) -> str:
    assert racer.stdout is not None
    return racer.stdout.readline().strip()
