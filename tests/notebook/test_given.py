"""A workflow as one may give it to any view: a state, a run's handle, or an id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

import inngest_nb as inb

FAST = {"speed": 1_000}
TIMELINE: Callable[..., Any] = inb.timeline
VIEWS: dict[str, Callable[..., Any]] = {
    "timeline": TIMELINE,
    "compare": lambda given, **more: inb.compare(given, given, **more),
    "replay": lambda given, **more: inb.replay(given, inb.samples.order, **more),
}


@pytest.fixture(scope="module")
def live() -> Any:
    return inb.run(inb.samples.order, FAST, id="order-1", store=inb.MemoryStore())


@pytest.fixture
def in_use(live: Any) -> Iterator[Any]:
    assert inb.use(live.store) is live.store
    yield live.store
    inb.use(None)


def shown(view: Any) -> str:
    return str(view._repr_mimebundle_()["text/plain"])


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_view_takes_a_state_a_live_run_a_handle_and_an_id(view: Any, live: Any) -> None:
    expected = shown(view(live.state))
    assert shown(view(live)) == shown(view(live.handle)) == expected
    assert shown(view("order-1", store=live.store)) == expected
    stored = inb.Executor(live.store).handle("order-1")
    assert shown(view(stored)) == expected


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_an_id_is_looked_up_in_the_store_of_use(view: Any, live: Any, in_use: Any) -> None:
    assert shown(view("order-1")) == shown(view(live.state))


@pytest.mark.parametrize("name", VIEWS)
def test_what_is_no_workflow_is_refused_at_once_with_what_to_give(name: str, live: Any) -> None:
    view = VIEWS[name]
    with pytest.raises(TypeError, match=f"{name} needs store= .*'order-1'.*inb.use"):
        view("order-1")
    with pytest.raises(ValueError, match="the store has no workflow ' order-1'; .*blanks around"):
        view(" order-1", store=live.store)
    for wrong, words in (
        (None, "got None, which load"),
        (live.store, "got a store, so give an id"),
        (pd.DataFrame({"state": [1], "run_id": [2]}), "got DataFrame"),
        ([live.state], "got list"),
        (inb.WorkflowState, "got the class WorkflowState"),
    ):
        with pytest.raises(TypeError, match=f"{name} takes a workflow: a state.*{words}"):
            view(wrong)


@pytest.mark.filterwarnings("error")
def test_an_async_store_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match="timeline cannot await: load the state first"):
        inb.timeline("order-1", store=inb.AsyncInngestStore(base_url="http://127.0.0.1:1"))  # type: ignore[arg-type]


def test_a_frame_is_made_of_live_runs_and_handles(live: Any) -> None:
    for given in (live, live.handle, [live, live.handle]):
        rows = inb.frame(given)
        assert set(rows["workflow_id"]) == {"order-1"}
        assert set(inb.activity_frame(given)["workflow_id"]) == {"order-1"}


def test_only_a_store_can_be_put_in_use() -> None:
    with pytest.raises(TypeError, match="use.. takes a store, .*got str"):
        inb.use("states.db")  # type: ignore[type-var]
