"""What tests of plans need: a server of their own, which they change, and a client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from story_records import story
from story_server import StoryServer

from inngest_nb import InngestAPI


@pytest.fixture
def inngest() -> Iterator[StoryServer]:
    """A dev server with the story, which the test may change."""
    with StoryServer() as server:
        yield server


@pytest.fixture
def api(inngest: StoryServer) -> Iterator[InngestAPI]:
    """A client of it."""
    with InngestAPI(inngest.url) as api:
        yield api


@pytest.fixture
def names() -> dict[str, str]:
    """The ids of the story's runs, by their names."""
    return dict(story().names)
