"""The scrubber over a history: moving through it, forking it, and what a notebook keeps of it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from form_driver import Reading, all_html, click, every_widget, press, type_into, words
from frame_states import history, state
from hostile_strings import HOSTILE_STRINGS

import inngest_nb as inb
from inngest_nb import Executor, HistoryEvent, MemoryStore, SqliteStore, WorkflowState
from inngest_nb.errors import EngineError, NonDeterminismError, WorkflowFailedError
from inngest_nb.state import ForkOrigin

FAST = {"speed": 1_000, "bank_failures": 1}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def order(store: MemoryStore) -> WorkflowState:
    """An order whose payment failed once."""
    return run(store, inb.samples.order, FAST)


def run(
    store: MemoryStore, fn: Any, given: Any = None, workflow_id: str = "order-1"
) -> WorkflowState:
    with Executor(store) as executor:
        handle = executor.execute(fn, id=workflow_id, input=given)
        handle.result(60)
    return stored(store, workflow_id)


def stored(store: Any, workflow_id: str) -> WorkflowState:
    found = store.load(workflow_id)
    assert isinstance(found, WorkflowState)
    return found


def at(view: Any, kind: str, activity: str = "", which: int = 0) -> None:
    """Move to an event of a kind, as by dragging the slider there."""
    numbers = [
        moment.number
        for moment in view.moments
        if (moment.event.type, moment.event.activity_name) == (kind, activity)
    ]
    view.slider.set_state({"value": numbers[which]})


def test_one_moves_through_the_events_and_sees_the_code(order: WorkflowState) -> None:
    view = inb.replay(order, inb.samples.order)
    shown = words(view.moment_area)
    assert "workflow_started" in shown
    assert "stock = await ctx.execute_activity(reserve_stock, given) _workflows.py:" in shown
    assert "Waiting for activity reserve_stock" in shown
    at(view, "activity_completed", "reserve_stock")
    shown = words(view.moment_area)
    assert "Called by stock = await ctx.execute_activity(reserve_stock, given)" in shown
    assert "Next call paid = await ctx.execute_activity(charge_card" in shown
    assert '{ "order": 42, "shelf": "B-12" }' in shown
    assert "charge_card" not in shown.partition("State so far")[2]


def test_what_is_shown_is_what_was_known_then(order: WorkflowState) -> None:
    view = inb.replay(order, inb.samples.order)
    assert (len(view.frame), view.then.status, view.then.result) == (0, "running", None)
    at(view, "activity_failed", "charge_card")
    assert list(view.frame["activity"]) == ["reserve_stock", "charge_card"]
    assert list(view.frame["outcome"]) == ["completed", "failed"]
    at(view, "activity_started", "charge_card", which=1)
    assert list(view.frame["outcome"]) == ["completed", "running"]
    assert view.frame["duration"].iloc[1] <= view.then.updated_at - view.then.created_at
    at(view, "workflow_completed")
    assert len(view.frame) == 3
    assert view.then.result == order.result


def test_the_buttons_step_and_stop_at_the_ends(order: WorkflowState) -> None:
    view = inb.replay(order, inb.samples.order)
    assert (view.moment, view.previous.disabled, view.next.disabled) == (1, True, False)
    click(view.next)
    assert (view.moment, view.previous.disabled) == (2, False)
    click(view.previous)
    click(view.previous)
    assert view.moment == 1
    view.moment = len(view.moments)
    assert (view.next.disabled, view.fork.disabled) == (True, True)
    assert "The run has ended at this event" in words(view.hint)


def test_a_fork_with_another_result_is_saved_and_can_be_resumed(
    order: WorkflowState, store: MemoryStore
) -> None:
    view = inb.replay(order, inb.samples.order, store=store)
    at(view, "activity_completed", "charge_card")
    assert view.edit.text.description.startswith("Result")
    event = view.moments[view.moment - 1].event
    type_into(view, view.edit.text, '{"charged": 12345678901234567890123}')
    press(view, view.fork)
    forked = stored(store, view.forked.workflow_id)
    assert forked.forked_from == ForkOrigin(
        workflow_id="order-1", run_id=order.run_id, event_id=event.id
    )
    assert f"up to event {event.id}, with a different result of charge_card" in words(view.outcome)
    assert f", '{forked.workflow_id}', store=store)" in words(view.outcome)
    with Executor(store) as executor:
        result = executor.resume(inb.samples.order, forked.workflow_id).result(60)
    assert result["charged"] == 12345678901234567890123
    assert result["shelf"] == order.result["shelf"]


def test_a_fork_without_an_edit_keeps_the_result_to_the_digit(
    order: WorkflowState, store: MemoryStore
) -> None:
    view = inb.replay(order, inb.samples.order, store=store)
    at(view, "activity_completed", "charge_card")
    press(view, view.fork)
    assert "with another" not in words(view.outcome)
    events = stored(store, view.forked.workflow_id).history
    assert events[1:] == order.history[1 : len(events)]


def test_a_fork_at_the_start_may_have_another_input(
    order: WorkflowState, store: MemoryStore
) -> None:
    view = inb.replay(order, inb.samples.order, store=store)
    assert view.edit.text.description.startswith("Input")
    type_into(view, view.edit.text, '{"speed": 1000, "bank_failures": 0, "order": 7}')
    press(view, view.fork)
    forked = stored(store, view.forked.workflow_id)
    assert (forked.input["order"], len(forked.history)) == (7, 1)
    assert "with a different input." in words(view.outcome)


def test_a_failed_activity_may_have_a_result_in_the_fork(store: MemoryStore) -> None:
    with Executor(store) as executor:
        handle = executor.execute(inb.samples.broken, id="meter", input={"speed": 1_000})
        with pytest.raises(WorkflowFailedError, match="a meter with five digits"):
            handle.result(60)
    view = inb.replay(stored(store, "meter"), inb.samples.broken, store=store)
    at(view, "activity_failed", "check_reading")
    assert view.edit.layout.display == "none", "the attempt that is tried again has no result"
    at(view, "activity_failed", "check_reading", which=1)
    type_into(view, view.edit.text, "77")
    press(view, view.fork)
    with Executor(store) as executor:
        assert executor.resume(inb.samples.broken, view.forked.workflow_id).result(60) == 77


def test_a_result_that_is_not_json_is_marked_and_nothing_is_forked(
    order: WorkflowState, store: MemoryStore
) -> None:
    view = inb.replay(order, inb.samples.order, store=store)
    at(view, "activity_completed", "charge_card")
    type_into(view, view.edit.text, "{'charged': 1}")
    press(view, view.fork)
    assert "Result is not valid JSON: strings need double quotes" in words(view.edit.flaw)
    assert "Could not fork the workflow" in words(view.trouble)
    assert "line 1, column 2" in words(view.edit.flaw)
    assert "column" not in words(view.trouble), "its place is said once"
    assert view.forked is None
    assert len(store.list()) == 1


def test_without_a_store_a_fork_is_handed_over_and_nothing_is_saved(
    order: WorkflowState, store: MemoryStore
) -> None:
    view = inb.replay(order, inb.samples.order)
    press(view, view.fork)
    assert view.forked is not None
    assert "the state is in .forked" in words(view.outcome)
    assert len(store.list()) == 1


def test_events_that_cannot_be_told_apart_are_not_forked_at(store: MemoryStore) -> None:
    events = [event.replace(id=0) for event in run(store, inb.samples.order, FAST).history]
    view = inb.replay(state(history=events), inb.samples.order)
    press(view, view.fork)
    assert "several events have the id 0" in words(view.trouble)
    assert view.forked is None


def test_code_that_parts_from_the_history_is_shown_with_both_sides(order: WorkflowState) -> None:
    view = inb.replay(order, inb.samples.approval)
    assert isinstance(view.last_error, NonDeterminismError)
    said = words(view.parting)
    assert "Code and history diverge at event 2" in said
    assert "History: call 1 is activity 'reserve_stock'" in said
    assert "Code: call 1 is activity 'write_proposal' (_workflows.py:" in said
    assert view.moment == 2
    assert "activity_started reserve_stock" in words(view.moment_area)
    assert len(view.moments) == len(order.history)


def test_a_run_without_a_history_is_said_to_have_none() -> None:
    view = inb.replay(state(), inb.samples.order)
    assert isinstance(view.last_error, EngineError)
    assert "it was saved without its history" in words(view.parting)
    assert view.slider not in every_widget(view)
    assert "without its history" in words(view._repr_mimebundle_()["text/html"])


@pytest.mark.parametrize("fn", [inb.samples.order, inb.samples.approval])
def test_what_a_retry_undid_is_passed_over(order: WorkflowState, fn: Any) -> None:
    undone = HistoryEvent(id=99, type="workflow_failed", superseded=True)
    history = (*order.history[:3], undone, *order.history[3:])
    view = inb.replay(order.replace(history=history), fn)
    assert [moment.event.id for moment in view.moments] == [event.id for event in order.history]


def test_of_a_long_run_the_last_steps_are_shown_and_the_rest_named() -> None:
    events = [
        (kind, "part", n, {"seq": n})
        for n in range(1, 301)
        for kind in ("activity_started", "activity_completed")
    ]
    one = state(history=history(("workflow_started", "", 0), *events))
    view = inb.replay(one, inb.samples.order)
    view.moment = len(view.moments)
    assert "… earlier steps are in .frame" in words(view.moment_area)
    assert words(view.moment_area).count("completed") < 20
    assert len(view.frame) == 300
    assert "… 101 more events not shown here; history_frame has all" in words(
        view._repr_mimebundle_()["text/html"]
    )
    assert repr(view).splitlines()[-1] == "and 101 more events"


def test_a_saved_notebook_has_the_whole_history_with_the_lines(order: WorkflowState) -> None:
    bundle = inb.replay(order, inb.samples.order)._repr_mimebundle_()
    assert set(bundle) == {
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "text/plain",
    }
    table = Reading(bundle["text/html"].partition("<table")[2]).text
    assert all(event.activity_name in table for event in order.history)
    assert table.count("ctx.execute_activity(") == 3
    assert "parcel = await ctx.execute_activity(send_parcel, given)" in bundle["text/plain"]


def test_a_fork_is_told_to_who_listens_and_kept_in_the_notebook(
    order: WorkflowState, tmp_path: Path
) -> None:
    with SqliteStore(tmp_path / "state.db") as store:
        view = inb.replay(order, inb.samples.order, store=store)
        told: list[str] = []
        view.on_write(lambda workflow_id, _: told.append(workflow_id))
        press(view, view.fork)
        assert told == [view.forked.workflow_id]
        assert f"Forked as {told[0]}" in words(view._repr_mimebundle_()["text/html"])


def test_a_store_that_fails_is_said_to(order: WorkflowState, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "state.db") as store:
        view = inb.replay(order, inb.samples.order, store=store)
    press(view, view.fork)
    assert "Could not fork the workflow" in words(view.trouble)
    assert view.forked is None


def test_what_is_no_run_is_refused_with_words() -> None:
    with pytest.raises(TypeError, match="got None, which load"):
        inb.replay(None, inb.samples.order)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="replay needs store= to look up"):
        inb.replay("order-1", inb.samples.order)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a workflow must be a function"):
        inb.replay(state(), "order")  # type: ignore[arg-type]


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_hostile_strings_add_no_tag(hostile: str) -> None:
    def shapes(text: str) -> list[Any]:
        events = history(
            ("workflow_started", "", 0, {"input": {text: text}}),
            ("activity_started", text, 0, {"input": text, "seq": 1}),
            ("activity_failed", text, 1, {"error": text, "seq": 1}),
            ("signal_received", "", 2, {"signal_name": text, "signal_payload": [text]}),
        )
        one = WorkflowState(
            workflow_id=text, status=text, history=(*events, HistoryEvent(type=text))
        )
        view = inb.replay(one, inb.samples.order, store=MemoryStore())
        htmls = []
        for number in range(1, 6):
            view.moment = number
            htmls.append(all_html(view))
        htmls.append(view._repr_mimebundle_()["text/html"])
        assert text[:20] in Reading(htmls[-1]).text
        return [Reading(html).shape for html in htmls]

    assert shapes(hostile) == shapes("x" * len(hostile))


def test_every_field_has_a_label_and_every_control_a_hook(order: WorkflowState) -> None:
    controls = [
        each
        for each in every_widget(inb.replay(order, inb.samples.order))
        if "description" in each.keys and "inb" not in each._dom_classes
    ]
    assert [each for each in controls if not each.description] == []
    assert all(any(name.startswith("inb-") for name in each._dom_classes) for each in controls)


def test_a_double_click_on_fork_here_makes_one_fork(
    store: MemoryStore, order: WorkflowState
) -> None:
    view = inb.replay(order, inb.samples.order, store=store)
    at(view, "activity_completed", "reserve_stock")
    click(view.fork)
    click(view.fork)
    view.wait()
    assert len(store.list()) == 2
    forked = view.forked
    type_into(view, view.edit.text, '{"shelf": "A-1"}')
    press(view, view.fork)
    assert len(store.list()) == 3
    assert view.forked is not forked


async def adds(ctx: Any, given: Any) -> Any:
    return await ctx.execute_activity(_add, given)


def _add(given: Any) -> Any:
    return given


async def raises_at_once(ctx: Any, given: Any) -> Any:
    return await ctx.execute_activity(_add, given["table"])


async def raises_at_the_end(ctx: Any, given: Any) -> Any:
    return (await ctx.execute_activity(_add, given))["table"]


def raises_plainly(ctx: Any, given: Any) -> Any:
    return ctx.execute_activity(_add, given["table"])


@pytest.mark.parametrize("fn", [raises_at_once, raises_at_the_end, raises_plainly])
def test_code_that_raises_is_told_with_its_error_and_line(
    store: MemoryStore, caplog: pytest.LogCaptureFixture, fn: Any
) -> None:
    view = inb.replay(run(store, adds, {"chair": 1}), fn)
    said = words(view.parting)
    line = fn.__code__.co_firstlineno + 1
    assert f"The code raised KeyError: 'table' (test_replay.py:{line})" in said
    assert isinstance(view.last_error.__cause__, KeyError)
    del view
    gc.collect()
    assert "never retrieved" not in caplog.text
