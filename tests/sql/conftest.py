"""What tests of SQL and archives need: the story, a client of it, and an archive of all of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from small_servers import plain_server
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI

SAMPLES = [*inb.samples.states(80, seed=3, now=datetime(2026, 3, 10, 12, tzinfo=UTC))]


@pytest.fixture(scope="package")
def inngest() -> Iterator[StoryServer]:
    """A dev server with the story, for tests that only read."""
    with StoryServer() as server:
        yield server


@pytest.fixture
def api(inngest: StoryServer) -> Iterator[InngestAPI]:
    """A client of it."""
    with InngestAPI(inngest.url) as api:
        yield api


@pytest.fixture(scope="package")
def kept(inngest: StoryServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An archive of all of it, for tests that only read."""
    path: Path = tmp_path_factory.mktemp("kept") / "runs.parquet"
    with InngestAPI(inngest.url) as api:
        return inb.archive(api, path, older_than=None)


@pytest.fixture(params=["server", "archive"])
def source(request: pytest.FixtureRequest, api: InngestAPI, kept: Any) -> Any:
    """A server and an archive of it, which answer alike."""
    return api if request.param == "server" else kept


@pytest.fixture
def names() -> dict[str, str]:
    """The ids of the story's runs, by their names."""
    return dict(story().names)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an archive is to be, in a folder of its own."""
    return tmp_path / "runs.parquet"


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Any]:
    yield inb.MemoryStore()


@contextlib.contextmanager
def file(folder: Path) -> Iterator[Any]:
    with inb.SqliteStore(folder / "states.db") as store:
        yield store


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Any]:
    with (
        inb.StateServer(folder / "served.db", port=0) as server,
        inb.InngestStore(server.url) as store,
    ):
        yield store


@contextlib.contextmanager
def plain(folder: Path) -> Iterator[Any]:
    """A server that cannot list: frames have what this client saved."""
    with plain_server() as server, inb.InngestStore(server.url) as store:
        yield store


STORES = [memory, file, server, plain]


@pytest.fixture(params=STORES, ids=lambda make: make.__name__)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """An empty store of each kind."""
    with request.param(tmp_path) as made:
        yield made


@pytest.fixture(scope="package", params=STORES, ids=lambda make: make.__name__)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store of each kind with the states of `SAMPLES`, for tests that only read."""
    with request.param(tmp_path_factory.mktemp("filled")) as made:
        for state in SAMPLES:
            made.save(state)
        yield made
