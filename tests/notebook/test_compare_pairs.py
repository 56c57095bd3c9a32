"""Which step of one run belongs to which of another, and what differs between them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from frame_states import after, history, state

from inngest_nb import HistoryEvent, WorkflowState, compare
from inngest_nb.history import Attempt, Step, Value, steps_of

# An algorithm of many cases, some of them far longer than what a comparison shows.
from inngest_nb.notebook.compare._alignment import Pair, aligned
from inngest_nb.state import ForkOrigin

Places = list[tuple[int | None, int | None]]


def step(name: str, seq: int | None = None, given: object = None) -> Step:
    return made(name, "" if given is None else repr(given), seq=seq)


def made(name: str, given: str, result: str = "", attempts: int = 1, **fields: Any) -> Step:
    """Make an activity of JSON texts."""
    tried = (Attempt(None, None, "completed", None, None),) * attempts
    values = {"input": Value(read=lambda: given), "result": Value(read=lambda: result)}
    fields = {"outcome": "completed"} | values | fields
    return Step(kind="activity", name=name, attempts=tried, **fields)


def code(names: str, first: int = 1) -> list[Step]:
    """Write calls of the code, each a letter, with the numbers that an executor gives them."""
    return [step(name, seq) for seq, name in enumerate(names, first)]


def places(a: list[Step], b: list[Step]) -> Places:
    """Give where the steps of each pair stand in their runs."""
    where = {id(one): place for steps in (a, b) for place, one in enumerate(steps)}
    return [
        (pair.a and where[id(pair.a)], pair.b and where[id(pair.b)])  # type: ignore[misc]
        for pair in aligned(a, b)
    ]


def run(*events: HistoryEvent, **fields: Any) -> WorkflowState:
    return state(history=tuple(event.replace(id=n) for n, event in enumerate(events, 1)), **fields)


def event(kind: str, name: str = "", seq: int | None = None, **fields: Any) -> HistoryEvent:
    more = {} if seq is None else {"seq": seq}
    return HistoryEvent(type=kind, activity_name=name, timestamp=after(0), **more, **fields)


def test_runs_of_the_same_calls_are_paired_call_by_call() -> None:
    assert places(code("abab"), code("abab")) == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_a_step_that_only_one_run_has_shifts_no_other() -> None:
    assert places(code("abcd"), code("axbcd")) == [(0, 0), (None, 1), (1, 2), (2, 3), (3, 4)]
    assert places(code("axbcd"), code("abcd")) == [(0, 0), (1, None), (2, 1), (3, 2), (4, 3)]


def test_shifted_calls_of_one_name_do_not_cross() -> None:
    assert places(code("aaab"), code("axaab")) == [(0, 0), (None, 1), (1, 2), (2, 3), (3, 4)]


def test_without_numbers_the_same_input_says_which_step_of_a_name_is_new() -> None:
    a = [step("f", given=n) for n in (1, 2, 3)]
    b = [step("f", given=n) for n in (0, 1, 2, 3)]
    assert places(a, b) == [(None, 0), (0, 1), (1, 2), (2, 3)]


def test_with_numbers_the_call_counts_for_more_than_the_input() -> None:
    a = [step("f", seq, given=seq) for seq in (1, 2, 3)]
    b = [step("f", seq, given=seq - 1) for seq in (1, 2, 3, 4)]
    assert places(a, b) == [(0, 0), (1, 1), (2, 2), (None, 3)]
    assert [pair.differs for pair in aligned(a, b)][:3] == [("input",)] * 3


def test_steps_in_another_order_are_paired_and_said_to_be() -> None:
    pairs = aligned(code("abc"), code("bca"))
    assert [(pair.step.name, pair.differs) for pair in pairs] == [
        ("a", ("order",)),
        ("b", ()),
        ("c", ()),
    ]


def test_steps_of_other_names_are_in_one_run_only() -> None:
    assert [pair.differs for pair in aligned(code("a"), code("b"))] == [
        ("only in A",),
        ("only in B",),
    ]
    assert aligned([], []) == []


@pytest.mark.parametrize("count", [400, 2_000])
def test_every_step_is_in_one_pair_however_long_the_runs(count: int) -> None:
    a = [step(f"n{n % 7}", given=n) for n in range(count)]
    b = [step("new"), *a[count // 2 :], step("n0", given=-1), *a[: count // 3], step("end")]
    pairs = aligned(a, b)
    assert sorted(id(pair.a) for pair in pairs if pair.a) == sorted(map(id, a))
    assert sorted(id(pair.b) for pair in pairs if pair.b) == sorted(map(id, b))
    assert all(pair.a.name == pair.b.name for pair in pairs if pair.a and pair.b)
    in_order = [pair for pair in pairs if pair.a and pair.b and not pair.moved]
    assert len(in_order) >= count // 2


def test_ten_thousand_steps_in_another_order_take_no_square_of_them() -> None:
    a = [step("f", given=n) for n in range(10_000)]
    assert len(aligned(a, a[::-1])) == 10_000


class Name(str):
    """A name that counts how often it is looked up."""

    hashed = 0

    def __hash__(self) -> int:
        Name.hashed += 1
        return super().__hash__()


def test_steps_that_changed_places_with_their_neighbors_take_no_square_of_them() -> None:
    a = [step(Name("f"), given=n) for n in range(3_000)]
    b = [a[place + (1, -1, 0)[place % 3]] for place in range(3_000)]
    pairs = aligned(a, b)
    assert Name.hashed < 100_000
    assert sum(pair.moved for pair in pairs) == 1_000


def test_what_differs_is_named_and_durations_are_not() -> None:
    one = step("f", given=1)
    other = made("f", "2", "3", attempts=2, outcome="failed", error="boom")
    assert Pair(one, other).differs == ("outcome", "input", "result", "error", "attempts")
    assert Pair(one, replace(one, took=timedelta(9))).differs == ()


def test_the_order_of_keys_makes_no_difference_and_digits_do() -> None:
    def of(text: str) -> Step:
        return made("f", text)

    assert Pair(of('{"a": 1, "b": 2}'), of('{"b": 2, "a": 1}')).differs == ()
    assert Pair(of("1"), of("1.0")).differs == ("input",)
    assert Pair(of("12345678901234567890123"), of("12345678901234567890124")).differs == ("input",)
    assert Pair(of(""), of('""')).differs == ("input",)
    assert Pair(of("[" * 990 + "]" * 990), of("[" * 989 + "]" * 989)).differs == ("input",)


def test_the_steps_of_a_run_are_its_activities_signals_and_timers() -> None:
    one = run(
        event("workflow_started"),
        event("activity_started", "charge", 1, input=1),
        event("timer_fired", seq=2, duration=3),
        event("activity_failed", "charge", 1, error="declined"),
        event("signal_received", signal_name="approve", signal_payload={"by": "Ada"}),
        event("activity_started", "charge", 1, input=1),
        event("activity_completed", "charge", 1, result={"paid": 1.0}),
    )
    charge, timer, approve = steps_of(one, after(9))
    assert (len(charge.attempts), charge.error, charge.outcome) == (
        2,
        "attempt 1: declined",
        "completed",
    )
    assert (charge.input.text, charge.result.text) == ("1", '{\n  "paid": 1.0\n}')
    assert (charge.first, charge.last, charge.seq) == (2, 7, 1)
    assert (timer.kind, timer.took, timer.seq) == ("timer", timedelta(seconds=3), 2)
    assert (approve.kind, approve.name, approve.result.value) == (
        "signal",
        "approve",
        {"by": "Ada"},
    )


def test_an_activity_that_is_tried_again_is_open() -> None:
    (charge,) = steps_of(
        run(
            event("activity_started", "charge", 1),
            event("activity_failed", "charge", 1, error="declined"),
            event("activity_started", "charge", 1),
            status="running",
        ),
        after(9),
    )
    assert (charge.last, charge.outcome, charge.error) == (None, "running", "attempt 1: declined")


def steps_of_go() -> tuple[HistoryEvent, ...]:
    return history(
        ("activity_started", "reserve", 0),
        ("activity_completed", "reserve", 1),
        ("activity_started", "charge", 1),
        ("activity_completed", "charge", 2),
    )


PLACED = ["reserve", "forked here, after event 2", "charge"]


def told_of_forks(a: WorkflowState, b: WorkflowState) -> list[str]:
    """Give what a comparison says of forks, and the steps that it says it between."""
    cells = [line.lstrip("=+↳ ").split("  ")[0] for line in repr(compare(a, b)).splitlines()]
    return [cell for cell in cells if "fork" in cell or cell in PLACED]


def test_a_fork_is_placed_after_what_had_begun_before_it() -> None:
    a = state("order-1", history=steps_of_go())
    b = state("order-2", history=steps_of_go())
    origin = ForkOrigin(workflow_id="order-1", run_id="r", event_id=2)
    assert told_of_forks(a, b.replace(forked_from=origin)) == [
        "B was forked from A after event 2",
        *PLACED,
    ]
    assert told_of_forks(b.replace(forked_from=origin), a) == [
        "A was forked from B after event 2",
        *PLACED,
    ]
    assert told_of_forks(a, b) == ["reserve", "charge"]


def test_forks_of_one_run_and_of_an_earlier_run_are_said_to_be() -> None:
    def fork(workflow_id: str, event_id: int, run_id: str = "r") -> WorkflowState:
        origin = ForkOrigin(workflow_id="order-1", run_id=run_id, event_id=event_id)
        return state(workflow_id, history=steps_of_go(), forked_from=origin)

    assert told_of_forks(fork("x", 4), fork("y", 2)) == [
        "Both were forked from order-1: A after event 4, B after event 2",
        *PLACED,
    ]
    assert told_of_forks(state("order-1"), fork("x", 4, "another")) == [
        "B was forked from another run of A's workflow id",
        "reserve",
        "charge",
    ]
