"""The samples, on every store: how they end, and what there is to see on the way."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import pytest
from strict_documents import check_document

from inngest_nb import Executor, Signal, WorkflowState, WorkflowStore, samples, wire
from inngest_nb.errors import WorkflowFailedError

FAST: dict[str, Any] = {"speed": 1000}


def attempts(state: WorkflowState, activity: str) -> int:
    names = [event.activity_name for event in state.history if event.type == "activity_started"]
    return names.count(activity)


def test_an_order_is_retried_until_the_bank_answers(any_store: WorkflowStore) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(samples.order, input=FAST | {"order": 7})
        assert handle.result(60) == {
            "order": 7,
            "charged": 99.5,
            "shelf": "B-12",
            "tracking": "PX00000007",
        }
        stored = any_store.load(handle.id)
        assert stored is not None
        assert attempts(stored, "charge_card") == 3
        again = executor.execute(samples.order, input=FAST | {"bank_failures": 9})
        with pytest.raises(WorkflowFailedError, match="'charge_card' failed after 5 attempts"):
            again.result(60)


@pytest.mark.parametrize(
    ("payload", "outcome", "by"),
    [
        ({"approved": True, "by": "Ada"}, "published: Four-day week", "Ada"),
        ({"approved": False, "by": "Bob"}, "rejected", "Bob"),
        (True, "published: Four-day week", None),
        (None, "rejected", None),
    ],
)
def test_an_approval_waits_for_its_signal(
    any_store: WorkflowStore, payload: Any, outcome: str, by: str | None
) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(samples.approval, input=FAST)
        executor.signal(handle.id, Signal("approve", payload))
        result = handle.result(60)
    assert (result["outcome"], result["by"], result["pages"]) == (outcome, by, 3)


def test_an_approval_that_nobody_gives_ends_too(executor: Executor) -> None:
    handle = executor.execute(samples.approval, input=FAST | {"patience": 0.01})
    assert handle.result(60)["outcome"] == "nobody answered"


def test_a_fan_out_measures_all_at_once(any_store: WorkflowStore) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(samples.fan_out, input=FAST)
        result = handle.result(60)
        kinds = [event.type for event in handle.state.history]
    assert kinds[1:7] == ["activity_started"] * 6
    assert set(result) == {"average", "warmest"}


def test_an_import_tells_its_progress(any_store: WorkflowStore) -> None:
    with Executor(any_store) as executor:
        given = FAST | {"rows": 25, "chunk": 10}
        handle = executor.execute(samples.import_rows, input=given)
        assert handle.result(60) == {"imported": 25}
        results = [e.result for e in handle.state.history if e.type == "activity_completed"]
    assert [result["progress"] for result in results[1:]] == [0.4, 0.8, 1.0]


def test_the_broken_one_fails_and_says_why(any_store: WorkflowStore) -> None:
    with Executor(any_store) as executor:
        handle = executor.execute(samples.broken, input=FAST)
        with pytest.raises(WorkflowFailedError, match="five digits cannot show 1000000") as caught:
            handle.result(60)
        assert caught.value.activity == "check_reading"
        stored = any_store.load(handle.id)
        assert stored is not None
        assert attempts(stored, "check_reading") == 2
        assert check_document(wire.encode(stored))["Status"] == "failed"


@pytest.mark.parametrize("name", ["approval", "broken", "fan_out", "import_rows", "order"])
def test_a_sample_needs_no_input_and_ends_with_a_fine_document(
    executor: Executor, name: str
) -> None:
    workflow = getattr(samples, name)
    assert inspect.getdoc(workflow)
    handle = executor.execute(workflow, input=FAST)
    if name == "approval":
        executor.signal(handle.id, Signal("approve", True))
    with pytest.raises(WorkflowFailedError) if name == "broken" else contextlib.nullcontext():
        handle.result(60)
