"""One question, one answer: what a run waits for, what became of its activities, whose code it is."""

from __future__ import annotations

from typing import Any

import pytest
from explore_driver import choose
from form_driver import Reading, all_html, words
from frame_states import after, history, state

import inngest_nb as inb
from inngest_nb import Executor, MemoryStore, WorkflowState
from inngest_nb.errors import WorkflowFailedError
from inngest_nb.notebook.timeline import picture_of
from inngest_nb.state import Waits

NOW = after(3_600)


def failing(activity: str, began: float, retry: float) -> list[tuple[Any, ...]]:
    """An activity whose only attempt failed, and when the next one is due."""
    failed = {"error": "boom", "retry_at": after(retry)}
    return [
        ("activity_started", activity, began),
        ("activity_failed", activity, began + 1, failed),
    ]


BEGUN = ("workflow_started", "", 0)
OVERDUE = history(BEGUN, *failing("pay", 1, retry=30))
LATER = history(BEGUN, *failing("pay", 1, retry=9_000), *failing("ship", 3, retry=6_000))
GIVEN_UP = history(BEGUN, ("activity_started", "pay", 1))
APPROVE = Waits(at=2, signals=("approve",))

# What a frame, and what a timeline, has to say of each; a signal form knows of signals only.
WAITING = {
    "a retry that is overdue": (
        state(status="running", history=OVERDUE),
        ("retry", ""),
        "The retry of pay was due at 2025-07-14 12:00:30 UTC: its process is gone, or busy.",
    ),
    "two retries": (
        state(status="running", history=LATER),
        ("retry", ""),
        "Waiting to retry ship at 2025-07-14 13:40:00 UTC.",
    ),
    "a signal, with an activity that the code has given up": (
        state(status="running", history=GIVEN_UP, waits=APPROVE),
        ("signal", "approve"),
        'Waiting for the signal "approve".',
    ),
    "queued, with stored waits": (
        state(status="queued", history=GIVEN_UP, waits=APPROVE),
        ("signal", "approve"),
        'Waiting for the signal "approve".',
    ),
    "an activity": (state(status="running", history=GIVEN_UP), ("activity", ""), ""),
    "an activity whose process is gone": (
        state(status="running", history=GIVEN_UP, owner="w", lease_until=after(60)),
        ("activity", ""),
        "No process is running it: its lease expired at 2025-07-14 12:01:00 UTC. Resume it.",
    ),
    "nothing, since it has ended": (state(history=GIVEN_UP, waits=APPROVE), ("", ""), ""),
}


@pytest.mark.parametrize("case", WAITING)
def test_what_a_run_waits_for_is_the_same_in_a_frame_a_timeline_and_a_form(case: str) -> None:
    run, (kind, signal), text = WAITING[case]
    row = inb.frame(run).astype(object).fillna("").loc[0]
    assert (row["waiting_for"], row["signal"]) == (kind, signal)
    assert picture_of(run, NOW).chart.remarks == (text,) * bool(text)
    store = MemoryStore()
    store.save(run)
    form = inb.signal_form(store, run.workflow_id)
    form.wait()
    if run.status == "running":
        assert words(form.waiting) == (text if signal else "")
        assert form.name.value == signal
    form.close()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("queued", "This run is queued; only a running one takes signals"),
        ("terminated", "This run is terminated; only a running one takes signals"),
        ("", "This run has no status; only a running one takes signals"),
    ],
)
def test_a_form_offers_signals_only_where_the_executor_takes_them(status: str, said: str) -> None:
    store = MemoryStore()
    store.save(state(status=status, history=GIVEN_UP, waits=APPROVE))
    form = inb.signal_form(store, "order-1")
    form.wait()
    assert said in words(form.ended)
    assert form.approve.disabled
    assert form.send.disabled
    form.close()


def test_a_queued_run_without_a_history_has_not_lost_one() -> None:
    picture = inb.timeline(state(status="queued"), now=NOW)._repr_mimebundle_()["text/plain"]
    assert "No history is stored yet." in picture


ENDED = history(BEGUN, ("activity_started", "pack", 1), ("workflow_completed", "", 10))


def test_an_activity_left_open_has_ended_with_its_run_whatever_the_status_is() -> None:
    run = state(status="terminated", history=ENDED, created_at=after(0), updated_at=after(99))
    store = MemoryStore()
    store.save(run)
    for source in (run, store):
        frame = inb.activity_frame(source, now=NOW)
        assert [*frame["outcome"]] == ["abandoned"]
        assert frame.wf.running().empty
    picture = inb.timeline(run, now=NOW)._repr_mimebundle_()["text/plain"]
    assert "abandoned" in picture
    assert "so far" not in picture


FAILED = history(
    BEGUN,
    ("activity_started", "a", 1, {"seq": 1}),
    ("activity_started", "b", 2, {"seq": 2}),
    ("activity_failed", "a", 3, {"seq": 1, "error": "boom"}),
    ("activity_failed", "b", 4, {"seq": 2, "error": "boom"}),
    ("workflow_failed", "", 5, {"seq": 1, "error": "boom"}),
)


def test_a_timeline_blames_the_activity_that_the_error_of_the_run_names() -> None:
    run = state(status="failed", error="boom", history=FAILED)
    store = MemoryStore()
    store.save(run)
    with Executor(store) as executor, pytest.raises(WorkflowFailedError) as caught:
        executor.handle(run.workflow_id).result(60)
    assert caught.value.activity == "a"
    html = inb.timeline(run)._repr_mimebundle_()["text/html"]
    assert "The activity a failed" in words(html)


COPY = state("run-1", history=history(("workflow_started", "", 0, {"workflow": "inngest/order"})))


def test_the_code_of_a_run_has_one_name_in_every_view() -> None:
    run = COPY.replace(run_id="run-1")
    store = MemoryStore()
    store.save(run)
    assert inb.frame(store).loc[0, "workflow"] == "order"
    explorer = inb.explore(store)
    explorer.wait()
    choose(explorer, "run-1")
    assert "Function order" in " ".join(Reading(all_html(explorer.detail)).text.split())
    explorer.close()


@pytest.mark.parametrize(
    ("kind", "error", "mark"),
    [("activity_failed", "", "✕"), ("activity_completed", "a warning", "✓")],
)
def test_an_event_has_the_mark_of_what_it_tells(kind: str, error: str, mark: str) -> None:
    run: WorkflowState = state(history=history(BEGUN, (kind, "pack", 1, {"error": error})))
    store = MemoryStore()
    store.save(run)
    explorer = inb.explore(store)
    explorer.wait()
    choose(explorer, "order-1")
    shown = " ".join(Reading(all_html(explorer.detail)).text.split())
    assert (f"✕ {kind}" in shown) == (mark == "✕")
    explorer.close()
    view = inb.replay(run, inb.samples.order)
    view.moment = 2
    assert f"{mark} {kind}" in words(view.moment_area)
    view.close()
