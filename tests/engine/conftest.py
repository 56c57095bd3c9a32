"""Executors over every store; whatever they save is checked against the contract's shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crashes import Lives
from crashes import lives as new_lives
from executor_stores import STORES, CheckedStore
from manual_clock import ManualClock
from started_threads import threads

from inngest_nb import Executor, WorkflowStore

# What they assert is to be shown in full, as in the tests themselves.
pytest.register_assert_rewrite("program_checks", "program_parts", "program_model")


@pytest.fixture(params=STORES, ids=lambda make: make.__name__)
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkflowStore]:
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture
def store() -> Iterator[CheckedStore]:
    with CheckedStore() as made:
        yield made


@pytest.fixture
def executor(store: CheckedStore) -> Iterator[Executor]:
    with Executor(store) as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def timed(store: CheckedStore, clock: ManualClock) -> Iterator[Executor]:
    """An executor whose time is the manual clock's."""
    with Executor(store, clock=clock) as made:
        yield made


@pytest.fixture
def lives() -> Iterator[Lives]:
    with new_lives() as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = threads()
    yield
    for thread in threads() - before:
        if thread.name != "inngest-nb-writer":  # which goes when its store is collected
            thread.join(20)  # a test's own small server lets go of its connections when it can
            assert not thread.is_alive(), f"{thread.name} was left behind"
