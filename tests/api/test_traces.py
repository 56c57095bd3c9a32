"""A trace is one row a step, whatever the server shows twice or leaves out."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from story_records import Json, story
from story_server import RETRYING

from inngest_nb.api import Step, Trace
from inngest_nb.api.calls._traces import trace_of

EVERY_RUN = {run_id: name for name, run_id in story().names.items()}


def shown(trace: Trace) -> list[tuple[str, str, str, int]]:
    return [(step.kind, step.name, step.status, len(step.attempts)) for step in trace.steps]


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=EVERY_RUN.get(row.id, row.id)) for row in story().rows]
)
def test_each_step_of_a_run_is_one_row(api: Any, row: Any) -> None:
    trace = api.trace(row.id)
    spans = row.record.trace["rootSpan"].get("children", ())
    assert {step.step_id for step in trace.steps if step.step_id} == {
        span["stepId"] for span in spans if "stepId" in span
    }
    times = Counter(step.step_id for step in trace.steps)
    assert all(count == 1 for step_id, count in times.items() if step_id)
    functions = [step for step in trace.steps if step.kind == "function"]
    assert len(functions) == len([s for s in spans if s["name"] in ("Finalization", "Execution")])
    queued = [step.queued_at for step in trace.steps]
    assert queued == sorted(queued)
    assert trace.status == api.run(row.id).status
    assert trace.run_id == row.id
    # v2 alone cannot tell what these two returned.
    if trace.status == "completed" and EVERY_RUN.get(row.id) not in ("out_bigint", "out_dict-data"):
        (function,) = functions
        assert function.output == api.run(row.id).output


STEPS = {
    "order1": [
        ("step", "validate", "completed", 1),
        ("step", "price", "completed", 1),
        ("step", "reserve", "completed", 1),
        ("step", "charge", "completed", 1),
        ("step", "email", "completed", 1),
        ("function", "Finalization", "completed", 1),
    ],
    # Failed at once: an error of the function itself.
    "hardfail": [("function", "Finalization", "failed", 1)],
    # Failed after a retry: the server shows the step three times.
    "fail_default": [
        ("step", "before", "completed", 1),
        ("step", "bad-step", "failed", 2),
        ("function", "Finalization", "failed", 1),
    ],
    # RetryAfterError counts as the function's attempts.
    "flaky1": [
        ("function", "Finalization", "completed", 3),
        ("step", "maybe", "completed", 1),
    ],
    "wait_match": [
        ("wait", "wait-for-approval", "completed", 0),
        ("function", "Finalization", "completed", 1),
    ],
    "wait_pending": [("wait", "wait-for-approval", "waiting", 0)],
    "sleep": [
        ("step", "first", "completed", 1),
        ("sleep", "nap", "completed", 0),
        ("step", "last", "completed", 1),
        ("function", "Finalization", "completed", 1),
    ],
    "invoke": [
        ("invoke", "call-square", "completed", 0),
        ("function", "Finalization", "completed", 1),
    ],
    "long_by-v2": [("step", "start", "completed", 1), ("sleep", "long-nap", "waiting", 0)],
    "limited0": [],
    "limited1": [("function", "Execution", "running", 1)],
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_what_the_function_did(api: Any, names: dict[str, str], name: str) -> None:
    assert shown(api.trace(names[name])) == STEPS[name]


def test_parallel_steps_overlap(api: Any, names: dict[str, str]) -> None:
    parts = [step for step in api.trace(names["parallel"]).steps if step.name.startswith("part-")]
    assert sorted(part.name for part in parts) == ["part-0", "part-1", "part-2", "part-3"]
    assert max(part.started_at for part in parts) < min(part.ended_at for part in parts)


def test_attempts_have_their_errors_and_the_step_the_last_one(
    api: Any, names: dict[str, str]
) -> None:
    trace = api.trace(names["flaky1"])
    attempts = trace.steps[0].attempts
    assert [(one.number, one.status, str(one.error or "")) for one in attempts] == [
        (0, "failed", "RetryAfterError: attempt 0 failed"),
        (1, "failed", "RetryAfterError: attempt 1 failed"),
        (2, "completed", ""),
    ]
    bad = api.trace(names["fail_default"]).steps[1]
    assert str(bad.error) == "ValueError: boom: value out of range"
    # It includes the pause between the attempts, of which each took moments.
    assert bad.duration > timedelta(seconds=15) > max(one.duration for one in bad.attempts)


def test_a_wait_has_the_event_that_it_met(api: Any, names: dict[str, str]) -> None:
    met = api.trace(names["wait_match"]).steps[0]
    assert (met.output["name"], met.output["data"]) == ("lab/approve", {"by": "ann", "key": "k2"})
    assert api.trace(names["wait_timeout"]).steps[0].output is None


def test_the_queue_delay_is_from_queued_to_started(api: Any, names: dict[str, str]) -> None:
    validate, price, *_ = api.trace(names["order1"]).steps
    assert validate.queue_delay == validate.started_at - validate.queued_at
    assert [validate.queue_delay, price.queue_delay] == [
        timedelta(milliseconds=963),
        timedelta(milliseconds=793),
    ]
    # Of a retry it includes the pause before.
    assert api.trace(names["fail_default"]).steps[1].attempts[1].queue_delay > timedelta(seconds=15)


def test_times_that_contradict_each_other_give_no_delay() -> None:
    times = {"queuedAt": "2026-11-22T19:22:43Z", "startedAt": "2026-11-22T19:22:42Z"}
    (step,) = made({"name": "s", "stepOp": "RUN", "stepId": "a", **times}).steps
    assert step.queue_delay is None


def test_what_was_open_when_its_run_ended_lasted_until_then(
    api: Any, names: dict[str, str]
) -> None:
    trace = api.trace(names["long_by-v2"])
    start, nap = trace.steps
    later = trace.ended_at + timedelta(days=1)
    assert [trace.outcome(step.status) for step in trace.steps] == ["completed", "canceled"]
    assert (trace.is_over, trace.until(nap, later)) == (True, trace.ended_at)
    assert trace.took(nap, later) == trace.ended_at - nap.started_at
    assert trace.took(start, later) == start.duration


def test_a_step_in_the_queue_waits_until_now() -> None:
    now = datetime(2026, 11, 22, 19, 23, tzinfo=UTC)
    trace = made(
        {"name": "s", "stepId": "a", "status": "QUEUED", "queuedAt": "2026-11-22T19:22:00Z"}
    )
    (step,) = trace.steps
    assert trace.queued_for(step, now) == trace.took(step, now) == timedelta(minutes=1)
    assert (step.queue_delay, trace.outcome(step.status)) == (None, "queued")


def test_a_trace_without_output_has_no_payloads(api: Any, names: dict[str, str]) -> None:
    trace = api.trace(names["fail_default"], output=False)
    assert trace.events == ()
    assert {step.output for step in trace.steps} | {step.input for step in trace.steps} == {None}
    assert shown(trace) == STEPS["fail_default"]


def test_the_events_of_a_run_are_in_its_trace(api: Any, names: dict[str, str]) -> None:
    (event,) = api.trace(names["order1"]).events
    assert (event["name"], event["data"]["order_id"]) == ("lab/order.placed", "A1")


def test_a_step_between_two_attempts_is_a_row(api: Any) -> None:
    trace = api.trace(RETRYING)
    assert ("step", "before", "completed", 1) in shown(trace)
    assert [step.name for step in trace.steps if step.kind == "step"].count("bad-step") == 1


def made(*spans: Json) -> Trace:
    return trace_of({"data": {"rootSpan": {"status": "RUNNING", "children": [*spans]}}}, "R")


def test_of_several_views_the_one_with_attempts_then_the_one_with_timing_is_shown() -> None:
    view = {"name": "s", "stepOp": "RUN", "stepId": "a", "status": "FAILED"}
    timed = view | {"durationMs": "5", "metadata": [{"kind": "inngest.timing", "values": {}}]}
    tried = view | {"durationMs": "9", "children": [{"name": "Attempt 0"}, {"name": "Attempt 1"}]}
    for spans, took in (([view, timed], 5), ([view, timed, tried], 9), ([tried, timed], 9)):
        (step,) = made(*spans).steps
        assert step.duration == timedelta(milliseconds=took)


def test_steps_are_in_the_order_in_which_they_were_queued() -> None:
    spans = [
        {"name": f"s{n}", "stepId": f"{n}", "queuedAt": f"2026-11-22T19:22:{n}Z"}
        for n in (42, 40, 41)
    ]
    steps = made({"name": "never", "stepId": "x"}, *spans).steps
    assert [step.name for step in steps] == ["s40", "s41", "s42", "never"]


def test_an_unknown_kind_is_a_row_of_its_own() -> None:
    (step,) = made(
        {"name": "<b>ai</b>", "stepOp": "AI_GATEWAY", "stepId": "a1", "status": "PAUSED"}
    ).steps
    assert (step.kind, step.name, step.status) == ("ai_gateway", "<b>ai</b>", "paused")
    (bare,) = made({"name": "odd"}).steps
    assert (bare.kind, bare.status, bare.attempts) == ("unknown", "", ())


def test_missing_times_stay_missing() -> None:
    (step,) = made({"name": "s", "stepOp": "RUN", "stepId": "a", "startedAt": "later"}).steps
    assert (step.queued_at, step.started_at, step.ended_at, step.duration) == (None,) * 4


def test_what_only_the_loose_span_tells_is_not_lost() -> None:
    loose = {
        "name": "executor.nonstep",
        "status": "FAILED",
        "output": {"name": "E", "message": "m"},
    }
    (step,) = made(loose).steps
    assert (step.kind, str(step.error)) == ("function", "E: m")


def test_ten_thousand_spans_are_ten_thousand_rows() -> None:
    spans = [{"name": f"s{n}", "stepOp": "RUN", "stepId": f"{n:040x}"} for n in range(5_000)]
    steps = made(*spans, *spans).steps
    assert len(steps) == 5_000
    assert all(isinstance(step, Step) for step in steps)


@pytest.mark.parametrize(
    "said",
    [{}, {"data": None}, {"data": {"rootSpan": []}}, {"data": {"rootSpan": {"children": 5}}}],
)
def test_a_trace_that_is_no_trace_has_no_steps(said: Json) -> None:
    assert trace_of(said, "R").steps == ()
