"""A store that dies at any write, then a resume: what is recorded is not done again."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from executor_stores import CheckedStore
from replayed_workflows import WORKFLOWS, alike, ended, outcome

from inngest_nb import Executor, HistoryEvent, Hooks
from inngest_nb.errors import EngineError, WorkflowNotSavedError


class Witness:
    """Hooks that count how often each attempt began."""

    def __init__(self) -> None:
        self.begun: Counter[tuple[int, int]] = Counter()
        self.hooks = Hooks(on_activity_start=self.see)

    def see(self, workflow_id: str, event: HistoryEvent) -> None:
        self.begun[int(event.seq or 0), int(event.attempt or 0)] += 1


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_run_whose_store_died_at_any_write_goes_on_where_it_was(name: str) -> None:
    fn, given, signals = WORKFLOWS[name]
    with CheckedStore() as store, Executor(store) as executor:
        handle = executor.execute(fn, id="w", input=given)
        for signal in signals:
            executor.signal("w", signal)
        undisturbed = outcome(handle)
    deaths = 0
    for n in itertools.count(1):
        store, witness = CheckedStore(), Witness()
        store.fail_from = n
        sent = 0
        with store, Executor(store, witness.hooks) as executor:
            handle = executor.execute(fn, id="w", input=given)
            try:
                for signal in signals:
                    executor.signal("w", signal)
                    sent += 1
            except EngineError:
                pass
            try:
                result = outcome(handle)
            except WorkflowNotSavedError:
                deaths += 1
            else:
                assert alike(result, undisturbed)
                break
            store.fail_from = 0
            stored = store.load("w")
            if stored is None:
                continue  # it never began
            recorded = ended(stored)
            resumed = executor.resume(fn, "w")
            assert resumed.run_id == handle.run_id
            for signal in signals[sent:]:
                executor.signal("w", signal)
            assert alike(outcome(resumed), undisturbed), n
        for attempt in recorded:
            assert witness.begun[attempt] == 1, (n, attempt)
        assert all(count <= 2 for count in witness.begun.values())
        final = store.load("w")
        assert final is not None
        assert final.history[: len(stored.history)] == stored.history
        once = Counter(
            (event.seq, event.attempt, event.type)
            for event in final.history
            if event.type == "activity_completed"
        )
        assert set(once.values()) == {1}
    assert deaths >= 4
