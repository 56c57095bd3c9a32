"""Workflows end on a real server's engine as they do with an executor: what only that can show."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import live_workflows as flows
import pytest
from inngest_site import until
from live_workflows import BIG, LONG, NUMBERS, gates, noted
from replayed_workflows import WORKFLOWS, outcome

from inngest_nb import Executor, InngestAPI, InngestWorker, Signal
from inngest_nb.errors import WorkflowCanceledError, WorkflowFailedError

# A server makes an attempt that has failed by itself, and not as a step, again after 15 s or more.
AT_ONCE = 12.0
PATIENCE = 60.0


def ran(worker: InngestWorker, fn: Callable[..., Any], given: Any = None) -> tuple[str, Any]:
    """Run a workflow; return its id and its result."""
    handle = worker.start(fn, given, id=uuid4().hex)
    return handle.id, handle.result(PATIENCE)


@pytest.mark.parametrize("name", ["order", "approval", "fan_out", "import_rows", "broken"])
def test_samples_end_as_with_an_executor(worker: InngestWorker, name: str) -> None:
    fn, given, signals = WORKFLOWS[name]
    handle = worker.start(fn, given)
    for each in signals:
        handle.signal(each)
    with Executor() as executor:
        ours = executor.execute(fn, input=given)
        for each in signals:
            until(lambda: ours.waiting_for)
            executor.signal(ours.id, each)
        assert outcome(handle) == outcome(ours)


def test_a_row_of_activities_takes_one_request_each_and_one_more(worker: InngestWorker) -> None:
    name, result = ran(worker, flows.row, 6)
    assert result == noted[name] == [*range(6)]
    assert len(noted[f"{name} code"]) <= 7


def test_activities_side_by_side_take_two_requests_each_and_one_more(
    worker: InngestWorker,
) -> None:
    name, result = ran(worker, flows.beside, 6)
    assert result == sorted(noted[name]) == [*range(6)]
    assert len(noted[f"{name} code"]) <= 13


def test_a_race_does_not_wait_for_who_loses_it(worker: InngestWorker) -> None:
    begun = time.monotonic()
    name, result = ran(worker, flows.race)
    assert result == ["quick", "after"]
    assert time.monotonic() - begun < LONG
    assert "long ended" not in noted[name]


def test_branches_go_on_by_themselves(worker: InngestWorker) -> None:
    name, result = ran(worker, flows.branches)
    assert result == [["slow", "slow"], ["quick", "quick"]]
    assert noted[name].count("quick") == 2
    second = len(noted[name]) - 1 - noted[name][::-1].index("quick")
    assert second < noted[name].index("slow ended")


def test_numbers_come_back_as_they_were(worker: InngestWorker) -> None:
    handle = worker.start(flows.numbers, NUMBERS, id=uuid4().hex)
    handle.signal(Signal("number", NUMBERS))
    result = handle.result(PATIENCE)
    assert repr(result) == repr([NUMBERS] * 4)  # 1 would equal 1.0
    assert repr(noted[handle.id]) == repr([NUMBERS])


def test_a_sleep_never_ends_early(worker: InngestWorker) -> None:
    wanted = [0.3, 1.4, 1.6]
    _, slept = ran(worker, flows.naps, wanted)
    assert all(took >= each for took, each in zip(slept, wanted, strict=True)), slept


def test_signals_arrive_once_and_in_order_before_and_during_the_wait(
    worker: InngestWorker,
) -> None:
    handle = worker.start(flows.signaled, 6, id=uuid4().hex)
    until(lambda: noted[handle.id])
    for number in range(3):
        handle.signal(Signal("go", number))
    handle.signal(Signal("another", "none of ours"))
    gates[handle.id].set()
    for number in range(3, 6):
        handle.signal(Signal("go", number))
    assert handle.result(PATIENCE) == [[*range(6)], "all"]


def test_a_wait_and_a_timeout_end(worker: InngestWorker) -> None:
    begun = time.monotonic()
    handle = worker.start(flows.impatient)
    with Executor() as executor:
        ours = executor.execute(flows.impatient)
        assert handle.result(PATIENCE) == ours.result(PATIENCE)
    assert time.monotonic() - begun < 2 * LONG


def test_a_failed_attempt_is_a_failed_step_which_only_our_policy_repeats(
    worker: InngestWorker, api: InngestAPI
) -> None:
    handle = worker.start(flows.retries, id=uuid4().hex)
    assert handle.result(PATIENCE) == 3
    attempts, keys, times = zip(*noted[handle.id], strict=True)
    assert attempts == (1, 2, 3)
    assert len({*keys}) == 1
    assert times[2] - times[0] < AT_ONCE
    steps = {step.name: step.status for step in api.trace(handle.run_id).steps}
    assert [steps[name] for name in ("1:keyed", "1:keyed #2", "1:keyed #3")] == [
        *("failed", "failed", "completed")
    ]


def test_an_activity_that_fails_for_good_is_caught(worker: InngestWorker) -> None:
    name, result = ran(worker, flows.caught)
    with Executor() as executor:
        assert result == executor.execute(flows.caught).result(PATIENCE)
    assert noted[name] == [1, 2, 3]


def test_an_error_of_the_code_fails_the_run_at_once(worker: InngestWorker) -> None:
    begun = time.monotonic()
    handle = worker.start(flows.wrong)
    with Executor() as executor:
        assert outcome(handle) == outcome(executor.execute(flows.wrong))
    assert time.monotonic() - begun < AT_ONCE


def test_a_canceled_run_ends_without_its_finally_and_its_step_goes_on(
    worker: InngestWorker,
) -> None:
    handle = worker.start(flows.stuck, id=uuid4().hex)
    until(lambda: "at the gate" in noted[handle.id])
    assert handle.cancel()
    with pytest.raises(WorkflowCanceledError):
        handle.result(PATIENCE)
    gates[handle.id].set()
    until(lambda: "through the gate" in noted[handle.id])
    assert not handle.cancel()
    assert ran(worker, flows.row, 1)[1] == [0]  # by then, more of it would have begun
    assert noted[handle.id] == ["waits", "at the gate", "through the gate"]


def test_children_run_fail_and_are_canceled(worker: InngestWorker, api: InngestAPI) -> None:
    name, (row, why, dropped) = ran(worker, flows.family)
    assert (row, dropped) == ([0, 1, 2], "dropped")
    assert "no such order" in why
    assert f"{name} wrong" in why
    (run_id,) = {*noted[f"{name} lonely"]}
    until(lambda: api.run(run_id, output=False).status == "canceled", PATIENCE)


def test_times_and_chance_are_the_same_in_every_request(worker: InngestWorker) -> None:
    before = time.time()
    name, (made, after) = ran(worker, flows.facts)
    assert noted[name][0] == made
    assert len({str(each) for each in noted[name] if isinstance(each, list)}) == 1
    assert before - 1 <= made[3] <= after - 1 <= time.time()


def test_an_id_starts_one_run(worker: InngestWorker) -> None:
    name = uuid4().hex
    first, second = (worker.start(flows.row, 2, id=name) for _ in range(2))
    assert first.run_id == second.run_id
    assert first.result(PATIENCE) == second.result(PATIENCE) == noted[name] == [0, 1]


def test_results_that_no_request_carries_are_fetched(worker: InngestWorker) -> None:
    assert ran(worker, flows.heavy, [BIG] * 3)[1] == [BIG] * 3


def test_more_than_the_server_takes_fails_and_says_what_to_do(worker: InngestWorker) -> None:
    with pytest.raises(WorkflowFailedError, match=r"takes at most 4,194,304.*with an Executor"):
        ran(worker, flows.heavy, [5 * 2**20])
    with pytest.raises(WorkflowFailedError, match=r"1,000 steps or more.*execute_workflow"):
        ran(worker, flows.beside, 1_001)
