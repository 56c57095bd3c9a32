"""Stores on this machine save many states in one go, each with its own outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from inngest_nb import MemoryStore, SqliteStore, WorkflowState
from inngest_nb.errors import StoreFileError


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_states_are_saved_together_and_one_that_cannot_be_takes_no_other_along(
    tmp_path: Path, kind: str
) -> None:
    with MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "states.db") as store:
        states = [WorkflowState(workflow_id=f"w{n}", input=n) for n in range(100)]
        states[50] = WorkflowState(workflow_id="w50", input=object())
        states[60] = WorkflowState(workflow_id="..")
        outcomes = store.save_all(states)
        assert [n for n, outcome in enumerate(outcomes) if outcome is not None] == [50, 60]
        assert isinstance(outcomes[50], TypeError)
        assert isinstance(outcomes[60], ValueError)
        assert len(store.list()) == 98
        assert store.load("w99") == states[99]


def test_a_closed_store_says_so_for_each_state(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "states.db")
    store.close()
    (outcome,) = store.save_all([WorkflowState(workflow_id="w")])
    assert isinstance(outcome, StoreFileError)
