"""What comes from outside is checked before it is recorded: no run is lost to it."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_workflows import waits_and_returns

import inngest_nb as inb
from inngest_nb import AsyncWorkflowContext, Executor, Signal, WorkflowContext, WorkflowStore
from inngest_nb.errors import NonRetryableError, RetryAfter, WorkflowFailedError
from inngest_nb.state import force_setattr

HALF = "\ud800"


def unchecked(name: Any, payload: Any = None) -> Signal:
    """A signal whose name was changed behind its back."""
    signal = Signal("fine", payload)
    force_setattr(signal, "name", name)
    return signal


BAD_NAMES: list[tuple[Any, type[Exception], str]] = [
    (42, TypeError, "the name of a signal must be a string, got int"),
    (None, TypeError, "the name of a signal must be a string, got NoneType"),
    (b"go", TypeError, "the name of a signal must be a string, got bytes"),
    ("", ValueError, "the name of a signal must not be empty"),
    (HALF, ValueError, r"the name of a signal contains an unpaired surrogate: '\\ud800'"),
]
BAD_PAYLOADS: list[tuple[Any, type[Exception], str]] = [
    ({"a": math.nan}, ValueError, r"the payload of signal 'go' .* NaN .*at \$\.a"),
    ([object()], TypeError, r"the payload of signal 'go' .* object .*at \$\[0\]"),
    (HALF, ValueError, r"the payload of signal 'go' .* surrogate.*at \$"),
    ({1: 1, "1": 2}, ValueError, r"the payload of signal 'go' .* the same in JSON"),
]


@pytest.mark.parametrize(("name", "kind", "words"), BAD_NAMES)
def test_a_signal_without_a_name_cannot_be_made(
    name: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        Signal(name)


@pytest.mark.parametrize(
    ("signal", "kind", "words"),
    [(partial(unchecked, name), kind, words) for name, kind, words in BAD_NAMES]
    + [(partial(Signal, "go", payload), kind, words) for payload, kind, words in BAD_PAYLOADS]
    + [(lambda: "go", TypeError, r"signal must be a Signal\(name, payload\), got str")],
)
def test_a_bad_signal_is_refused_before_anything_is_recorded(
    any_store: WorkflowStore, signal: Callable[[], Any], kind: type[Exception], words: str
) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(waits_and_returns, id="alive")
        executor.signal("alive", Signal("first"))
        before = len(handle.state.history)
        with pytest.raises(kind, match=words):
            executor.signal("alive", signal())
        assert len(handle.state.history) == before
        assert handle.status == "running"

    with Executor(any_store) as other:  # where it is alive nowhere
        with pytest.raises(kind, match=words):
            other.signal("alive", signal())
        stored = any_store.load("alive")
        assert stored is not None
        assert len(stored.history) == before
        resumed = other.resume(waits_and_returns, "alive")
        other.signal("alive", Signal("go", "well"))
        assert resumed.result(60) == "well"
        assert [state.workflow_id for state in any_store.fetch()] == ["alive"]


class Words(enum.StrEnum):
    GO = "go"


class Text(str):
    """A text that msgspec would not write."""

    __slots__ = ()


@pytest.mark.parametrize("name", [Words.GO, np.str_("go"), Text("go")], ids=repr)
def test_a_name_of_a_kind_of_its_own_is_taken_as_the_text_it_is(executor: Any, name: str) -> None:
    async def wait(ctx: AsyncWorkflowContext) -> Any:
        return await ctx.receive_signal(name), ctx.version(name)

    handle = executor.execute(wait, id=type(name)("id-of-it") if name is not Words.GO else "w")
    executor.signal(handle.id, Signal(name, 1))
    assert handle.result(60) == [1, 1]
    signal = next(event for event in handle.state.history if event.signal_name)
    assert type(signal.signal_name) is str
    assert type(handle.state.workflow_id) is str


@pytest.mark.parametrize(
    ("ask", "kind", "words"),
    [
        (lambda ctx: ctx.version(5), TypeError, "name of a version must be a string"),
        (lambda ctx: ctx.version(HALF), ValueError, "name of a version contains"),
        (lambda ctx: ctx.version(""), ValueError, "name of a version must not be empty"),
        (lambda ctx: ctx.version("a", 1.5), TypeError, "latest must be an integer, got float"),
        (lambda ctx: ctx.version("a", True), TypeError, "latest must be an integer, got bool"),
        (lambda ctx: ctx.version("a", np.int64(2)), TypeError, "latest must be an integer"),
        (lambda ctx: ctx.receive_signal(42), TypeError, "name of a signal must be a string"),
        (lambda ctx: ctx.receive_signal(HALF), ValueError, "name of a signal contains"),
    ],
)
def test_what_the_code_gives_is_checked_before_it_is_recorded(
    executor: Executor, ask: Callable[[Any], Any], kind: type[Exception], words: str
) -> None:
    async def workflow(ctx: AsyncWorkflowContext) -> Any:
        answer = ask(ctx)
        return await answer if hasattr(answer, "__await__") else answer

    def plainly(ctx: WorkflowContext) -> Any:
        return ask(ctx)

    for each in (workflow, plainly):
        handle = executor.execute(each)
        with pytest.raises(WorkflowFailedError, match=words) as failed:
            handle.result(60)
        assert isinstance(failed.value.__cause__, kind)
        assert executor.store.load(handle.id) == handle.state


@pytest.mark.parametrize("name", [5, b"x", HALF, ""])
def test_a_workflow_is_registered_under_a_name_that_can_be_recorded(name: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="the name of a workflow"):
        inb.workflow(name=name)(waits_and_returns)


@pytest.mark.parametrize("version", [1.5, "2", True, None])
def test_a_version_of_a_workflow_is_a_whole_number(version: Any) -> None:
    with pytest.raises(TypeError, match="version must be an integer"):
        inb.workflow(version=version)(waits_and_returns)


@pytest.mark.parametrize("id", [42, b"x", "", HALF, "..", "x" * 5000])
def test_an_id_is_checked_before_anything_begins(executor: Executor, id: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="workflow id"):
        executor.execute(waits_and_returns, id=id)
    assert executor.store.fetch() == []


class NamedOddly:
    """Something to call whose name is none."""

    __name__ = 42

    def __call__(self, given: Any) -> Any:
        return given


class OddError(Exception):
    """One whose text is of a kind of its own."""

    def __str__(self) -> str:
        return Text(f"odd {HALF}")


def test_names_and_texts_of_a_kind_of_their_own_are_recorded_as_text(executor: Executor) -> None:
    def fail(_: Any) -> None:
        raise OddError

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(NamedOddly(), 1)
        await ctx.execute_activity(fail, 2)

    handle = executor.execute(workflow)
    with pytest.raises(WorkflowFailedError, match="odd"):
        handle.result(60)
    assert executor.store.load(handle.id) == handle.state
    assert "NamedOddly" in [event.activity_name for event in handle.state.history]


def test_durations_of_pandas_are_recorded_as_what_they_say(executor: Executor) -> None:
    tries: list[int] = []
    moment = pd.Timedelta(milliseconds=1)

    def often(_: Any) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("again")
        if len(tries) == 2:
            raise RetryAfter(moment)
        return "done"

    async def workflow(ctx: AsyncWorkflowContext) -> str:
        await ctx.sleep(moment)
        policy = inb.RetryPolicy(initial_interval=moment)
        result: str = await ctx.execute_activity(
            often, 1, retry=policy, timeout=pd.Timedelta(minutes=1)
        )
        return result

    handle = executor.execute(workflow, timeout=pd.Timedelta(minutes=2))
    assert handle.result(60) == "done"
    assert executor.store.load(handle.id) == handle.state
    assert handle.state.history[0].timeout == timedelta(minutes=2)


def test_an_error_with_a_text_that_is_not_utf8_is_recorded_readably(executor: Executor) -> None:
    def fail(_: Any) -> None:
        raise NonRetryableError(HALF)

    async def workflow(ctx: AsyncWorkflowContext) -> None:
        await ctx.execute_activity(fail, 2)

    handle = executor.execute(workflow)
    with pytest.raises(WorkflowFailedError, match="ud800"):
        handle.result(60)
    assert executor.store.load(handle.id) == handle.state
