"""A run of a random program whose processes are processes."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from program_files import SharedTime
from program_lives import BESIDE, BESIDE_RESULT, Cradle, Life, job
from program_model import Model
from program_process import Process
from program_runs import ProgramRun

from inngest_nb import Executor, Signal, SqliteStore, WorkflowState
from inngest_nb.errors import LeaseLostError, WorkflowNotRunningError

_MEMORY = "/dev/shm"  # noqa: S108  # where a sync costs nothing


class LifeRun(ProgramRun):
    """Each life gets another seed of hashes, and begins its runs in another order."""

    cradle: Cradle
    luck: random.Random
    failures: list[BaseException]

    def __init__(self) -> None:
        super().__init__()
        self.folder.cleanup()
        memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
        self.folder = tempfile.TemporaryDirectory(dir=memory)

    def prepare(self) -> None:
        self.store = SqliteStore(f"{self.folder.name}/states.db")
        self.time = SharedTime(Path(self.folder.name) / "time")

    def make_process(self, number: int, workflow_id: str = "w") -> Process:
        seed, self.loyal = self.loyal or self.luck.choice(self.cradle.seeds), None
        order = self.luck.sample([workflow_id, *BESIDE], 3)
        details = job(
            self.folder.name,
            self.program,
            number,
            order,
            plain=self.plain,
            workflow_id=workflow_id,
        )
        if workflow_id == "w":
            self.seeds.append(seed)
        return self.cradle.life(seed, details)

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Keep what goes wrong: it may not do so again when it is tried again."""
        try:
            yield
        except Exception as error:
            error.add_note(f"the program: {self.program!r}")
            self.failures.append(error)
            raise

    def settle(self) -> None:
        with self.noting():
            super().settle()

    def check_end(self) -> None:
        with self.noting():
            super().check_end()

    def is_leased(self) -> bool:
        """Tell whether a process that had the run is still alive: one that is gone holds nothing."""
        return any(not gone.look().dead for gone in self.gone if gone is not self.process)

    def send_to_a_life(self, name: str) -> None:
        """Give a signal from here to the process that runs the program, and see that it comes."""
        payload = self.next_payload()
        self.sends[payload] += 1
        with Executor(self.store) as other:
            with contextlib.suppress(WorkflowNotRunningError):
                other.signal("w", Signal(name, payload))
                self.foreign.append(payload)
        self.settle()

    def check_replay(self, state: WorkflowState, model: Model) -> None:
        super().check_replay(state, model)
        last = self.make_process(len(self.gone) + 101, "nothing")
        assert isinstance(last, Life)
        try:
            for workflow_id in BESIDE:
                assert self.end_beside(last, workflow_id) == BESIDE_RESULT
        finally:
            last.clean_up()

    def end_beside(self, last: Life, workflow_id: str) -> object:
        """Have the last life take over a run, or begin it if no other could store it."""
        was_stored = self.store.load(workflow_id) is not None
        last.begin_beside(workflow_id)
        try:
            return last.end_beside(workflow_id)
        except LeaseLostError:
            if was_stored:
                raise
            # A life that had waited for the store until now has begun it meanwhile.
            last.begin_beside(workflow_id)
            return last.end_beside(workflow_id)
