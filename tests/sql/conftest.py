"""What tests of SQL and archives need: the story, a client of it, and an archive of all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI


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
