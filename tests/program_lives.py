"""Lives of a random program: each is a process of its own, with hashes of its own.

Python starts slowly. So for each seed of hashes one process has everything imported, and each life
is forked from one of them. It does what it is told over a socket, and the only thing that ends it
before its time is SIGKILL.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, NoReturn

import program_runs  # noqa: F401  # loaded before the fork, with all that it needs
from program_files import MortalFile, SharedTime
from program_process import SECONDS, Process, Seen
from program_world import World
from random_programs import Node

import inngest_nb.errors
from inngest_nb import AsyncWorkflowContext, Signal, SqliteStore, WorkflowState
from inngest_nb.engine.run._run import Run
from inngest_nb.errors import EngineError, StoreError

BESIDE = ("before", "after")
BESIDE_RESULT = [[0, 2, 4, 6, 8, 10], [0, 2, 4, 6, 8, 10]]


class Living(Process):
    """The process itself; other runs live beside the program's, and begin in another order."""

    def __init__(self, job: dict[str, Any]) -> None:
        folder = Path(job["folder"])
        shared = SharedTime(folder / "time")
        file = MortalFile(folder / "states.db", shared)
        # Where it looks for what has happened is never away.
        store = SqliteStore(folder / "states.db")
        world = World(store, job["program"], plain=job["plain"], time=shared)
        file.changed = world.notify
        super().__init__(job["number"], world, file, job["workflow_id"])
        self.order: list[str] = job["order"]
        self.beside: dict[str, Any] = {}
        self.acknowledged: list[int] = []

    def begin(self, timeout: float | None, *, take_over: bool = False) -> None:
        for workflow_id in self.order:
            if workflow_id == self.workflow_id:
                super().begin(timeout, take_over=take_over)
            else:
                self.begin_beside(workflow_id)

    def begin_beside(self, workflow_id: str) -> None:
        assert self.executor is not None
        stored = self.world.store.load(workflow_id)
        if stored is None:
            execute = self.executor.execute
            self.beside[workflow_id] = execute(beside, id=workflow_id, input=6)
        elif stored.status == "running":
            resume = self.executor.resume
            self.beside[workflow_id] = resume(beside, workflow_id, take_over=True)

    def end_beside(self, workflow_id: str) -> Any:
        """End a run that lived beside the program's in all its lives, and return its result."""
        assert self.executor is not None
        if workflow_id in self.beside:
            self.executor.signal(workflow_id, Signal("end"))
            return self.beside[workflow_id].result(SECONDS)
        stored = self.world.store.load(workflow_id)
        return stored and stored.result

    def look(self) -> Seen:
        return super().look()._replace(acknowledged=tuple(self.acknowledged))

    def signal(self, signal: Signal) -> bool:
        """Give a signal to the run; while the store is away, let that wait until it is there."""
        if not self.world.time.store_is_away:
            return super().signal(signal)

        def send() -> None:
            super(Living, self).signal(signal)
            self.acknowledged.append(signal.payload)

        run = self._run
        self._let_wait(
            send, lambda: any(e.signal_payload == signal.payload for e in run.state.history)
        )
        return False

    def cancel(self) -> bool:
        """Cancel the run; while the store is away, let that wait until it is there."""
        if not self.world.time.store_is_away:
            return super().cancel()
        self._let_wait(super().cancel, lambda: self._run.ended)
        return True

    @property
    def _run(self) -> Run:
        assert self.handle is not None
        run = self.handle._run
        assert isinstance(run, Run)
        return run

    def _let_wait(self, call: Callable[[], object], recorded: Callable[[], bool]) -> None:
        """Have a call made that returns once it is saved, and return when it is recorded."""
        thread = threading.Thread(target=_quietly, args=(call,), daemon=True)
        thread.start()
        deadline = time.monotonic() + SECONDS
        while thread.is_alive() and not recorded():
            assert time.monotonic() < deadline, "what came in an outage was not taken in"
            thread.join(0.001)


def _quietly(call: Callable[[], object]) -> None:
    """Make a call that the end of the run, or of the executor, may refuse."""
    with contextlib.suppress(EngineError, StoreError):
        call()


async def beside(ctx: AsyncWorkflowContext, count: int) -> Any:
    """Go through sets of what it does, and wait."""
    tasks = {asyncio.ensure_future(ctx.execute_activity(doubled, n)): n for n in range(count)}
    done, _ = await asyncio.wait(tasks)
    values = {tasks[task]: task.result() for task in done}
    calls = [ctx.execute_activity(doubled, n) for n in range(count)]
    completed = [await each for each in asyncio.as_completed(calls)]
    await ctx.receive_signal("end")
    return [[values[n] for n in range(count)], sorted(completed)]


async def doubled(n: int) -> int:
    return 2 * n


