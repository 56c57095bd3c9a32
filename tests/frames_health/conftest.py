"""What tests of a server's health need: a server of their own, a client, the story's names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from story_records import story
from story_troubles import TroubledServer

from inngest_nb import InngestAPI


@pytest.fixture
def names() -> dict[str, str]:
    """The ids of the story's runs, by their names."""
    return dict(story().names)


@pytest.fixture
def server() -> Iterator[TroubledServer]:
    """A dev server with the story, to which something may happen."""
    with TroubledServer() as server:
        yield server


@pytest.fixture
def api(server: TroubledServer) -> Iterator[InngestAPI]:
    """A client of it."""
    with InngestAPI(server.url) as api:
        yield api
