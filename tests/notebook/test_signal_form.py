"""The form that answers a run which waits for somebody, used by the messages of a page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from executor_stores import CheckedStore
from form_driver import click, press, type_into, words
from frame_states import NOON
from small_servers import plain_server

import inngest_nb as inb
from inngest_nb import AsyncInngestStore, Executor, Hooks, InngestStore, MemoryStore, WorkflowStore
from inngest_nb.errors import WorkflowNotSavedError
from inngest_nb.notebook.live import LiveRun

PATIENCE = 60
LATER = NOON + timedelta(days=20_000)


async def asking(ctx: Any, questions: int = 1) -> list[Any]:
    """Wait for so many answers."""
    return [await ctx.receive_signal("approve") for _ in range(questions)]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def run(store: MemoryStore) -> Iterator[LiveRun]:
    """A run that waits for one answer."""
    live = inb.start(asking, 1, store=store, id="order-7")
    yield live
    live.cancel()


def until(area: Any, text: str) -> None:
    """Wait until a text stands in an area."""
    there = threading.Event()
    area.observe(lambda _: there.set() if text in words(area) else None, "value")
    if text not in words(area):
        assert there.wait(PATIENCE), f"{text!r} is not in {words(area)!r}"


def payloads(store: WorkflowStore, workflow_id: str = "order-7") -> list[Any]:
    state = store.load(workflow_id)
    assert state is not None
    return [event.signal_payload for event in state.history if event.type == "signal_received"]


def name(form: Any, text: str = "approve") -> None:
    type_into(form, form.name, text)


@contextmanager
def another_executor(store: WorkflowStore) -> Iterator[Executor]:
    """Give an executor, not that of `run` and `start`, that has saved the start of order-7."""
    saved = threading.Event()
    with Executor(store, Hooks(on_workflow_start=lambda *_: saved.set())) as executor:
        executor.execute(asking, id="order-7", input=1)
        assert saved.wait(PATIENCE)
        yield executor


@pytest.mark.parametrize(("button", "approved"), [("approve", True), ("reject", False)])
def test_a_run_that_waits_is_approved_or_rejected(
    run: LiveRun, store: MemoryStore, button: str, approved: bool
) -> None:
    form = inb.signal_form(run)
    form.wait()
    assert "Status ◐ running" in words(form.summary)
    name(form)
    type_into(form, form.payload.text, '{"by": "Ada", "total": 12345678901234567890123}')
    press(form, getattr(form, button))
    answer = {"approved": approved, "by": "Ada", "total": 12345678901234567890123}
    assert run.result(PATIENCE) == [answer]
    assert '✓ Signal "approve" sent Saved as event 2, ' in words(form.outcome)
    assert payloads(store) == [answer]


def test_what_is_typed_may_be_nothing_or_anything(store: MemoryStore) -> None:
    live = inb.start(asking, 5, store=store, id="order-7")
    form = inb.signal_form(live)
    name(form)
    press(form, form.approve)
    for typed in ("", "[1.0, null]", '"text"', '{"approved": "later"}'):
        press(form, form.another)
        type_into(form, form.payload.text, typed)
        press(form, form.send)
    assert live.result(PATIENCE) == [
        {"approved": True},
        None,
        [1.0, None],
        "text",
        {"approved": "later"},
    ]


def test_a_second_click_sends_nothing_until_one_asks_for_another(store: MemoryStore) -> None:
    live = inb.start(asking, 2, store=store, id="order-7")
    form = inb.signal_form(live)
    name(form)
    click(form.approve)
    click(form.approve)
    form.wait()
    assert form.choices.children == (form.another,)
    assert payloads(store) == [{"approved": True}]
    press(form, form.another)
    assert form.choices.children == (form.approve, form.reject, form.send)
    press(form, form.reject)
    assert live.result(PATIENCE) == [{"approved": True}, {"approved": False}]


def test_a_payload_that_is_not_json_is_marked_and_not_sent(
    run: LiveRun, store: MemoryStore
) -> None:
    form = inb.signal_form(run)
    name(form)
    type_into(form, form.payload.text, "{'by': 1}")
    assert "Payload is not valid JSON: strings need double quotes, line 1, column 2" in words(
        form.payload.flaw
    )
    for button in (form.approve, form.send):
        press(form, button)
        assert "Could not send the signal" in words(form.trouble)
        assert "Payload is not valid JSON (see the mark)" in words(form.trouble)
    assert payloads(store) == []
    type_into(form, form.payload.text, '{"by": 1}')
    assert words(form.payload.flaw) == ""
    press(form, form.approve)
    assert run.result(PATIENCE) == [{"approved": True, "by": 1}]


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("[1]", "Approve and Reject add a key, so the payload must be an object"),
        ("0", "Approve and Reject add a key, so the payload must be an object"),
        ('{"approved": false}', 'the payload already has "approved": remove it'),
    ],
)
def test_an_answer_that_says_two_things_is_refused(
    run: LiveRun, store: MemoryStore, typed: str, complaint: str
) -> None:
    form = inb.signal_form(run)
    name(form)
    type_into(form, form.payload.text, typed)
    press(form, form.approve)
    assert complaint in words(form.trouble)
    assert payloads(store) == []


def test_a_signal_without_a_name_is_refused(run: LiveRun) -> None:
    form = inb.signal_form(run)
    type_into(form, form.name, "")
    press(form, form.approve)
    assert "type the name of the signal first" in words(form.trouble)


def test_names_that_came_before_are_offered_the_last_first(store: MemoryStore) -> None:
    live = inb.start(asking, 3, store=store, id="order-7")
    for each in ("hello", "bad\u202ename", "approve"):
        live.signal(each)
    form = inb.signal_form(live)
    form.wait()
    assert list(form.name.options) == ["approve", "bad\\u202ename", "hello"]
    assert form.name.value == "approve"
    name(form, "bad\\u202ename")
    press(form, form.send)
    state = store.load("order-7")
    assert state is not None
    assert state.history[-1].signal_name == "bad\u202ename"
    live.cancel()


async def asking_twice(ctx: Any, _: Any) -> list[Any]:
    return [await ctx.receive_signal("first"), await ctx.receive_signal("second")]


def test_what_a_run_waits_for_is_offered_and_said(store: MemoryStore) -> None:
    live = inb.start(asking_twice, 1, store=store, id="order-7")
    form = inb.signal_form(live)
    until(form.waiting, 'Waiting for the signal "first".')
    assert form.name.value == "first"
    press(form, form.approve)
    until(form.waiting, 'Waiting for the signal "second".')
    press(form, form.another)
    assert form.name.value == "second"
    assert list(form.name.options) == ["second", "first"]
    press(form, form.reject)
    assert live.result(PATIENCE) == [{"approved": True}, {"approved": False}]
    until(form.ended, "has completed")
    assert words(form.waiting) == ""


async def asking_both(ctx: Any, _: Any) -> list[Any]:
    return await asyncio.gather(ctx.receive_signal("first"), ctx.receive_signal("second"))


def test_the_form_and_the_picture_say_alike_what_a_run_waits_for(store: MemoryStore) -> None:
    live = inb.start(asking_both, 1, store=store, id="order-7")
    form = inb.signal_form(live)
    until(form.waiting, 'Waiting for the signals "first" and "second".')
    assert words(form.waiting) in words(live._repr_mimebundle_()["text/html"])
    live.cancel()


def test_a_name_that_somebody_typed_stays(store: MemoryStore) -> None:
    live = inb.start(asking_twice, 1, store=store, id="order-7")
    form = inb.signal_form(live)
    until(form.waiting, 'Waiting for the signal "first".')
    name(form, "second")
    live.signal("first")
    until(form.waiting, 'Waiting for the signal "second".')
    name(form, "mine")
    live.signal("second")
    until(form.ended, "has completed")
    assert form.name.value == "mine"


def test_the_form_hears_of_the_end_of_the_run(run: LiveRun) -> None:
    form = inb.signal_form(run)
    run.signal("approve", "elsewhere")
    until(form.ended, "This run has completed and takes no more signals")
    assert all(each.disabled for each in (form.name, form.payload.text, form.approve, form.send))


def test_a_run_that_has_ended_takes_nothing(run: LiveRun, store: MemoryStore) -> None:
    run.cancel()
    form = inb.signal_form(store, "order-7")
    form.wait()
    assert "This run was canceled" in words(form.ended)
    assert form.approve.disabled
    click(form.approve)
    form.wait()
    assert payloads(store) == []


def test_a_run_that_ended_unseen_refuses_in_place(store: MemoryStore) -> None:
    with another_executor(store) as executor:
        form = inb.signal_form(executor, "order-7")
        form._call_off()  # nobody follows it
        executor.cancel("order-7")
        name(form)
        press(form, form.approve)
        assert "Could not send the signal" in words(form.trouble)
        assert "it is canceled" in words(form.trouble)
        assert "This run was canceled" in words(form.ended)
        assert form.approve.disabled


def test_a_run_whose_process_died_finds_the_signal_when_it_is_resumed(store: MemoryStore) -> None:
    begun = inb.HistoryEvent(id=1, type="workflow_started", timestamp=NOON, input=1)
    store.save(inb.WorkflowState(workflow_id="order-7", status="running", history=[begun]))
    form = inb.signal_form(store, "order-7")
    name(form)
    press(form, form.approve)
    assert '✓ Signal "approve" sent Saved in the store for the process that runs' in words(
        form.outcome
    )
    with Executor(store) as executor:
        assert executor.resume(asking, "order-7").result(PATIENCE) == [{"approved": True}]
    until(form.ended, "This run has completed")


def test_a_form_that_is_there_before_the_run_shows_it_once_it_is(store: MemoryStore) -> None:
    form = inb.signal_form(store, "order-7")
    form.wait()
    assert "The store has no workflow order-7" in words(form.summary)
    live = inb.start(asking, 1, store=store, id="order-7")
    until(form.waiting, 'Waiting for the signal "approve".')
    press(form, form.approve)
    assert live.result(PATIENCE) == [{"approved": True}]
    until(form.ended, "This run has completed")


def test_a_run_that_was_stopped_is_running_and_followed_to_where_it_is_resumed() -> None:
    with CheckedStore() as store:
        live = inb.start(asking, 1, store=store, id="order-7")
        form = inb.signal_form(live)
        until(form.waiting, 'Waiting for the signal "approve".')
        store.fail_from = store.saves + 1
        with pytest.raises(WorkflowNotSavedError):
            live.signal("other")
        store.fail_from = 0
        stored = store.load("order-7")
        assert stored is not None
        assert live.status == live.handle.status == live.state.status == stored.status == "running"
        again = inb.resume(asking, "order-7", store=store)
        name(form)
        press(form, form.approve)
        assert again.result(PATIENCE) == [{"approved": True}]
        until(form.ended, "This run has completed")


def test_a_run_of_another_executor_is_sent_the_signal_too(store: MemoryStore) -> None:
    with another_executor(store):
        form = inb.signal_form(store, "order-7")
        name(form)
        press(form, form.approve)
        assert '✓ Signal "approve" sent' in words(form.outcome)
        until(form.ended, "This run has completed")
        assert payloads(store) == [{"approved": True}]
        form.close()


def test_the_workflow_is_chosen_among_those_that_run(store: MemoryStore) -> None:
    live = inb.start(asking, 1, store=store, id="order-7")
    store.save(inb.WorkflowState(workflow_id="order-1", status="completed"))
    form = inb.signal_form(store)
    form.wait()
    assert list(form.workflow_id.options) == ["order-7"]
    assert form.fields.layout.display == "none"
    type_into(form, form.workflow_id, "order-2")
    assert "The store has no workflow order-2" in words(form.summary)
    type_into(form, form.workflow_id, "order-1")
    assert "This run has completed" in words(form.ended)
    type_into(form, form.workflow_id, "order-7")
    assert words(form.ended) == ""
    name(form)
    press(form, form.approve)
    assert live.result(PATIENCE) == [{"approved": True}]
    type_into(form, form.workflow_id, "")
    assert "choose or type a workflow id first" in words(form.trouble)


def test_what_the_run_made_of_it_is_told_to_who_listens(run: LiveRun) -> None:
    form = inb.signal_form(run)
    told: list[Any] = []
    form.on_write(lambda workflow_id, state: told.append((workflow_id, state.history[1].type)))
    name(form)
    press(form, form.approve)
    assert told == [("order-7", "signal_received")]


def test_a_store_that_fails_is_said_to(tmp_path: Path) -> None:
    reached = threading.Event()

    async def asking_once_it_is_saved(ctx: Any) -> Any:
        reached.set()
        return await ctx.receive_signal("approve")

    with plain_server() as server, InngestStore(base_url=server.url) as store:
        executor = Executor(store, store_patience=0.5)
        executor.execute(asking_once_it_is_saved, id="order-7")
        assert reached.wait(PATIENCE)
        form = inb.signal_form(executor, "order-7")
        name(form)
    press(form, form.approve)
    assert "Could not send the signal" in words(form.trouble)
    assert form.last_error is not None
    form.close()


def test_a_form_that_is_closed_follows_nobody(run: LiveRun) -> None:
    form = inb.signal_form(run)
    assert threads_of_forms()
    form.close()
    for each in threads_of_forms():
        each.join(PATIENCE)
        assert not each.is_alive()


def threads_of_forms() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "inngest-nb-form"]


def test_a_store_that_is_awaited_is_refused() -> None:
    store: Any = AsyncInngestStore(base_url="http://127.0.0.1:9")
    with pytest.raises(
        TypeError, match="a blocking store, such as InngestStore .*got AsyncInngestStore"
    ):
        inb.signal_form(store, "order-7")


def test_a_run_that_waits_is_offered_behind_any_number_of_finished_ones(
    store: MemoryStore, run: LiveRun
) -> None:
    for n in range(400):
        store.save(inb.WorkflowState(workflow_id=f"done-{n}", status="completed", updated_at=LATER))
    store.save(inb.WorkflowState(workflow_id="order-8", status="queued"))
    form = inb.signal_form(store)
    form.wait()
    assert form.workflow_id.options == ("order-7",)
    assert words(form.remark) == ""


def test_runs_that_are_not_offered_are_said_to_be_missing(store: MemoryStore) -> None:
    for n in range(301):
        store.save(inb.WorkflowState(workflow_id=f"order-{n}", status="running"))
    form = inb.signal_form(store)
    form.wait()
    assert len(form.workflow_id.options) == 300
    assert "Only the newest 300 running workflows are offered" in words(form.remark)


def test_a_signal_that_the_run_does_not_wait_for_is_remarked_upon(run: LiveRun) -> None:
    form = inb.signal_form(run)
    until(form.waiting, 'Waiting for the signal "approve".')
    name(form, "other")
    assert 'The run is not waiting for "other". If you send it, it is queued.' in words(
        form.waiting
    )
    press(form, form.send)
    said = words(form.outcome)
    assert said.startswith('✓ Signal "other" sent')
    assert 'The run is not waiting for "other". The signal is queued until the run asks' in said
    press(form, form.another)
    name(form, "approve")
    assert words(form.waiting) == 'Waiting for the signal "approve".'
    press(form, form.approve)
    assert "not waiting" not in words(form.outcome)


def test_blanks_around_a_pasted_id_and_name_are_left_out(run: LiveRun, store: MemoryStore) -> None:
    form = inb.signal_form(store)
    type_into(form, form.workflow_id, " order-7 ")
    assert form.workflow_id.value == "order-7"
    name(form, " approve ")
    press(form, form.approve)
    assert run.result(PATIENCE) == [{"approved": True}]
