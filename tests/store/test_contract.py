"""One list of promises that every store keeps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from awkward_ids import AWKWARD_IDS

from inngest_nb import WorkflowState, WorkflowStore, wire
from inngest_nb.store.http.calls import operations

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def state(workflow_id: str, minutes: float = 0, status: str = "running") -> WorkflowState:
    return WorkflowState(
        workflow_id=workflow_id,
        status=status,  # type: ignore[arg-type]
        updated_at=NOON + timedelta(minutes=minutes),
    )


def ids(states: list[WorkflowState]) -> list[str]:
    return [one.workflow_id for one in states]


def test_a_saved_state_is_loaded_as_it_was(store: WorkflowStore, go_documents: list[bytes]) -> None:
    for document in go_documents:
        saved = wire.decode(document)
        store.save(saved)
        loaded = store.load(saved.workflow_id)
        assert loaded == saved
        assert wire.encode(loaded) == document


def test_an_unknown_id_is_none(store: WorkflowStore) -> None:
    assert store.load("nobody") is None


def test_saving_again_replaces(store: WorkflowStore) -> None:
    store.save(state("x"))
    store.save(state("x", 1, "completed"))

    loaded = store.load("x")
    assert loaded is not None
    assert loaded.status == "completed"
    assert ids(store.list()) == ["x"]


def test_a_deleted_state_is_gone_and_deleting_again_is_no_error(store: WorkflowStore) -> None:
    store.save(state("x"))
    store.delete("x")
    store.delete("x")

    assert store.load("x") is None
    assert store.list() == []


def test_the_list_is_newest_first_then_by_id(store: WorkflowStore) -> None:
    for one in (state("b", 1), state("c", 2), state("a", 1), WorkflowState(workflow_id="never")):
        store.save(one)

    assert ids(store.list()) == ["c", "a", "b", "never"]


def test_the_list_is_narrowed_by_status_and_limit(store: WorkflowStore) -> None:
    for minutes in range(6):
        store.save(state(str(minutes), minutes, "failed" if minutes % 2 else "paused"))

    assert ids(store.list(status="failed")) == ["5", "3", "1"]
    assert ids(store.list("paused", limit=2)) == ["4", "2"]
    assert ids(store.list(limit=1)) == ["5"]
    assert store.list(status="completed") == []


def test_a_listed_state_does_not_change_with_what_the_caller_holds(store: WorkflowStore) -> None:
    mine = WorkflowState(workflow_id="x", input={"tags": []})
    store.save(mine)
    mine.input["tags"].append("later")
    store.list()[0].input["tags"].append("later")

    assert store.list()[0].input == {"tags": []}


def test_every_id_is_a_key_of_its_own(store: WorkflowStore) -> None:
    for number, workflow_id in enumerate(AWKWARD_IDS):
        assert store.load(workflow_id) is None
        store.save(state(workflow_id, number))

    assert ids(store.list()) == AWKWARD_IDS[::-1]
    for workflow_id in AWKWARD_IDS:
        loaded = store.load(workflow_id)
        assert loaded is not None
        assert loaded.workflow_id == workflow_id
        store.delete(workflow_id)
        assert store.load(workflow_id) is None


def test_an_id_that_cannot_travel_is_refused(store: WorkflowStore) -> None:
    for workflow_id in ("", ".", "..", "x" * 4097, "é" * 2049, "\ud800"):
        with pytest.raises(ValueError, match="workflow id|surrogate"):
            store.save(WorkflowState(workflow_id=workflow_id))
        with pytest.raises(ValueError, match="workflow id"):
            store.load(workflow_id)
        with pytest.raises(ValueError, match="workflow id"):
            store.delete(workflow_id)
    assert store.list() == []


def test_a_negative_limit_is_refused(store: WorkflowStore) -> None:
    with pytest.raises(ValueError, match="limit"):
        store.list(limit=-1)


def test_what_cannot_be_written_is_not_kept(store: WorkflowStore) -> None:
    with pytest.raises(ValueError, match="NaN"):
        store.save(WorkflowState(workflow_id="x", input=float("nan")))
    with pytest.raises(TypeError, match="result"):
        store.save(WorkflowState(workflow_id="x", result=object()))

    assert store.list() == []
    assert store.load("x") is None


def test_eight_threads_save_without_losing_one(store: WorkflowStore) -> None:
    def work(worker: int) -> None:
        for number in range(20):
            store.save(state(f"{worker}-{number}", number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert len(store.list()) == 160


def test_a_listing_store_fetches_what_it_holds(listing_store: WorkflowStore) -> None:
    for minutes in range(7):
        listing_store.save(state(str(minutes), minutes, "failed" if minutes % 2 else "running"))

    assert ids(listing_store.fetch()) == list("6543210")
    assert ids(listing_store.fetch("failed", 2)) == ["5", "3"]
    assert listing_store.refresh("failed") == 3
    assert listing_store.refresh() == 7


def test_a_listing_store_knows_when_it_first_got_a_workflow(listing_store: WorkflowStore) -> None:
    before = datetime.now(UTC)
    listing_store.save(state("x"))
    after = datetime.now(UTC)
    listing_store.save(state("x", 5))

    loaded, (fetched,) = listing_store.load("x"), listing_store.fetch()
    assert loaded is not None
    assert loaded.first_saved_at is not None
    assert before <= loaded.first_saved_at <= after
    assert fetched.first_saved_at == loaded.first_saved_at


def test_more_than_a_page_is_fetched_whole_and_in_order(
    listing_store: WorkflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_PAGE", 10)
    for number in range(25):
        listing_store.save(state(f"{number:02}", number // 3))

    fetched = listing_store.fetch()

    assert ids(fetched) == ids(listing_store.list())
    assert len(set(ids(fetched))) == 25
