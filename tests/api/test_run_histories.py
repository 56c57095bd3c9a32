"""What the history of a run tells, beside what its trace has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hostile_strings import HOSTILE_STRINGS
from story_records import story
from story_server import StoryServer

from inngest_nb import InngestAPI, RunStore, WorkflowState, wire
from inngest_nb.api import Run, Step, StepAttempt, Trace
from inngest_nb.api.states._states import state_of
from inngest_nb.history import activities_of, outcome_left_open, steps_of, times_of

EVERY_RUN = {run_id: name for name, run_id in story().names.items()}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def loaded() -> dict[str, tuple[WorkflowState, Trace]]:
    """Every run of the story as a state, and its trace."""
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        return {
            EVERY_RUN.get(state.workflow_id, state.workflow_id): (
                state,
                api.trace(state.workflow_id),
            )
            for state in RunStore(api).fetch()
        }


def left_open(state: WorkflowState) -> str:
    return outcome_left_open(state.status, times_of(state).ended is not None)


def told(state: WorkflowState) -> list[tuple[str, str, str, int]]:
    return [
        (step.kind, step.name, step.outcome, len(step.attempts))
        for step in steps_of(state, datetime.now(UTC))
    ]


def test_each_step_is_an_activity_with_its_attempts_and_times(loaded: Any) -> None:
    assert len(loaded) == 47
    for name, (state, trace) in loaded.items():
        works = [step for step in trace.steps if step.kind not in ("sleep", "wait")]
        found = sorted(activities_of(state.history), key=lambda activity: activity.seq or 0)
        assert len(found) == len(works), name
        for activity, step in zip(found, works, strict=True):
            function = state.history[0].workflow.removeprefix("nb-lab-")
            assert activity.name == (function if step.kind == "function" else step.name)
            assert activity.attempts == max(1, len(step.attempts)), name
            assert activity.started_at == step.attempts[0].started_at if step.attempts else True
            assert (activity.outcome or left_open(state)) == step.status, name
            assert (activity.error or "") == str(step.error or ""), name


def test_events_are_numbered_in_order_of_time_between_the_two_ends(loaded: Any) -> None:
    for name, (state, _) in loaded.items():
        assert [event.id for event in state.history] == [*range(1, len(state.history) + 1)]
        times = [event.timestamp for event in state.history[1:-1]]
        assert times == sorted(times), name
        assert state.history[0].type == "workflow_started"
        ended = times_of(state).ended
        assert ended == state.history[-1].timestamp if ended else state.status in OPEN, name
        assert wire.decode(wire.encode(state)) == state, name


OPEN = ("queued", "running")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hardfail", [("activity", "hard-fail", "failed", 1)]),
        (
            "fail_default",
            [
                ("activity", "before", "completed", 1),
                ("activity", "bad-step", "failed", 2),
                ("activity", "always-fails", "failed", 1),
            ],
        ),
        (
            "flaky1",
            [("activity", "flaky", "completed", 3), ("activity", "maybe", "completed", 1)],
        ),
        (
            "wait_match",
            [
                ("signal", "wait-for-approval", "received", 1),
                ("activity", "waiter", "completed", 1),
            ],
        ),
        ("wait_timeout", [("timer", "", "fired", 1), ("activity", "waiter", "completed", 1)]),
        ("wait_pending", []),
        (
            "sleep",
            [
                ("activity", "first", "completed", 1),
                ("timer", "", "fired", 1),
                ("activity", "last", "completed", 1),
                ("activity", "sleeper", "completed", 1),
            ],
        ),
        ("long_by-v2", [("activity", "start", "completed", 1)]),
        ("limited1", [("activity", "limited", "running", 1)]),
        ("limited0", []),
        (
            "invoke",
            [("activity", "call-square", "completed", 1), ("activity", "invoker", "completed", 1)],
        ),
    ],
)
def test_each_kind_of_step_has_its_place(loaded: Any, name: str, expected: Any) -> None:
    assert told(loaded[name][0]) == expected


def test_an_answered_wait_has_the_event_and_a_timer_its_span(loaded: Any) -> None:
    (signal,) = [e for e in loaded["wait_match"][0].history if e.type == "signal_received"]
    assert signal.signal_payload["data"] == {"by": "ann", "key": "k2"}
    (timer,) = [e for e in loaded["sleep"][0].history if e.type == "timer_fired"]
    assert (timer.activity_name, timer.duration) == ("nap", timedelta(seconds=2))


def test_an_error_keeps_its_type_and_its_traceback(loaded: Any) -> None:
    state = loaded["fail_default"][0]
    assert state.error == "ValueError: boom: value out of range"
    failures = [event for event in state.history if event.type.endswith("_failed")]
    assert [event.error for event in failures] == [state.error] * 4
    assert {event.error_type for event in failures} == {"ValueError"}
    assert all("Traceback" in event.trace for event in failures)


def run(**fields: Any) -> Run:
    given = {"status": "completed", "started_at": NOON, "ended_at": NOON + timedelta(seconds=9)}
    given |= {"run_id": "01M82BBSDM2RWR71WM2EZVHP9E", "app": "shop", "function": "charge"}
    given |= {"inngest_status": "COMPLETED"}
    return Run(**given | fields)


def step(name: str = "pay", *attempts: StepAttempt, **fields: Any) -> Step:
    given = {"step_id": name, "kind": "step", "status": "completed", "inngest_status": "COMPLETED"}
    return Step(name=name, attempts=attempts, **given | fields)


def trace(*steps: Step) -> Trace:
    return Trace(run_id="", status="completed", inngest_status="COMPLETED", steps=steps)


def test_missing_times_invent_nothing() -> None:
    state = state_of(run(), trace(step(), step("nap", kind="sleep"), step("ask", kind="wait")))
    assert [(event.type, event.timestamp) for event in state.history[1:-1]] == [
        ("activity_completed", None),
        ("timer_fired", None),
        ("timer_fired", None),
    ]
    queued = state_of(run(status="queued", started_at=None, ended_at=None), trace())
    assert (queued.created_at, queued.updated_at, len(queued.history)) == (None, None, 1)
    assert steps_of(state, NOON)[0].remark == "no time was recorded"


def test_a_clock_that_went_back_parts_no_step() -> None:
    odd = StepAttempt(
        number=0,
        status="completed",
        inngest_status="COMPLETED",
        started_at=NOON + timedelta(seconds=5),
        ended_at=NOON + timedelta(seconds=1),
    )
    state = state_of(run(), trace(step("pay", odd, queued_at=NOON)))
    (activity,) = activities_of(state.history)
    assert (activity.attempts, activity.outcome) == (1, "completed")


def test_steps_of_one_name_and_kinds_nobody_knows_stay_apart() -> None:
    twins = [step(started_at=NOON, queued_at=NOON, step_id=str(n)) for n in range(3)]
    state = state_of(run(), trace(*twins, step("ai", kind="ai_gateway", started_at=NOON)))
    assert [one.name for one in activities_of(state.history)] == ["pay", "pay", "pay", "ai"] or [
        one.name for one in activities_of(state.history)
    ] == ["ai", "pay", "pay", "pay"]


def test_what_was_open_when_the_run_ended_is_not_running() -> None:
    open_one = step(status="running", started_at=NOON)
    for status, outcome in (("canceled", "canceled"), ("failed", "abandoned")):
        state = state_of(run(status=status), trace(open_one))
        assert [activity.outcome for activity in activities_of(state.history)] == [None]
        assert left_open(state) == outcome


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_names_and_outputs_are_kept_as_they_are(text: str) -> None:
    odd = step(text, started_at=NOON, ended_at=NOON, output={text: [text]}, input=[text])
    state = state_of(run(function=text), trace(odd))
    assert state.history[1].activity_name == text
    assert state.history[2].result == {text: [text]}
    assert wire.decode(wire.encode(state)) == state


def test_10_000_steps_are_told_in_moments() -> None:
    steps = [
        step(str(n), started_at=NOON + timedelta(milliseconds=n), queued_at=NOON, step_id=str(n))
        for n in range(10_000)
    ]
    state = state_of(run(), trace(*steps))
    assert len(activities_of(state.history)) == 10_000
