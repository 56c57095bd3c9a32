"""What an activity is told of the call that it answers."""

from __future__ import annotations

from typing import NamedTuple

from inngest_nb.engine.basics._log import RunLog


class ActivityContext(NamedTuple):
    """What an activity that takes two arguments, `fn(ctx, input)`, gets as its first one."""

    workflow_id: str
    run_id: str
    seq: int
    activity: str
    attempt: int
    retries: int = 0
    workflow: str = ""

    @property
    def log(self) -> RunLog:
        """A standard logger, `inngest_nb.workflow`, whose records say whose line it is.

        They have `workflow`, `workflow_id`, `run_id`, `activity` and `attempt`.
        """
        names = ("workflow", "workflow_id", "run_id", "activity", "attempt")
        return RunLog({name: getattr(self, name) for name in names}, bool)

    @property
    def idempotency_key(self) -> str:
        """A word for this one call: the same in every attempt, also after a crash.

        An attempt whose process died may have done its work: give the key to whatever is called,
        so that doing it twice is noticed there.
        """
        return key_of(self.run_id, self.seq, self.retries)


def key_of(run_id: str, seq: int, retries: int) -> str:
    """Return a word for one call of a run.

    After a retry of the whole run, other calls may get the numbers of superseded ones.
    """
    return f"{run_id}-{seq}-{retries}" if retries else f"{run_id}-{seq}"
