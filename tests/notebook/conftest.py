"""Every kind of store that a form can stand on; and no widget outlives its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from open_widgets import close_widgets
from small_servers import plain_server

from inngest_nb import InngestStore, MemoryStore, SqliteStore, StateServer, WorkflowStore


@pytest.fixture(autouse=True)
def _no_widget_outlives_its_test() -> Iterator[None]:
    """A form that stays open follows its run: it takes time from the tests that come after."""
    yield
    close_widgets()


@pytest.fixture(params=["memory", "sqlite", "state server", "plain server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkflowStore]:
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "sqlite":
        with SqliteStore(tmp_path / "states.db") as store:
            yield store
    elif request.param == "state server":
        with (
            StateServer(tmp_path / "state.db", port=0) as server,
            InngestStore(base_url=server.url) as client,
        ):
            yield client
    else:
        with plain_server() as plain, InngestStore(base_url=plain.url) as client:
            yield client
