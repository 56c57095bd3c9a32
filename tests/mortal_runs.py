"""Runs that kill their own process with SIGKILL at a chosen moment.

Each run has a process of its own, forked from one that has everything imported: a Python that
starts anew takes longer than most runs live.
"""

from __future__ import annotations

import inspect
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import httpx
from replayed_workflows import WORKFLOWS, outcome

from inngest_nb import (
    ActivityContext,
    Executor,
    Hooks,
    InngestStore,
    Signal,
    SqliteStore,
    WorkflowHandle,
    WorkflowState,
    WorkflowStore,
    Write,
)

_SECONDS = 60


class Life:
    """Counts the moments of a process, ends it at one of them, and keeps a log of effects.

    The log is appended to, and what is written is there whatever happens to the process.
    """

    def __init__(self, log: str | Path, die_at: int | str = 0) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._die_at = die_at  # the n-th moment, 0 for never; or the first of a name
        self._moments = 0
        self._lock = threading.Lock()

    def moment(self, name: str) -> None:
        """Die, if this is the moment."""
        with self._lock:
            self._moments += 1
            if self._die_at in (self._moments, name):
                self.note("died", name)
                os.kill(os.getpid(), signal.SIGKILL)

    def note(self, *entry: Any) -> None:
        os.write(self._log, json.dumps(entry).encode() + b"\n")

    def close(self) -> None:
        os.close(self._log)

    def workflow(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return a workflow whose activities are watched."""
        if inspect.iscoroutinefunction(fn):

            async def watched(ctx: Any, given: Any = None) -> Any:
                return await fn(_Context(ctx, self), *([] if given is None else [given]))

            return watched

        def watched_plainly(ctx: Any, given: Any = None) -> Any:
            return fn(_Context(ctx, self), *([] if given is None else [given]))

        return watched_plainly

    def activity(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return an activity whose effect, here, is a line in the log."""
        wants_context = len(inspect.signature(fn).parameters) == 2

        def begin(ctx: ActivityContext, given: Any) -> list[Any]:
            self.moment("before an activity")
            self.note("began", ctx.seq, ctx.attempt)
            self.moment("in an activity")
            return [ctx, given] if wants_context else [given]

        async def watched(ctx: ActivityContext, given: Any) -> Any:
            result = await fn(*begin(ctx, given))
            self.moment("after an activity")
            return result

        def watched_plainly(ctx: ActivityContext, given: Any) -> Any:
            result = fn(*begin(ctx, given))
            self.moment("after an activity")
            return result

        made = watched if inspect.iscoroutinefunction(fn) else watched_plainly
        made.__name__ = fn.__name__
        return made


class _Context:
    """A workflow's context that has each activity watched."""

    def __init__(self, ctx: Any, life: Life) -> None:
        self._ctx = ctx
        self._life = life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    def execute_activity(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return self._ctx.execute_activity(self._life.activity(fn), *args, **options)

    def map(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return self._ctx.map(self._life.activity(fn), *args, **options)


class MortalClock:
    """The machine's time; a life may end as soon as something begins to wait for it."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def now(self) -> datetime:
        return datetime.now(UTC)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> threading.Timer:
        timer = threading.Timer(max(0.0, (when - self.now()).total_seconds()), callback)
        timer.daemon = True
        timer.start()
        self._life.moment("waiting for a timer")
        return timer


class _Writes:
    """Put before a store, it makes a moment before and after each write of an executor."""

    life: Life

    def append_history(self, writes: Sequence[Write]) -> Any:
        name = self._begin(any(write.status not in (None, "running") for write in writes))
        outcomes = super().append_history(writes)  # type: ignore[misc]
        self.life.moment(f"after {name}")
        return outcomes

    def save(self, state: WorkflowState) -> None:
        name = self._begin(state.status != "running")
        super().save(state)  # type: ignore[misc]
        self.life.moment(f"after {name}")

    def _begin(self, final: bool) -> str:
        name = "the final save" if final else "a save"
        self.life.moment(f"before {name}")
        return name


class MortalFile(_Writes, SqliteStore):
    def __init__(self, path: str, life: Life) -> None:
        super().__init__(path)
        self.life = life


class MortalClient(_Writes, InngestStore):
    def __init__(self, url: str, life: Life) -> None:
        super().__init__(url, client=httpx.Client(transport=_Connections(life)))
        self.life = life


class _Connections(httpx.HTTPTransport):
    """Connections on which a life may end with a request half sent, or not answered yet."""

    def __init__(self, life: Life) -> None:
        super().__init__(verify=False)  # certificates take long to read
        self._life = life

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET":
            request.extensions = {**request.extensions, "trace": self._trace}
        return super().handle_request(request)

    def _trace(self, event: str, info: Any) -> None:
        if event == "http11.send_request_headers.complete":
            self._life.moment("in a request")
        elif event == "http11.send_request_body.complete":
            self._life.moment("before an answer")


def mortal_store(place: str, life: Life) -> WorkflowStore:
    return MortalClient(place, life) if place.startswith("http") else MortalFile(place, life)


def hooks_of(life: Life) -> Hooks:
    """Return hooks, each of which is a moment."""

    def hook(name: str) -> Callable[..., None]:
        return lambda workflow_id, event: life.moment(name)

    return Hooks(on_retry=hook("told of a retry"), on_workflow_start=hook("told of the start"))


def send_the_rest(
    executor: Executor, handle: WorkflowHandle, signals: Sequence[Signal], life: Life | None = None
) -> None:
    """Send the signals that a run has not got yet, each once the run waits for it."""
    got = sum(event.type == "signal_received" for event in handle.state.history)
    for each in signals[got:]:
        while each.name not in handle.waiting_for and handle.status == "running":
            try:
                handle.result(0.001)
            except TimeoutError:
                continue
        if life is not None:
            life.moment("waiting for a signal")
        executor.signal(handle.id, each)
        if life is not None:
            life.moment("after a signal")


def live(name: str, place: str, log: str, die_at: int | str) -> None:
    """Run a workflow, or go on with it, and die at a moment that comes on the way."""
    fn, given, signals = WORKFLOWS[name]
    workflow_id = Path(log).stem
    life = Life(log, die_at)
    store = mortal_store(place, life)
    executor = Executor(store, hooks_of(life), clock=MortalClock(life))
    stored = store.load(workflow_id)
    if stored is None:
        handle = executor.execute(life.workflow(fn), id=workflow_id, input=given)
    elif stored.status == "running":
        handle = executor.resume(life.workflow(fn), workflow_id)
    else:
        return  # its last life ended just after the final save
    send_the_rest(executor, handle, signals, life)
    outcome(handle)


def serve() -> None:
    """Read jobs from stdin, live each in a fork, and tell on stdout how it ended."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live_and_exit(json.loads(line))
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _live_and_exit(job: dict[str, Any]) -> NoReturn:
    signal.alarm(_SECONDS)
    if longest := job.pop("longest_file"):  # a write beyond it ends the process
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (longest, longest))
    try:
        live(**job)
    except BaseException:  # noqa: BLE001  # the process ends here, whatever it is
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class Mortals:
    """The process that runs are forked from."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def live(
        self, name: str, place: str, log: Path, die_at: int | str = 0, longest_file: int = 0
    ) -> bool:
        """Let a run live under the name of its log; tell whether it died before its end."""
        job = {"name": name, "place": place, "log": str(log), "die_at": die_at}
        job["longest_file"] = longest_file
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        deaths = -signal.SIGKILL, -signal.SIGXFSZ
        assert code in (0, *deaths), f"the life of {log.stem!r} ended with {code}"
        return code != 0


@contextmanager
def mortals() -> Any:
    command = [sys.executable, __file__]
    same = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=same) as process:
        yield Mortals(process)
        assert process.stdin is not None
        process.stdin.close()


def effects(log: Path) -> Counter[tuple[int, int]]:
    """Return how often each attempt, by number of call and of attempt, had its effect."""
    return Counter((entry[1], entry[2]) for entry in _entries(log) if entry[0] == "began")


def death(log: Path) -> str:
    """Return the moment of the last death."""
    return str([entry[1] for entry in _entries(log) if entry[0] == "died"][-1])


def _entries(log: Path) -> list[Any]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def signals_of(state: WorkflowState) -> list[Signal]:
    """Return the signals in a history, in their order."""
    return [
        Signal(event.signal_name, event.signal_payload)
        for event in state.history
        if event.type == "signal_received"
    ]


if __name__ == "__main__":
    serve()
