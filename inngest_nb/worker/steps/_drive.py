"""Answers a request of Inngest's executor: runs the code, and reports what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import inngest

from inngest_nb.api import AsyncInngestAPI, checks, milliseconds_of
from inngest_nb.engine.basics import describe, name_of
from inngest_nb.engine.driven import (
    Activity,
    Child,
    DrivenEngine,
    DrivenRun,
    first_state,
)
from inngest_nb.errors import (
    EngineError,
    NonDeterminismError,
    PayloadTooLargeError,
    PayloadTypeError,
    WorkflowCodeError,
)
from inngest_nb.state import UNSET, HistoryEvent, WorkflowState, WorkflowStatus
from inngest_nb.worker._running import Running
from inngest_nb.worker.steps import _sdk
from inngest_nb.worker.steps._answers import Answers
from inngest_nb.worker.steps._exact import sealed, text_of, unsealed
from inngest_nb.worker.steps._limits import check_result, check_run
from inngest_nb.worker.steps._look import look_for_signals
from inngest_nb.worker.steps._sdk import Failure, Report, hash_of
from inngest_nb.worker.steps._steps import (
    AttemptStep,
    CancelStep,
    LookStep,
    MarkerStep,
    Step,
    dropped,
    facts_line,
)

CANCELED = "nb/workflow.canceled"

# What no other attempt of the request would make good.
_FOR_GOOD = (WorkflowCodeError, PayloadTooLargeError)


class Served(NamedTuple):
    """What the functions of a worker share.

    `names` are those of the workflow functions that it serves. `saw` is told the state after each
    request, to mirror it. `running` is told which activities run.
    """

    engine: DrivenEngine
    api: AsyncInngestAPI
    app_id: str
    names: frozenset[str]
    saw: Callable[[WorkflowState], None] | None = None
    running: Running = Running()


async def drive(served: Served, fn: Callable[..., Any], ctx: inngest.Context) -> Any:
    """Return the result of a workflow's run, or raise what the SDK reports instead."""
    try:
        request = _Drive(served, fn, ctx)
    except (PayloadTypeError, ValueError, TypeError, OverflowError) as error:  # as it always will
        raise _sdk.run_failed(Failure(type(error).__name__, str(error), "")) from None
    return await request.answer()


