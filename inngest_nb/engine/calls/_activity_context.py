"""The context of an activity: which call and which attempt it belongs to."""

from __future__ import annotations

from typing import NamedTuple

from inngest_nb.engine.basics._log import RunLog


class ActivityContext(NamedTuple):
    """The first argument of an activity that takes two: `fn(ctx, input)`.

        def charge_card(ctx: inb.ActivityContext, order):
            return bank.charge(order["amount"], key=ctx.idempotency_key)

    `seq` is the number of the call in the workflow code, `attempt` the number of the attempt (the
    first is 1), `retries` how often the whole run was retried before, and `workflow` the name of
    the workflow function.
    """

    workflow_id: str
    run_id: str
    seq: int
    activity: str
    attempt: int
    retries: int = 0
    workflow: str = ""

    @property
    def log(self) -> RunLog:
        """A standard logger, `inngest_nb.workflow`.

        Its records have the attributes `workflow`, `workflow_id`, `run_id`, `activity` and
        `attempt`.
        """
        names = ("workflow", "workflow_id", "run_id", "activity", "attempt")
        return RunLog({name: getattr(self, name) for name in names}, bool)

    @property
    def idempotency_key(self) -> str:
        """A unique key for this call, the same in every attempt, even after a crash.

        Pass it to the services that you call, so that they can detect repeated work: an attempt may
        have done its work before its process died.
        """
        return key_of(self.run_id, self.seq, self.retries)


def key_of(run_id: str, seq: int, retries: int) -> str:
    """Return a unique key for a call of a run.

    It includes `retries` because, after a retry of the run, new calls can reuse the numbers of
    superseded ones.
    """
    return f"{run_id}-{seq}-{retries}" if retries else f"{run_id}-{seq}"
