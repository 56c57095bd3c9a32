"""Every store there is, each behind the same blocking verbs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from blocking_store import Blocking
from small_servers import plain_server
from story_server import StoryServer

from inngest_nb import (
    AppendingStore,
    AsyncInngestStore,
    InngestAPI,
    InngestStore,
    MemoryStore,
    RunStore,
    SqliteStore,
    StateServer,
    WorkflowState,
    WorkflowStore,
    local,
)
from inngest_nb.store import HeadStore


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[WorkflowStore]:
    with MemoryStore() as store:
        yield store


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[WorkflowStore]:
    with SqliteStore(folder / "states.db") as store:
        yield store


@contextlib.contextmanager
def http(folder: Path) -> Iterator[WorkflowStore]:
    server = StateServer(folder / "states.db", port=0, event_key="key")
    with server, InngestStore(server.url, "key") as store:
        yield store


@contextlib.contextmanager
def embedded(folder: Path) -> Iterator[WorkflowStore]:
    with local(folder / "states.db") as store:
        yield store


@contextlib.contextmanager
def http_with_a_client_of_the_user(folder: Path) -> Iterator[WorkflowStore]:
    server = StateServer(folder / "states.db", port=0)
    with server, httpx.Client() as client, InngestStore(server.url, client=client) as store:
        yield store


@contextlib.contextmanager
def http_async(folder: Path) -> Iterator[WorkflowStore]:
    with StateServer(folder / "states.db", port=0) as server:
        store: Any = Blocking(AsyncInngestStore(server.url))
        with contextlib.closing(store):
            yield store


@contextlib.contextmanager
def plain_contract(folder: Path) -> Iterator[WorkflowStore]:
    with plain_server() as server, InngestStore(server.url) as store:
        yield store


@contextlib.contextmanager
def runs_of_a_real_inngest(folder: Path) -> Iterator[WorkflowStore]:
    with StoryServer() as server, InngestAPI(server.url) as api, RunStore(api) as store:
        yield store


LISTING = [memory, sqlite, http, embedded, http_with_a_client_of_the_user, http_async]


@pytest.fixture(params=[*LISTING, plain_contract], ids=lambda make: make.__name__)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkflowStore]:
    """Any store."""
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture(params=LISTING, ids=lambda make: make.__name__)
def listing_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkflowStore]:
    """Any store that can list what others saved."""
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture(params=LISTING, ids=lambda make: make.__name__)
def appending_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AppendingStore]:
    """Any store to which history can be appended."""
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture(params=[*LISTING, runs_of_a_real_inngest], ids=lambda make: make.__name__)
def filled_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HeadStore]:
    """Any store that can list, with workflows in it, also one that can only be read."""
    with request.param(tmp_path) as made:
        if request.param is not runs_of_a_real_inngest:
            for number in range(40):
                made.save(_one_of_many(number))
        yield made


def _one_of_many(number: int) -> WorkflowState:
    status = ("running", "completed", "failed", "completed")[number % 4]
    at = datetime(2026, 3, 1, 12, number // 2, tzinfo=UTC)  # always two at a time
    return WorkflowState(
        workflow_id=f"w{number}",
        status=status,  # type: ignore[arg-type]
        input={"n": [number]},
        created_at=at,
        updated_at=at,
    )