class Life(Process):
    """A life, as those see it who have begun it."""

    def __init__(self, seed: int, connection: Connection, number: int) -> None:
        self.seed, self.number = seed, number
        self._connection = connection
        self._pid = connection.recv()
        self._dead = False

    def _ask(self, what: str, *args: Any, **options: Any) -> Any:
        try:
            self._connection.send((what, args, options))
            worked, answer = self._connection.recv()
        except (EOFError, OSError):
            self._dead = True
            raise OSError("the process is gone") from None
        if not worked:
            raise _error(*answer)
        return answer

    def begin(self, timeout: float | None, *, take_over: bool = False) -> None:
        self._ask("begin", timeout, take_over=take_over)

    def replay(self, state: WorkflowState) -> None:
        self._ask("replay", state)

    def look(self) -> Seen:
        try:
            seen = self._ask("look") if not self._dead else Seen(dead=True)
        except OSError:
            return Seen(dead=True)
        assert isinstance(seen, Seen)
        return seen._replace(problem=_error(*seen.problem)) if seen.problem else seen

    def wait_for_change(self, changes: int) -> None:
        self._quietly("wait_for_change", changes)

    def end(self, k: int, attempt: int) -> None:
        self._quietly("end", k, attempt)

    def fire(self) -> bool:
        return self._quietly("fire") is not False  # who dies of it has let it fire

    def signal(self, signal: Signal) -> bool:
        return bool(self._ask("signal", signal))

    def cancel(self) -> bool:
        return bool(self._ask("cancel"))

    def result(self) -> Any:
        return self._ask("result")

    def die(self, writes: int, *, answer_only: bool) -> None:
        self._quietly("die", writes, answer_only=answer_only)

    def live(self) -> None:
        self._quietly("live")

    def begin_beside(self, workflow_id: str) -> None:
        self._ask("begin_beside", workflow_id)

    def end_beside(self, workflow_id: str) -> Any:
        return self._ask("end_beside", workflow_id)

    def cut(self) -> None:
        if not self._dead:
            with contextlib.suppress(ProcessLookupError):  # it was about to end by itself
                os.kill(self._pid, signal.SIGKILL)
            while not self._dead:  # until all that it had is let go of
                self._quietly("look")

    def drop(self) -> None:
        self._quietly("drop")

    def close(self) -> None:
        self._quietly("close")

    def clean_up(self) -> None:
        self.cut()
        self._connection.close()

    def _quietly(self, what: str, *args: Any, **options: Any) -> Any:
        """Ask for something that a dead process need not do."""
        if not self._dead:
            try:
                return self._ask(what, *args, **options)
            except OSError:
                if not self._dead:
                    raise
        return None


def _error(kind: str, message: str) -> BaseException:
    """Return an error like one that was raised in a life."""
    found = getattr(inngest_nb.errors, kind, None) or getattr(builtins, kind, AssertionError)
    error: BaseException = found.__new__(found)
    error.args = (message,)
    return error


class Cradle:
    """The processes that lives are forked from, one for each seed of hashes."""

    def __init__(self, seeds: int, planted: str = "") -> None:
        self.seeds = range(1, seeds + 1)
        self._processes = [self._start(seed, planted) for seed in self.seeds]

    @staticmethod
    def _start(seed: int, planted: str) -> subprocess.Popen[str]:
        paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, __file__, *([planted] if planted else [])]
        return subprocess.Popen(command, stdin=-1, text=True, env=environment)

    def life(self, seed: int, job: dict[str, Any]) -> Life:
        """Begin a life."""
        with Listener(family="AF_UNIX") as listener:
            stdin = self._processes[seed - 1].stdin
            assert stdin is not None
            stdin.write(json.dumps({**job, "address": listener.address}) + "\n")
            stdin.flush()
            return Life(seed, listener.accept(), job["number"])

    def close(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            process.wait(SECONDS)


@contextmanager
def cradle(seeds: int, planted: str = "") -> Iterator[Cradle]:
    made = Cradle(seeds, planted)
    try:
        yield made
    finally:
        made.close()


def _serve() -> None:
    """Read jobs from stdin, and fork a life for each."""
    logging.disable()  # most of what happens here is worth a line in the log
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they end
    for line in sys.stdin:
        if os.fork() == 0:
            _live(json.loads(line))


def _live(job: dict[str, Any]) -> NoReturn:
    try:
        with Client(job["address"]) as connection:
            connection.send(os.getpid())
            living = Living(job)
            while True:
                what, args, options = connection.recv()
                connection.send(_done(partial(getattr(living, what), *args, **options)))
    finally:  # at the end of the one who asks, too
        os._exit(0)


def _done(what: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        answer = what()
        if isinstance(answer, Seen) and answer.problem is not None:
            answer = answer._replace(problem=_in_words(answer.problem))  # type: ignore[arg-type]
        pickle.dumps(answer)
    except BaseException as error:  # noqa: BLE001  # it is raised where it was asked for
        return False, _in_words(error)
    return True, answer


def _in_words(error: BaseException) -> tuple[str, str]:
    return type(error).__name__, str(error)


def job(
    folder: str, program: Node, number: int, order: list[str], *, plain: bool, workflow_id: str
) -> dict[str, Any]:
    """Return what a life has to know."""
    return {
        "folder": folder,
        "program": program,
        "number": number,
        "order": order,
        "plain": plain,
        "workflow_id": workflow_id,
    }


if __name__ == "__main__":
    if sys.argv[1:]:
        import planted_bugs

        planted_bugs.plant(sys.argv[1])
    _serve()
