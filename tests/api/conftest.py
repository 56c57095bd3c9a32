"""What tests of the API need: the story, and both clients of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from blocking_store import Blocking
from story_records import story
from story_server import StoryServer

from inngest_nb import AsyncInngestAPI, InngestAPI

Connect = Callable[..., Any]


@pytest.fixture(scope="package")
def inngest() -> Iterator[StoryServer]:
    """A dev server for tests that only read."""
    with StoryServer() as server:
        yield server


@pytest.fixture
def names() -> dict[str, str]:
    """The ids of the story's runs, by their names."""
    return dict(story().names)


@pytest.fixture(params=["waits", "awaits"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Make a client of either kind, behind the same blocking verbs."""
    opened: list[Any] = []

    def open_one(url: str | None = None, **settings: Any) -> Any:
        if request.param == "waits":
            opened.append(InngestAPI(url, **settings))
        else:
            opened.append(Blocking(AsyncInngestAPI(url, **settings)))
        return opened[-1]

    yield open_one
    for api in opened:
        api.close()


@pytest.fixture
def api(inngest: StoryServer, connect: Connect) -> Any:
    """A client of the server that tests only read from."""
    return connect(inngest.url)
