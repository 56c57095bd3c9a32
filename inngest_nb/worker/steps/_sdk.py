"""The parts of Inngest's SDK that are not public: what a request brings, and what answers it.

The SDK's own step methods report one call after the other. A workflow's code has many calls open at
once, so its steps are reported here, in the SDK's own words. Seen in version 0.5.19.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import inngest
from inngest._internal import server_lib, transforms
from inngest._internal.step_lib import base

Opcode = server_lib.Opcode


class Failure(NamedTuple):
    """Why a step or a run has failed, as Inngest keeps it."""

    kind: str
    message: str
    stack: str


class Request(NamedTuple):
    """What one request of Inngest's executor brings.

    `answers` are those of the steps that are over, by hash: JSON, a `Failure`, or None for a sleep
    or for a wait without an event. `order` are the hashes in the order of the answers. `target` is
    the hash of the step that is to be made; without one the code is asked what it wants. With
    `planned` nothing may be made that was not asked for.
    """

    answers: dict[str, Any]
    order: tuple[str, ...]
    target: str | None
    planned: bool


def request_of(ctx: inngest.Context) -> Request:
    """Return what a request brings."""
    execution: Any = ctx.step._execution  # noqa: SLF001  # the only way to the answers' order
    asked = execution._request.ctx  # noqa: SLF001
    answers = {hashed: _answer(memo) for hashed, memo in execution._memos._memos.items()}  # noqa: SLF001
    return Request(
        answers,
        tuple(asked.stack.stack or ()),
        execution._target_hashed_id,  # noqa: SLF001
        bool(asked.disable_immediate_execution),
    )


def _answer(memo: base.Output) -> Any:
    if memo.error is None:
        return memo.data
    return Failure(memo.error.name, memo.error.message, memo.error.stack or "")


@lru_cache(maxsize=65_536)
def hash_of(name: str) -> str:
    """Return the hash by which Inngest knows a step."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


class Report:
    """One step as it is reported: what to do, or what came out."""

    def __init__(
        self,
        name: str,
        opcode: Opcode,
        *,
        title: str | None = None,
        options: dict[str, Any] | None = None,
        data: Any = None,
        failure: Failure | None = None,
    ) -> None:
        info = base.StepInfo(
            display_name=name,
            id=hash_of(name),
            name=title or name,
            op=opcode,
            opts=options,
            userland=base.StepUserlandInfo(id=name, index=None),
        )
        error = None if failure is None else _error_of(failure, Exception)
        self.response = base.StepResponse(output=data, original_error=error, step=info)


def planned(name: str) -> Report:
    """Report a step that is to be asked for by itself."""
    return Report(name, Opcode.PLANNED)


def done(name: str, data: Any) -> Report:
    """Report a step that was made, with its data."""
    return Report(name, Opcode.STEP_RUN, data=data)


def failed(name: str, failure: Failure) -> Report:
    """Report a step that has failed for good: Inngest does not try it again."""
    return Report(name, Opcode.STEP_FAILED, failure=failure)


def sleep(name: str, until: datetime) -> Report:
    """Report a sleep; Inngest ends it up to half a second early."""
    return Report(name, Opcode.SLEEP, title=transforms.to_iso_utc(until))


def wait(name: str, event: str, condition: str, timeout: timedelta) -> Report:
    """Report a wait for an event."""
    options = {"if": condition, "timeout": transforms.to_duration_str(timeout)}
    return Report(name, Opcode.WAIT_FOR_EVENT, title=event, options=options)


def invoke(name: str, function_id: str, data: dict[str, Any]) -> Report:
    """Report the call of another function; `function_id` has the app's id before it."""
    options = {"function_id": function_id, "payload": {"data": data, "v": None}, "timeout": None}
    return Report(name, Opcode.INVOKE, options=options)


def reported(reports: Sequence[Report], *, race: bool) -> BaseException:
    """Return what the handler raises to report steps.

    In a `race` Inngest calls the code after each answer, else after all that it waits for. Both the
    plan and the answer of a step have to say so.
    """
    responses = [report.response for report in reports]
    if race:
        for response in responses:
            response.step.set_parallel_mode(server_lib.ParallelMode.RACE)
    return base.ResponseInterrupt(responses)


def run_failed(failure: Failure) -> Exception:
    """Return what the handler raises to fail the run at once."""
    return _error_of(failure, inngest.NonRetriableError)


def _error_of(failure: Failure, base_class: type[Exception]) -> Exception:
    """Return an error that the SDK reports with this name, message and stack."""
    kind = type(failure.kind, (base_class,), {"__module__": "builtins"})
    error: Exception = kind(failure.message)
    for line in failure.stack.splitlines():
        error.add_note(line)
    return error
