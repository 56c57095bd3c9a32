"""What each row knows of its workflow: its name, the step it is at, what it waits for."""

from datetime import UTC, datetime

import pytest
from frame_states import after, history, state

import inngest_nb as inb

SOON = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("workflow_id", "name"),
    [
        ("order-17", "order"),
        ("order/2026-11/17", "order/2026-11"),
        ("agent-7-retry", "agent"),
        ("nightly", "nightly"),
        ("Bestellung_007", "Bestellung"),
        ("a1b2", "a1b"),
    ],
)
def test_an_id_names_the_workflow_up_to_its_last_number(workflow_id: str, name: str) -> None:
    for make in (inb.frame, inb.history_frame, inb.activity_frame):
        events = history(("activity_started", "charge", 0))
        assert list(make(state(workflow_id, history=events))["workflow"]) == [name]


def test_an_id_that_is_a_number_names_nothing() -> None:
    assert inb.frame(state("4711"))["workflow"].isna().all()


def test_a_registered_name_counts_more_than_the_id_and_any_rule() -> None:
    begun = history(("workflow_started", "", 0))[0].replace(workflow="checkout")
    copied = begun.replace(workflow="inngest/checkout")
    runs = [state("a-1", history=(begun,)), state("b-2", history=(copied,)), state("c-3")]
    assert list(inb.frame(runs)["workflow"]) == ["checkout", "checkout", "c"]
    upper = inb.frame(runs, name=lambda run: run.workflow_id.upper())
    assert list(upper["workflow"]) == ["checkout", "checkout", "C-3"]


def test_the_step_is_the_activity_that_runs_or_ran_last() -> None:
    events = history(
        ("activity_started", "reserve", 0),
        ("activity_started", "charge", 1),
        ("activity_completed", "charge", 2),
        ("activity_completed", "reserve", 3),
    )
    steps = [
        inb.frame(state("order-1", "running", history=events[:n]))["step"].iloc[0]
        for n in range(1, 5)
    ]
    assert steps == ["reserve", "charge", "reserve", "reserve"]
    assert inb.frame(state("order-1", "running"))["step"].isna().all()


def test_an_open_run_waits_for_its_activity_or_its_next_attempt() -> None:
    started = history(("activity_started", "charge", 0))
    failed = history(("activity_started", "charge", 0), ("activity_failed", "charge", 1))
    retried = (failed[0], failed[1].replace(retry_at=SOON))
    runs = [
        state("order-1", "running", history=started),
        state("order-2", "running", history=retried),
        state("order-3", "running", history=failed),
        state("order-4", "failed", history=retried),
        state("order-5", "queued"),
    ]
    assert list(inb.frame(runs)["waiting_for"].astype(object)[:2]) == ["activity", "retry"]
    assert inb.frame(runs)["waiting_for"][2:].isna().all()


def test_activities_have_the_status_of_their_run_and_payloads_side_by_side() -> None:
    begun, ended = history(("activity_started", "charge", 0), ("activity_completed", "charge", 1))
    run = state(
        "order-1",
        "completed",
        history=(begun.replace(input={"eur": 3}), ended.replace(result=[1, 2])),
        updated_at=after(2),
    )
    row = inb.activity_frame(run, payloads=True).iloc[0]
    assert (row["status"], row["input"], row["result"]) == ("completed", {"eur": 3}, [1, 2])
    assert list(inb.history_frame(run)["status"]) == ["completed", "completed"]