class _Drive:
    """One request: the code runs from its start, and stops where it waits."""

    def __init__(self, served: Served, fn: Callable[..., Any], ctx: inngest.Context) -> None:
        self._served = served
        self._name = name_of(fn)
        self._request = _sdk.request_of(ctx)
        self._data = data = cast(dict[str, Any], dict(ctx.event.data))
        self._clock = served.engine.clock
        begun = self._begun = _made_at(ctx.run_id)
        self._triggered = _made_at(ctx.event.id) if checks.is_ulid(ctx.event.id) else begun
        seconds = data.get("timeout")
        timeout = None if seconds is None else timedelta(seconds=float(seconds))
        workflow_id = str(data.get("workflow_id") or ctx.run_id)
        state = first_state(
            fn,
            workflow_id=workflow_id,
            run_id=ctx.run_id,
            given=unsealed("input", data),
            begun=begun,
            timeout=timeout,
        )
        self._answers = Answers(
            self._request.answers,
            self._request.order,
            workflow_id=workflow_id,
            function_id=self._function_id,
            now=self._clock.now,
            deadline=None if timeout is None else begun + timeout,
        )
        self._run = DrivenRun(served.engine, fn, state, self._answers)

    async def answer(self) -> Any:
        """Run the code, and return its result or raise what answers the request."""
        run, answers = self._run, self._answers
        try:
            await asyncio.wrap_future(run.begin())
            while answers.due is not None and not run.has_ended:
                await self._until(answers.due)
                await asyncio.wrap_future(run.go_on())
            if (target := self._request.target) is not None:
                raise _sdk.reported([await self._make_target(target)], race=True)
            if answers.has_more(run):
                raise self._changed_code()
            if run.has_ended:
                return await self._end()
            reports = await self._reports(answers.steps(run))
            self._tell(run.state)
            raise _sdk.reported(reports, race=answers.is_parallel)
        except _FOR_GOOD as error:  # after others, such as a worker that is closed, it may go on
            text = describe(error)
            self._tell(run.state.replace(status=WorkflowStatus.FAILED, result=None, error=text))
            raise _sdk.run_failed(Failure(type(error).__name__, text, "")) from None
        finally:
            run.close()

    async def _until(self, when: datetime) -> None:
        """Wait until a time of the engine's clock."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(over.set)

        timer = self._clock.call_at(when, wake)
        try:
            await over.wait()
        finally:
            timer.cancel()

    # What the code waits for

    async def _reports(self, steps: list[Step]) -> list[Report]:
        markers = [step for step in steps if isinstance(step, MarkerStep)]
        if markers:  # before all that comes after them
            return [_sdk.done(step.name, step.version) for step in markers[:1]]
        wanted = [step for step in steps if not _is_dropped(step)]
        if not wanted:
            raise WorkflowCodeError(
                "the workflow waits for something that is not an activity, signal, timer or child "
                "workflow, so nothing would ever wake it"
            )
        check_run(len(self._answers) + len(wanted), self._request.answers)
        # After steps that waited together, several requests may come to the same place: a step that
        # is planned by each of them is made once.
        alone = len(wanted) == 1 and not self._answers.is_parallel and not self._request.planned
        if alone and wanted[0].made:
            return [await self._make(wanted[0])]
        return [step.report() for step in wanted]

    async def _make_target(self, target: str) -> Report:
        """Make the step that was asked for, unless the code has dropped it by now."""
        steps = {hash_of(step.name): step for step in self._answers.steps(self._run)}
        step = steps.get(target)
        if step is not None and not _is_dropped(step):
            return await self._make(step)
        if (look := self._answers.look(self._run, target)) is not None:
            return await self._make(look)  # the code may wait for this signal again
        for name in [*self._answers.asked(self._run)]:
            if hash_of(name) == target:
                return dropped(name)
        raise self._changed_code()

    async def _make(self, step: Step) -> Report:
        if isinstance(step, AttemptStep):
            with self._served.running.noted(f"{self._name}: {step.call.name}"):
                events = await asyncio.wrap_future(self._run.perform(step.call))
            check_run(0, self._request.answers, events[-1].result)
            return _attempted(step, events)
        if isinstance(step, LookStep):
            found = await look_for_signals(
                self._served.api,
                self._clock,
                self._until,
                signal=step.signal,
                workflow_id=self._run.state.workflow_id,
                since=self._triggered,
                seen=self._answers.seen(step.signal),
            )
            return _sdk.done(step.name, {"signals": found})
        if isinstance(step, CancelStep):
            await self._cancel(step.child)
            return _sdk.done(step.name, None)
        raise EngineError(f"step {step.name!r} was requested, but only Inngest can run it")

    # The end

    async def _end(self) -> Any:
        run = self._run
        for call in run.wanted.calls:
            if isinstance(call, Child) and not call.order.detached:
                await self._cancel(call)
        state = run.state
        check_result("the workflow's result", state.result)
        self._tell(state)
        if state.status is not WorkflowStatus.COMPLETED:
            raise _sdk.run_failed(self._failure(state))
        if "parent" in self._data:
            return sealed("result", state.result) | self._times()
        return state.result

    def _failure(self, state: WorkflowState) -> Failure:
        raised = self._run.raised
        kind = "WorkflowFailedError" if raised is None else type(raised).__name__
        return Failure(kind, state.error, facts_line(**self._times()))

    def _times(self) -> dict[str, str]:
        return {"began": text_of(self._begun), "at": text_of(self._clock.now())}

    async def _cancel(self, child: Child) -> None:
        """Cancel a child's run, if there is one."""
        name = child.child_id()
        once = f"{self._run.state.run_id} {name} canceled"  # another run may name one alike
        await self._served.api.send(CANCELED, {"workflow_id": name}, id=once)

    def _tell(self, state: WorkflowState) -> None:
        if self._served.saw is not None:
            self._served.saw(state)

    def _function_id(self, child: Child) -> str:
        if child.name not in self._served.names:
            raise WorkflowCodeError(
                f"{child.name!r} is called as a child workflow, but this worker does not serve "
                f"it: pass it to serve_on_inngest, too"
            )
        return f"{self._served.app_id}-{child.name}"

    def _changed_code(self) -> NonDeterminismError:
        state = self._run.state
        return NonDeterminismError(
            f"workflow {state.workflow_id!r} cannot be replayed: Inngest has results of steps that "
            "its code does not call; run the code that started this run, or guard the changed code "
            "with ctx.version(name)",
            event_id=state.history[-1].id,
            recorded="results of steps that the code does not call",
            asked="other steps",
            workflow_id=state.workflow_id,
            run_id=state.run_id,
        )


def _made_at(ulid: str) -> datetime:
    return datetime.fromtimestamp(milliseconds_of(ulid) / 1000, UTC)


def _is_dropped(step: Step) -> bool:
    call: Activity | None = getattr(step, "call", None) or getattr(step, "child", None)
    return call is not None and call.is_dropped and not isinstance(step, CancelStep)


def _attempted(step: AttemptStep, events: list[HistoryEvent]) -> Report:
    """Report the outcome of an attempt, with all that a replay shows of it."""
    event = events[-1]
    facts: dict[str, Any] = {
        name: text_of(each.timestamp)
        for name, each in (("began", events[0]), ("at", event))
        if each.timestamp is not None
    }
    if not event.error:
        data = sealed("result", event.result) | facts
        try:
            check_result(f"the result of activity {step.call.name!r}", data)
        except PayloadTooLargeError as error:
            kind = type(error).__name__
            failure = Failure(kind, f"{kind}: {error}", facts_line(**facts))
            return _sdk.failed(step.name, failure)
        return _sdk.done(step.name, data)
    if event.attempt != step.number:
        facts["attempt"] = event.attempt
    if isinstance(event.retry_at, datetime):
        facts["retry_at"] = text_of(event.retry_at)
    if event.details is not UNSET:
        facts |= sealed("details", event.details)
    trace = event.trace if event.trace is not UNSET else ""
    kind = event.error_type or "Error"
    return _sdk.failed(
        step.name, Failure(str(kind), event.error, f"{trace}\n{facts_line(**facts)}")
    )
