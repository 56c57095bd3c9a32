"""Tests of a real Inngest server: the one that `INNGEST_NB_LIVE_URL` names.

    npx inngest-cli dev &
    INNGEST_NB_LIVE_URL=http://localhost:8288 pytest tests/live

They only read, and pass on any dev server, also on one in use; one with keys gets its signing key
from `INNGEST_NB_LIVE_KEY`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inngest_nb import InngestAPI

URL = os.environ.get("INNGEST_NB_LIVE_URL")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder, and skip it where no server is named."""
    nobody = pytest.mark.skip(reason="INNGEST_NB_LIVE_URL names no Inngest server")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.live)
            if not URL:
                item.add_marker(nobody)


@pytest.fixture
def api() -> Iterator[InngestAPI]:
    """A client of the server."""
    with InngestAPI(URL, os.environ.get("INNGEST_NB_LIVE_KEY")) as api:
        yield api
