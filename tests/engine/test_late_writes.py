"""The last write of a process that died may land when another has already read the run."""

from __future__ import annotations

from typing import Any

import pytest

from inngest_nb import (
    AsyncWorkflowContext,
    EventType,
    Executor,
    HistoryEvent,
    MemoryStore,
    WorkflowContext,
    WorkflowState,
    Write,
    wire,
)


def one(given: int) -> int:
    return given + 1


async def job(ctx: AsyncWorkflowContext, given: Any) -> list[int]:
    return [await ctx.execute_activity(one, 1), await ctx.execute_activity(one, 10)]


def plain_job(ctx: WorkflowContext, given: Any) -> list[int]:
    return [ctx.execute_activity(one, 1), ctx.execute_activity(one, 10)]


STARTED = HistoryEvent(id=2, type=EventType.ACTIVITY_STARTED, activity_name="one", seq=1, input=1)
LATE = HistoryEvent(
    id=3, type=EventType.ACTIVITY_COMPLETED, activity_name="one", seq=1, result="by the first"
)


class LateStore(MemoryStore):
    """Has the late write land right after the first look at the run."""

    late: tuple[HistoryEvent, ...] = (STARTED, LATE)

    def load(self, workflow_id: str) -> WorkflowState | None:
        state = super().load(workflow_id)
        late, self.late = self.late, ()
        if late:
            write = Write(workflow_id, wire.encode_part(list(late)), False)
            assert list(self.append_history([write])) == [None]
        return state


@pytest.mark.parametrize("fn", [job, plain_job])
def test_a_run_takes_in_what_was_written_after_it_was_read(fn: Any) -> None:
    begun = HistoryEvent(id=1, type=EventType.WORKFLOW_STARTED, workflow=fn.__name__)
    with LateStore() as store, Executor(store) as executor:
        MemoryStore.save(
            store,
            WorkflowState(workflow_id="x", run_id="r", status="running", history=(begun,)),  # type: ignore[arg-type]
        )
        assert executor.resume(fn, "x").result(60) == ["by the first", 11]
