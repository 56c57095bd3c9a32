"""What is ours is this on Inngest's engine: a test for each row of the docs' table."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from driven_workflows import types_plainly
from inngest_engine import InngestEngine, Run
from inngest_engine_runs import MOST_RUN_BYTES
from small_workflows import add_one, double, refuse, waits_and_returns, waits_for_ever
from two_engines import OnInngest, error_of, on_executor, same_as_executor
from worker_runs import signal, start

from inngest_nb import (
    ActivityContext,
    AsyncWorkflowContext,
    InngestAPI,
    RetryAfter,
    RetryPolicy,
    Signal,
    WorkflowContext,
)
from inngest_nb.engine.history._replay import same
from inngest_nb.errors import NonRetryableError, PayloadTypeError
from inngest_nb.worker.steps import _limits

FAST = RetryPolicy(max_attempts=3, initial_interval=0.01)


# Row: activity attempt

NUMBERS = [2**53 + 1, -(2**60) - 1, 1.0, -0.0, 1e300, 0.1, 5, [[1.0, {"a": 2**64}]], {"b": [2.0]}]


async def same_number(number: Any) -> Any:
    return number


async def passes_on(ctx: AsyncWorkflowContext, number: Any) -> Any:
    return await ctx.execute_activity(same_number, number)


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_a_number_is_exact_in_inputs_results_signals_and_results_of_children(number: Any) -> None:
    async def workflow(ctx: AsyncWorkflowContext, given: Any) -> Any:
        made = await ctx.execute_activity(same_number, given)
        childs = await ctx.execute_workflow(passes_on, made)
        early, late = [await ctx.receive_signal("go") for _ in range(2)]
        return [given, made, childs, early, late]

    with OnInngest(workflow, passes_on) as on:
        run = on.run(workflow, number, [Signal("go", number), Signal("go", number)])
        assert all(same(each, number) for each in run.output), run.output
        with InngestAPI(on.inngest.url) as api:
            kept = api.run(run.id)
        assert same(kept.output, run.output)
        on.check_replays()


def test_an_attempt_is_a_step_of_its_name_and_number_that_says_when_it_ended() -> None:
    async def fails_once(ctx: ActivityContext, _: None) -> int:
        if ctx.attempt == 1:
            raise ValueError("not yet")
        return 7

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(add_one, 1)
        return await ctx.execute_activity(fails_once, retry=FAST)

    with OnInngest(workflow) as on:
        run = on.run(workflow)
        assert on.names(run, "StepRun") == ["1:add_one", "2:fails_once #2"]
        assert on.names(run, "StepFailed") == ["2:fails_once"]
        ends = {e.seq: e for e in on.states[run.id].history if e.type == "activity_completed"}
        (data,) = [op["data"] for op in on.ops(run) if op["displayName"] == "1:add_one"]
        assert datetime.fromisoformat(data["at"]) == ends[1].timestamp
        assert data["result"] == 2
        on.check_replays()


# Row: RetryPolicy


def test_the_pauses_of_a_policy_are_sleep_steps_and_its_jitter_is_drawn_once() -> None:
    policy = RetryPolicy(max_attempts=4, initial_interval=10, jitter=1)

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(refuse, "no", retry=policy)

    with OnInngest(workflow) as on:
        run = on.run(workflow)
        assert error_of(run) == "activity 'refuse' failed after 4 attempts: ValueError: no"
        pauses = [f"1:refuse pause {n}" for n in (1, 2, 3)]
        assert on.names(run, "Sleep") == pauses
        assert on.names(run, "StepFailed") == [
            "1:refuse",
            *(f"1:refuse #{n}" for n in (2, 3, 4)),
        ]
        assert not on.names(run, "StepError")
        # Each pause is that of the failure before it, in the history, too, and is not cut short.
        fails = [e for e in on.states[run.id].history if e.type == "activity_failed"]
        starts = [e for e in on.states[run.id].history if e.type == "activity_started"]
        for failed, begun in zip(fails, starts[1:], strict=False):
            assert isinstance(failed.retry_at, datetime)
            assert begun.timestamp is not None
            assert begun.timestamp >= failed.retry_at
        on.check_replays()


class CardDeclinedError(Exception):
    pass


async def declines(ctx: ActivityContext, _: None) -> None:
    raise CardDeclinedError("no money")


async def gives_up(ctx: ActivityContext, _: None) -> None:
    raise NonRetryableError(f"gave up at {ctx.attempt}")


async def asks_for_a_pause(ctx: ActivityContext, _: None) -> int:
    if ctx.attempt < 3:
        raise RetryAfter(0.01, "busy")
    return ctx.attempt


async def never_ends(ctx: ActivityContext, _: None) -> None:
    await asyncio.Event().wait()


def takes_long(ctx: ActivityContext, _: None) -> None:
    threading.Event().wait(0.3)


@pytest.mark.parametrize(
    ("fn", "options", "outcome"),
    [
        (declines, {"retry": RetryPolicy(non_retryable=(CardDeclinedError,))}, "no money"),
        (gives_up, {"retry": FAST}, "gave up at 1"),
        (asks_for_a_pause, {"retry": RetryPolicy(initial_interval=3600)}, 3),
        (asks_for_a_pause, {"retry": RetryPolicy(max_attempts=2)}, "after 2 attempts: RetryAfter"),
        (declines, {"retry": RetryPolicy(initial_interval=60, total_timeout=30)}, "no money"),
    ],
)
def test_a_policy_decides_as_with_the_executor(fn: Any, options: Any, outcome: Any) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(fn, **options)

    result, error = same_as_executor(workflow)
    assert result == outcome or outcome in error


@pytest.mark.parametrize("fn", [never_ends, takes_long])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": 0.02}, "TimeoutError: not finished within 0.02 s"),
        (
            {"timeout": 0.02, "retry": RetryPolicy(max_attempts=2, initial_interval=0)},
            "after 2 attempts: TimeoutError: not finished within 0.02 s",
        ),
        ({"retry": RetryPolicy(total_timeout=0.05)}, "0.05 s"),
        ({"timeout": 0.04, "retry": RetryPolicy(max_attempts=None, total_timeout=0.05)}, "0.0"),
    ],
)
def test_a_call_that_takes_too_long_has_the_executors_text(
    fn: Any, options: Any, error: str
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(fn, **options)

    assert error in same_as_executor(workflow)[1]


def test_the_time_for_a_whole_call_goes_on_from_step_to_step() -> None:
    policy = RetryPolicy(
        max_attempts=None, initial_interval=1, backoff_coefficient=1, total_timeout=2.9
    )

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(declines, retry=policy)

    with OnInngest(workflow, virtual=False) as on:  # after 1, 2 and, too late, 3 s
        assert error_of(on.run(workflow)) == (
            "activity 'declines' failed after 3 attempts: CardDeclinedError: no money"
        )


# Row: sleep and timeouts


@pytest.mark.parametrize("seconds", [0.2, 1.4, 2.5, 7.499, 61])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside work"])
def test_a_sleep_never_ends_early_although_the_server_rounds_it(
    seconds: float, alone: bool
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        begun = ctx.now()
        if not alone:
            await asyncio.gather(ctx.sleep(seconds), ctx.execute_activity(double, 1))
        else:
            await ctx.sleep(seconds)
        return [begun.isoformat(), ctx.now().isoformat()]

    def plain_workflow(ctx: WorkflowContext) -> Any:
        begun = ctx.now()
        ctx.sleep(seconds)
        return [begun.isoformat(), ctx.now().isoformat()]

    for fn in (workflow, plain_workflow):
        with OnInngest(fn) as on:
            run = on.run(fn)
            begun, ended = map(datetime.fromisoformat, run.output)
            assert ended - begun == timedelta(seconds=seconds)
            assert run.ended_at is not None
            assert run.ended_at >= ended
            assert run.ended_at - ended < timedelta(seconds=0.51)
            on.check_replays()


def test_a_timeout_of_the_code_ends_what_waits_with_the_executors_text() -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        said = []
        for waits in (
            lambda: ctx.receive_signal("never", timeout=0.04),
            lambda: asyncio.wait_for(ctx.receive_signal("never"), 0.04),
        ):
            try:
                await waits()
            except TimeoutError as error:
                said.append(str(error))
        async with asyncio.timeout(0.04):
            await asyncio.sleep(3600)
        return said

    _, error = same_as_executor(workflow)
    assert error == "TimeoutError"


def test_the_time_for_a_whole_run_has_the_executors_text() -> None:
    with OnInngest(waits_for_ever) as on:
        run = on.inngest.ended(start(on.inngest, waits_for_ever, timeout=1.4))
        assert error_of(run) == "TimeoutError: the workflow was not finished within 1.4 s"
        assert run.ended_at is not None
        assert run.ended_at - run.queued_at >= timedelta(seconds=1.399)  # it began that millisecond


# Row: signals


async def collects(ctx: AsyncWorkflowContext, count: int) -> list[Any]:
    return [await ctx.receive_signal("item") for _ in range(count)]


def collects_plainly(ctx: WorkflowContext, count: int) -> list[Any]:
    return [ctx.receive_signal("item") for _ in range(count)]


KINDS = pytest.mark.parametrize("fn", [collects, collects_plainly], ids=["async", "plain"])


def at(inngest: InngestEngine, seconds: float, *sent: Signal) -> None:
    """Send signals to the run `w` at a time of the stand-in."""
    when = inngest.clock.now() + timedelta(seconds=seconds)
    inngest.do(lambda: inngest.clock.add(when, lambda: signal(inngest, "w", sent)) and None)


@KINDS
def test_signals_from_before_the_run_waited_come_first_and_in_order(fn: Any) -> None:
    with OnInngest(fn) as on:
        run = on.run(fn, 5, [Signal("item", n) for n in range(5)])
        assert run.output == [0, 1, 2, 3, 4]
        on.check_replays()


@KINDS
def test_signals_that_come_during_the_wait_are_received_once_each(fn: Any) -> None:
    with OnInngest(fn) as on:
        with on.inngest.clock.hold():
            for n, seconds in enumerate((0, 0.1, 0.3, 5, 5, 20)):
                at(on.inngest, seconds, Signal("item", n))
            run = start(on.inngest, fn, 6, id="w")
        assert on.inngest.ended(run).output == [0, 1, 2, 3, 4, 5]
        on.check_replays()


@KINDS
def test_many_signals_at_once_are_all_received(fn: Any) -> None:
    with OnInngest(fn) as on:
        run = on.run(fn, 60, [Signal("item", n) for n in range(60)])
        assert run.output == [*range(60)]
        assert len(on.exchanges(run)) < 30
        on.check_replays()


@KINDS
def test_a_signal_that_is_sent_twice_by_one_id_is_received_once(fn: Any) -> None:
    with OnInngest(fn) as on:
        inngest = on.inngest
        sent = {"workflow_id": "w", "signal_id": "the-same", "payload": "once"}
        with inngest.clock.hold():
            run = start(inngest, fn, 2, id="w")
            for _ in range(2):
                inngest.send("nb/signal.item", sent)
            at(inngest, 3, Signal("item", "last"))
            again = inngest.clock.now() + timedelta(seconds=2)
            inngest.clock.add(again, lambda: inngest.send("nb/signal.item", sent) and None)
        assert inngest.ended(run).output == ["once", "last"]
        on.check_replays()


@pytest.mark.parametrize("seconds", [0, 3])
def test_signals_of_other_programs_are_told_apart_by_the_ids_of_their_events(seconds: int) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return [await ctx.receive_signal("go") for _ in range(3)]

    with OnInngest(workflow) as on:
        inngest = on.inngest
        with inngest.clock.hold():
            run = start(inngest, workflow, id="w")
            for number in range(3):
                when = inngest.clock.now() + timedelta(seconds=seconds * number)
                data = {"workflow_id": "w", "payload": number}
                inngest.clock.add(
                    when, lambda data=data: inngest.send("nb/signal.go", data) and None
                )
        assert inngest.ended(run).output == [0, 1, 2]
        on.check_replays()


def test_two_names_and_two_receivers_share_signals_as_with_the_executor() -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        waits = [ctx.receive_signal(name) for name in ("a", "b", "a", "b", "a")]
        return await asyncio.gather(*waits)

    sent = [Signal(name, n) for n, name in enumerate("bbaaa")]
    with OnInngest(workflow) as on:
        run = on.run(workflow, None, sent)
        assert run.output == [2, 0, 3, 1, 4] == on_executor(workflow, None, sent).result
        on.check_replays()


@pytest.mark.parametrize("seed", range(3))
def test_a_receiver_that_gave_up_loses_no_signal(seed: int) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        try:
            await ctx.receive_signal("go", timeout=1)
        except TimeoutError:
            await ctx.sleep(10)  # one comes meanwhile
        return [await ctx.receive_signal("go") for _ in range(2)]

    with OnInngest(workflow, shuffle=random.Random(seed)) as on:
        with on.inngest.clock.hold():
            run = start(on.inngest, workflow, id="w")
            at(on.inngest, 5, Signal("go", 1))
            at(on.inngest, 30, Signal("go", 2))
        assert on.inngest.ended(run).output == [1, 2]
        on.check_replays()


@pytest.mark.parametrize("seed", range(6))
def test_a_look_that_comes_after_the_receiver_gave_up_loses_no_signal(seed: int) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        got: list[Any] = []
        while len(got) < 3:
            try:
                got.append(await ctx.receive_signal("go", timeout=0.05))
            except TimeoutError:
                await ctx.sleep(3)
        return got

    with OnInngest(workflow, shuffle=random.Random(seed)) as on:
        run = on.run(workflow, None, [Signal("go", n) for n in range(3)])
        assert run.output == [0, 1, 2]
        on.check_replays()


def test_a_signal_to_another_workflow_wakes_nobody() -> None:
    with OnInngest(waits_and_returns) as on:
        with on.inngest.clock.hold():
            run = start(on.inngest, waits_and_returns, id="w")
            signal(on.inngest, 'w" || true == true || "', [Signal("go", "not mine")])
            at(on.inngest, 4, Signal("go", "mine"))
        assert on.inngest.ended(run).output == "mine"


# Row: now, random, uuid, version


def test_now_is_when_the_last_call_ended_whenever_the_code_is_run() -> None:
    clock: Any = None

    async def takes_five() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        wake = clock.now() + timedelta(seconds=5)
        clock.call_at(wake, lambda: loop.call_soon_threadsafe(over.set))
        await over.wait()

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        times = [ctx.now()]
        for _ in range(3):
            await ctx.execute_activity(takes_five)
            times.append(ctx.now())
        return [(later - times[0]).total_seconds() for later in times]

    with OnInngest(workflow) as on:
        clock = on.inngest.clock
        run = on.run(workflow)
        steps = [later - before for before, later in zip(run.output, run.output[1:], strict=False)]
        assert steps == pytest.approx([5, 5, 5], abs=0.01)
        on.check_replays()


def test_random_numbers_and_uuids_are_the_same_in_every_request_and_no_other_run() -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        before = [ctx.random().random(), str(ctx.uuid())]
        kept = await ctx.execute_activity(same_number, before)
        await ctx.sleep(1)
        return [before, kept, str(ctx.uuid())]

    with OnInngest(workflow) as on:
        first, second = on.run(workflow).output, on.run(workflow).output
        assert first[0] == first[1]
        assert second[0] == second[1]
        assert not set(map(str, first[0] + first[2:])) & set(map(str, second[0] + second[2:]))
        on.check_replays()


def test_a_version_is_a_step_that_the_run_keeps() -> None:
    latest = 1

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        nonlocal latest
        seen = [ctx.version("weigh", latest)]
        latest = 2  # the code is replaced while the run goes on
        await ctx.execute_activity(double, 1)
        await ctx.sleep(1)
        return [*seen, ctx.version("weigh", latest), ctx.version("pack", latest)]

    with OnInngest(workflow) as on:
        run = on.run(workflow)
        assert run.output == [1, 1, 2]
        assert on.states[run.id].history[1].versions == {"weigh": 1}
        # The last one would be one, too, if anything came after it.
        steps = [name for name in on.names(run, "StepRun") if "version" in name]
        assert steps == ["version:weigh"]
        on.check_replays()


class Changing:
    """A workflow `order` whose code is another one from a moment on."""

    def __init__(self, before: Any, after: Any) -> None:
        self.codes = [before, after]
        self.is_changed = False
        changing = self

        async def order(ctx: AsyncWorkflowContext) -> Any:
            return await changing.codes[changing.is_changed](ctx)

        self.order = order


def test_a_run_that_passed_the_place_of_a_version_is_of_version_0() -> None:
    async def before(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(double, 1)
        return await ctx.receive_signal("go")

    async def after(ctx: AsyncWorkflowContext) -> Any:
        version = ctx.version("weigh")
        await ctx.execute_activity(double, 1)
        return [version, await ctx.receive_signal("go"), ctx.version("later")]

    code = Changing(before, after)
    with OnInngest(code.order) as on:
        run = wait_for_the_wait(on, code)
        code.is_changed = True
        signal(on.inngest, "w", [Signal("go", "on")])
        assert on.inngest.ended(run).output == [0, "on", 1]


def wait_for_the_wait(on: OnInngest, code: Changing) -> Run:
    """Start a run, and return it once its code waits for a signal for good."""
    asked = threading.Event()
    run = start(on.inngest, code.order, id="w")

    def look() -> None:
        steps = [*run.names.values()]
        if (
            run.waits
            and not run.in_flight
            and ("StepRun", "signal go 1 look")
            in [
                (run.names[step][0].replace("Planned", "Run"), run.names[step][1])
                for step in run.steps
            ]
        ):
            asked.set()
        elif steps is not None:
            on.inngest.clock.add(on.inngest.clock.now() + timedelta(seconds=1), look)

    on.inngest.do(look)
    assert asked.wait(20)
    return run


def test_a_run_whose_code_was_changed_is_tried_again_and_goes_on_with_the_old_code() -> None:
    async def before(ctx: AsyncWorkflowContext) -> Any:
        await ctx.execute_activity(double, 1)
        return await ctx.receive_signal("go")

    async def after(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(add_one, 1)

    code = Changing(before, after)
    with OnInngest(code.order) as on:
        run = wait_for_the_wait(on, code)
        code.is_changed = True
        count = len(on.exchanges(run))
        mended = threading.Event()

        def look() -> None:
            answers = [each.answer for each in on.exchanges(run)[count:]]
            if answers and answers[-1] is not None:
                code.is_changed = False
                mended.set()
            else:
                on.inngest.clock.add(on.inngest.clock.now() + timedelta(seconds=0.5), look)

        with on.inngest.clock.hold():
            signal(on.inngest, "w", [Signal("go", "on")])
            on.inngest.do(look)
        assert mended.wait(20)
        assert on.inngest.ended(run).output == "on"
        refused = on.exchanges(run)[count].answer
        assert refused is not None
        assert refused.status == 500
        assert "x-inngest-no-retry" not in refused.headers or (
            refused.headers["x-inngest-no-retry"] != "true"
        )
        assert refused.body["name"] == "NonDeterminismError"
        assert "cannot be replayed" in refused.body["message"]


# Row: an error of the code


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
def test_an_error_of_the_code_fails_the_run_at_once_with_the_executors_text(plain: bool) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        raise LookupError("nothing <there>")

    def plain_workflow(ctx: WorkflowContext) -> None:
        raise LookupError("nothing <there>")

    fn = plain_workflow if plain else workflow
    with OnInngest(fn) as on:
        run = on.run(fn)
        assert len(on.exchanges(run)) == 1
        assert run.status == "FAILED"
        assert error_of(run) == "LookupError: nothing <there>" == on_executor(fn).error
        assert run.output["name"] == "LookupError"


def test_an_input_that_does_not_fit_fails_the_run_at_once_with_the_executors_text() -> None:
    with OnInngest(types_plainly) as on:
        run = on.run(types_plainly, {"sku": 1})
        assert run.status == "FAILED"
        assert len(on.exchanges(run)) == 1
        with pytest.raises(PayloadTypeError) as refused:
            on_executor(types_plainly, {"sku": 1})
        assert error_of(run) == str(refused.value)


# Row: idempotency keys


def test_an_idempotency_key_is_the_same_in_every_attempt_and_on_every_worker() -> None:
    seen: list[tuple[int, str, str]] = []

    async def charges(ctx: ActivityContext, given: int) -> None:
        seen.append((given, ctx.idempotency_key, ctx.run_id))
        if ctx.attempt < 3:
            raise ValueError("again")

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        calls = [ctx.execute_activity(charges, n, retry=FAST) for n in range(2)]
        await asyncio.gather(*calls)

    with OnInngest(workflow) as on:
        run = on.run(workflow)
        keys = {given: {key for each, key, _ in seen if each == given} for given in (0, 1)}
        assert keys == {0: {f"{run.id}-1"}, 1: {f"{run.id}-2"}}
        assert len(seen) == 6
        # A worker that was lost had begun a step: another one is asked for it again.
        ask = next(each for each in on.exchanges(run) if each.answer and each.answer.status == 206)
        target = next(op["id"] for op in on.ops(run) if op["displayName"] == "1:charges")
        ask.step = target
        on.ask(ask)
        assert seen[-1] == (0, f"{run.id}-1", run.id)


# Row: cancel


def test_a_canceled_run_ends_its_step_in_flight_and_its_finally_does_not_run() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    asked_after: list[str] = []

    def works() -> None:
        begun.set()
        assert go_on.wait(20)
        ended.set()

    def undoes() -> None:
        asked_after.append("undone")

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        try:
            await ctx.execute_activity(works)
        finally:
            await ctx.execute_activity(undoes)

    with OnInngest(workflow) as on:
        run = start(on.inngest, workflow, id="w")
        assert begun.wait(20)
        with InngestAPI(on.inngest.url) as api:
            api.cancel(run.id)
        assert on.inngest.ended(run).status == "CANCELLED"
        assert not ended.is_set()
        count = len(on.exchanges(run))
        go_on.set()
        assert ended.wait(20)
        assert len(on.exchanges(run)) == count
        assert asked_after == []


def test_a_run_is_canceled_by_an_event_with_its_id_and_no_other() -> None:
    with OnInngest(waits_for_ever) as on:
        runs = {name: start(on.inngest, waits_for_ever, id=name) for name in ("a", "b")}
        on.inngest.send("nb/workflow.canceled", {"workflow_id": "a"})
        assert on.inngest.ended(runs["a"]).status == "CANCELLED"
        assert runs["b"].status != "CANCELLED"


def test_nobody_waits_for_an_attempt_that_lost_its_race() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def loses(_: int) -> None:
        assert go_on.wait(20)
        ended.set()

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        race = [asyncio.ensure_future(ctx.execute_activity(fn, 2)) for fn in (double, loses)]
        done, late = await asyncio.wait(race, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        return [task.result() for task in done] + [await ctx.execute_activity(add_one, 1)]

    with OnInngest(workflow, virtual=False) as on:
        run = on.run(workflow)
        assert run.output == [4, 2]
        assert not ended.is_set()
        go_on.set()
        assert ended.wait(20)


@pytest.mark.parametrize("first", ["failure", "timer", "signal"])
def test_what_comes_first_counts_at_once_while_an_attempt_goes_on(first: str) -> None:
    go_on = threading.Event()

    def goes_on() -> None:
        assert go_on.wait(60)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        others = {
            "failure": lambda: ctx.execute_activity(refuse, "no"),
            "timer": lambda: ctx.sleep(0.01),
            "signal": lambda: ctx.receive_signal("go"),
        }
        tasks = [asyncio.ensure_future(ctx.execute_activity(goes_on))]
        tasks.append(asyncio.ensure_future(others[first]()))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return [task.done() for task in tasks]

    with OnInngest(workflow, virtual=False) as on:
        try:
            run = on.run(workflow, None, [Signal("go")])
            assert run.output == [False, True]
        finally:
            go_on.set()


@pytest.mark.parametrize("seed", range(6))
def test_an_attempt_that_nobody_waited_for_has_no_end_in_the_history(seed: int) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        race = [asyncio.ensure_future(ctx.execute_activity(double, n)) for n in range(4)]
        await asyncio.wait(race, return_when=asyncio.FIRST_COMPLETED)
        for task in race:
            task.cancel()
        await ctx.sleep(5)

    with OnInngest(workflow, shuffle=random.Random(seed)) as on:
        run = on.run(workflow)
        ends = [e for e in on.states[run.id].history if e.type == "activity_completed"]
        assert ends
        assert None not in [event.result for event in ends]


# Row: limits


def test_more_steps_than_inngest_takes_fail_the_run_with_what_to_do() -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.map(add_one, range(1_001))

    with OnInngest(workflow) as on:
        run = on.run(workflow)
        assert len(on.exchanges(run)) == 1
        assert "the workflow needs 1,000 steps or more" in error_of(run)
        assert "ctx.execute_workflow" in error_of(run)
        assert "Executor" in error_of(run)


def test_a_result_of_more_than_4_mb_fails_its_activity_with_what_to_do() -> None:
    def much() -> str:
        return "x" * (4 * 2**20)

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.execute_activity(much, retry=FAST)

    with OnInngest(workflow) as on:
        run = on.run(workflow)
        assert "PayloadTooLargeError: the result of activity 'much' has 4,194," in error_of(run)
        assert "with an Executor" in error_of(run)
        assert on.names(run, "StepFailed") == ["1:much"]


def test_a_run_with_more_results_than_inngest_takes_fails_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _limits.MOST_RUN_BYTES == MOST_RUN_BYTES == 32 * 2**20
    monkeypatch.setattr(_limits, "MOST_RUN_BYTES", 2**20)  # else it would take long

    def much(number: int) -> str:
        return str(number) * 300_000

    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        return len([await ctx.execute_activity(much, n) for n in range(4)])

    with OnInngest(workflow) as on:
        run = on.run(workflow)
        assert run.status == "FAILED"
        assert "and Inngest takes at most 1,048,576 of one run" in error_of(run)
        assert "ctx.execute_workflow" in error_of(run)
        assert len(on.exchanges(run)) == 4


# What else the code may do


def test_code_that_waits_for_what_nobody_ever_does_fails_instead_of_hanging() -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(double, 1)
        await asyncio.Event().wait()

    with OnInngest(workflow) as on:
        run = on.run(workflow)
        assert run.status == "FAILED"
        assert "waits for something that is not an activity, signal, timer or child" in error_of(
            run
        )


def test_code_that_never_yields_holds_up_its_own_run_only() -> None:
    go_on, spins_now = threading.Event(), threading.Event()

    async def spins(ctx: AsyncWorkflowContext) -> str:
        while not go_on.is_set():
            spins_now.set()
        return "in the end"

    async def works(ctx: AsyncWorkflowContext) -> int:
        return await ctx.execute_activity(double, 21)

    with OnInngest(spins, works, virtual=False) as on:
        try:
            held_up = start(on.inngest, spins, id="spins")
            assert spins_now.wait(20)
            others = [start(on.inngest, works, id=f"works-{n}") for n in range(5)]
            assert [on.inngest.ended(each).output for each in others] == [42] * 5
            assert not held_up.is_over
        finally:
            go_on.set()
        assert on.inngest.ended(held_up).output == "in the end"


def test_a_request_says_nothing_of_what_the_code_has_not_looked_at_yet(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        pairs = [asyncio.gather(*map(naps, (n, n))) for n in range(3)]
        await asyncio.wait(pairs)
        return [pair.result() for pair in pairs]

    async def naps(number: int) -> int:
        await asyncio.sleep(number)
        return number

    with OnInngest(workflow) as on:
        assert on.run(workflow).output == [[0, 0], [1, 1], [2, 2]]
    gc.collect()
    assert [record for record in caplog.records if "retrieved" in record.getMessage()] == []


# Cost


def in_a_row(count: int) -> Any:
    async def workflow(ctx: AsyncWorkflowContext) -> int:
        number = 0
        for _ in range(count):
            number = await ctx.execute_activity(add_one, number)
        return number

    return workflow


def plainly_in_a_row(count: int) -> Any:
    def workflow(ctx: WorkflowContext) -> int:
        number = 0
        for _ in range(count):
            number = ctx.execute_activity(add_one, number)
        return number

    return workflow


@pytest.mark.parametrize("make", [in_a_row, plainly_in_a_row])
@pytest.mark.parametrize("count", [1, 7, 100])
def test_activities_in_a_row_take_one_request_each_and_one_more(make: Any, count: int) -> None:
    fn = make(count)
    with OnInngest(fn) as on:
        run = on.run(fn)
        assert run.output == count
        assert len(on.exchanges(run)) <= count + 1


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("count", [2, 7, 60])
def test_activities_at_once_take_two_requests_each_and_one_more(count: int, seed: Any) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> int:
        return sum(await ctx.map(add_one, range(count)))

    def plain_workflow(ctx: WorkflowContext) -> int:
        return sum(ctx.map(add_one, range(count)))

    for fn in (workflow, plain_workflow):
        with OnInngest(fn, shuffle=None if seed is None else random.Random(seed)) as on:
            run = on.run(fn)
            assert run.output == sum(range(1, count + 1))
            assert len(on.exchanges(run)) <= 2 * count + 1
