"""The world of random programs: activities that end when they are told to, and dying stores."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from program_code import Activities
from program_model import Model
from program_time import Time
from random_programs import Node, calls_in, children_in

from inngest_nb import ActivityContext, MemoryStore, WorkflowState, WorkflowStore, Write
from inngest_nb.errors import StoreConnectionError
from inngest_nb.store import AppendingStore, Message, SharedStore

_SLACK = 1000  # microseconds; far less than any pause takes


class KilledError(Exception):
    """What an activity raises whose process is no more."""


class WholeStore(MemoryStore):
    """A store like a plain server of the contract: it keeps whole states only."""

    def can_append(self) -> bool:
        return False

    def can_share(self) -> bool:
        return False


class Gate:
    """One process's way to the store, which can be cut at any write, before or after it is done."""

    def __init__(self, store: WorkflowStore, changed: Callable[[], None]) -> None:
        self._store = store
        self._changed = changed
        self._lock = threading.Lock()
        self._owner = ""
        self.writes_left: int | None = None
        self.answer_only = False
        self.dead = False

    def die(self, after: int = 0, *, answer_only: bool = False) -> None:
        self.writes_left, self.answer_only = after, answer_only

    def can_append(self) -> bool:
        return isinstance(self._store, AppendingStore) and self._store.can_append()

    def append_history(self, writes: Sequence[Write]) -> list[BaseException | None]:
        assert isinstance(self._store, AppendingStore)
        append = self._store.append_history
        outcomes: list[BaseException | None] = []
        outcome: BaseException | None
        for write in writes:
            try:
                (outcome,) = self._pass(lambda write=write: append([write]))
            except OSError as error:
                outcome = error
            outcomes.append(outcome)
        self._changed()
        return outcomes

    def save(self, state: WorkflowState) -> None:
        self._pass(lambda: self._store.save(state))
        self._changed()

    def cut(self) -> None:
        """Let no write through any more."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        """Be no more, and hold nothing: others see that a process is gone."""
        self.dead = True
        if self._owner:
            self._shared.hold_lease(self._owner, 0)

    @property
    def _shared(self) -> SharedStore:
        assert isinstance(self._store, SharedStore)
        if self.dead and not self._lock.locked():
            raise StoreConnectionError("the process is gone")
        return self._store

    def can_share(self) -> bool:
        return isinstance(self._store, SharedStore) and self._store.can_share()

    def hold_lease(self, owner: str, seconds: float) -> None:
        if not self.dead:
            self._shared.hold_lease(owner, seconds)
            self._owner = owner
        elif seconds:
            raise OSError("the process is gone")

    def leases(self) -> dict[str, float]:
        return self._shared.leases()

    def send(self, message: Message) -> None:
        if self.dead:
            raise OSError("the process is gone")  # which nobody would repeat, for a second
        self._shared.send(message)

    def receive(self, after: int = 0, to: str | None = None, wait: float = 0) -> Sequence[Message]:
        return self._shared.receive(after, to, wait)

    def discard(self, ids: Sequence[str]) -> None:
        self._shared.discard(ids)

    def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        return self._shared.watch(workflow_id, etag, wait)

    def abandoned(self, limit: int = 0) -> Sequence[str]:
        return self._shared.abandoned(limit)

    def _pass(self, write: Callable[[], Any]) -> Any:
        with self._lock:
            return self._write(write)

    def _write(self, write: Callable[[], Any]) -> Any:
        last = self.writes_left == 0
        if self.dead or (last and not self.answer_only):
            self._end()
            raise OSError("the process is gone")
        done = write()
        if last:
            self._end()
            raise OSError("the process is gone, and never knew that this was written")
        if self.writes_left is not None:
            self.writes_left -= 1
        return done

    def load(self, workflow_id: str) -> WorkflowState | None:
        return self._store.load(workflow_id)

    def delete(self, workflow_id: str) -> None:
        self._store.delete(workflow_id)

    def fetch(self, status: Any = None, limit: int = 0) -> list[WorkflowState]:
        return self._store.fetch(status, limit)

    def refresh(self, status: Any = None, limit: int = 0) -> int:
        return self._store.refresh(status, limit)

    def list(self, status: Any = None, limit: int = 0) -> list[WorkflowState]:
        return self._store.list(status, limit)

    def close(self) -> None:
        """The store is shared."""

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *error: object) -> None:
        """The store is shared."""


def children(store: WorkflowStore, program: Node | None = None) -> list[WorkflowState]:
    """Return the stored children of the run, all of them or those with a program."""
    found = [state for state in store.list() if state.parent_id == "w"]
    return [state for state in found if program is None or state.input == program]


class World:
    """Where activities run: each is open until it is told to end, in the process that began it.

    Each beginning is held against what is saved at that moment.
    """

    def __init__(
        self, store: WorkflowStore, program: Node, *, plain: bool, time: Time | None = None
    ) -> None:
        self.store, self.program, self.plain = store, program, plain
        self.time = time or Time()
        self.changed = threading.Condition()
        self.changes = 0
        self.problems: list[BaseException] = []
        self.closed = False
        self._open: dict[tuple[int, int, int], Callable[[bool], None]] = {}
        self._begun: Counter[tuple[int, int, int]] = Counter()
        self._ended: dict[tuple[int, int, int], int] = {}
        self._answers: dict[int, Any] = {}

    def notify(self) -> None:
        with self.changed:
            self.changes += 1
            self.changed.notify_all()

    def wait_for_change(self, seen: int) -> None:
        """Wait until something has happened since; a little only, not everything tells."""
        with self.changed:
            self.changed.wait_for(lambda: self.changes != seen, 0.005)

    def model_with(self, k: int) -> Model:
        """Return the model of what is saved now of the program, or of the child, with a call."""
        for program in children_in(self.program).values():
            if k in calls_in(program):
                state = next(iter(children(self.store, program)), None)
                return Model.of(state, program, plain=self.plain)
        return Model.of(self.store.load("w"), self.program, plain=self.plain)

    def open(self, process: int) -> set[tuple[int, int]]:
        """Return the calls and attempts that run in a process."""
        with self.changed:
            return {(k, attempt) for number, k, attempt in self._open if number == process}

    def end(self, process: int, k: int, attempt: int, *, killed: bool = False) -> None:
        """Let an attempt end by itself, or with its process."""
        with self.changed:
            let_go = self._open.pop((process, k, attempt), None)
        if let_go is not None:
            let_go(killed)

    def kill(self, process: int) -> None:
        for k, attempt in self.open(process):
            self.end(process, k, attempt, killed=True)

    def activities(self, process: int) -> Activities:
        """Return the activities as they are in one process."""

        async def work(ctx: ActivityContext, given: dict[str, Any]) -> list[Any]:
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            killed: list[bool] = []

            def let_go(kill: bool) -> None:
                killed.append(kill)
                loop.call_soon_threadsafe(ended.set)

            key = self._begin(process, ctx, given, let_go)
            try:
                await ended.wait()
            finally:
                with self.changed:
                    self._open.pop(key, None)
                    self._ended[key] = self.time.elapsed
                self.notify()
            return self._result(ctx, given, killed)

        def work_plainly(ctx: ActivityContext, given: dict[str, Any]) -> list[Any]:
            ended = threading.Event()
            killed: list[bool] = []

            def let_go(kill: bool) -> None:
                killed.append(kill)
                ended.set()

            key = self._begin(process, ctx, given, let_go)
            assert ended.wait(60)
            self._ended[key] = self.time.elapsed
            return self._result(ctx, given, killed)

        return {"work": work, "work_plainly": work_plainly}

    def _begin(
        self,
        process: int,
        ctx: ActivityContext,
        given: dict[str, Any],
        let_go: Callable[[bool], None],
    ) -> tuple[int, int, int]:
        key = (process, given["k"], ctx.attempt)
        try:
            self._check(key, ctx, given)
        except BaseException as problem:  # noqa: BLE001  # told by the machine
            self.problems.append(problem)
        with self.changed:
            self._open[key] = let_go
            closed = self.closed
        self.notify()
        if closed:
            self.end(*key, killed=True)
        return key

    def _check(self, key: tuple[int, int, int], ctx: ActivityContext, given: Any) -> None:
        """Raise if this attempt must not begin now, after all that is saved."""
        elapsed, shown = self.time.elapsed, self.time.most_shown
        process, k, attempt = key
        model = self.model_with(k)
        if process != self.time.newest:
            return  # of a process that has lost the run, or will have at its next write
        assert k in model.acts, f"call {k} has begun before that which leads to it was saved"
        act = model.acts[k]
        assert not act.answered, f"call {k} has begun after its end was saved"
        assert attempt == act.attempts + 1, f"attempt {attempt} of call {k} after {act.attempts}"
        before = self._ended.get((process, k, attempt - 1))
        if before is not None:
            assert elapsed >= before + act.pause * 1e6 - _SLACK, f"no pause before call {k}"
        elif act.retry_at is not None:  # it failed in an earlier life
            assert shown >= act.retry_at, f"call {k} has begun before its pause was over"
        with self.changed:
            self._begun[key] += 1
            assert self._begun[key] == 1, f"attempt {attempt} of call {k} has begun twice"
            answer = self._answers.setdefault(k, given.get("answer"))
        asked = model.inputs.get(k, {}).get("answer", given.get("answer"))
        assert asked == given.get("answer"), f"call {k} asked with {asked}, now with {given}"
        versioned = isinstance(answer, int)  # and another one as long as none is saved
        assert versioned or answer == given.get("answer"), f"call {k}: {answer}, now {given}"

    def _result(self, ctx: ActivityContext, given: dict[str, Any], killed: list[bool]) -> list[Any]:
        if any(killed):
            raise KilledError
        if ctx.attempt <= given["fails"]:
            raise ValueError(f"no {given['k']}.{ctx.attempt}")
        return [given["k"], ctx.attempt, given.get("answer")]
