"""What Inngest takes of one run at most, and what to do with more."""

from __future__ import annotations

from typing import Any

from inngest_nb import wire
from inngest_nb.errors import PayloadTooLargeError

MOST_STEPS = 1_000
MOST_STEP_BYTES = 4 * 2**20
MOST_RUN_BYTES = 32 * 2**20
_MORE = 200  # bytes that a result has around it

_INSTEAD = (
    "give parts of the work to child workflows with ctx.execute_workflow, which have runs of their "
    "own, or run the workflow with an Executor"
)


def check_result(whose: str, value: Any) -> None:
    """Raise `PayloadTooLargeError` for a result that Inngest would not keep."""
    size = len(wire.encode_json(value))
    if size > MOST_STEP_BYTES:
        raise PayloadTooLargeError(
            f"{whose} has {size:,} bytes as JSON, and Inngest takes at most "
            f"{MOST_STEP_BYTES:,}: store it elsewhere and return where it is, or run the workflow "
            "with an Executor"
        )


def check_run(steps: int, answers: dict[str, Any], result: Any = None) -> None:
    """Raise `PayloadTooLargeError` for a run with more steps or results than Inngest keeps.

    `result` is about to join the others.
    """
    if steps >= MOST_STEPS:
        raise PayloadTooLargeError(
            f"the workflow needs {MOST_STEPS:,} steps or more, and Inngest stops calling a run "
            f"after that many: {_INSTEAD}"
        )
    size = len(wire.encode_json(answers)) + len(wire.encode_json(result))
    if size > MOST_RUN_BYTES - _MORE * (len(answers) + 1):
        raise PayloadTooLargeError(
            f"the results of the workflow's steps have {size:,} bytes as JSON, and Inngest takes "
            f"at most {MOST_RUN_BYTES:,} of one run: {_INSTEAD}"
        )
