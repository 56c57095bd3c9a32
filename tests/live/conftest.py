"""Tests of a real Inngest server: the one that `INNGEST_NB_LIVE_URL` names.

    npx inngest-cli dev &
    INNGEST_NB_LIVE_URL=http://localhost:8288 pytest tests/live

They pass on any dev server, also on one in use: they read what is there, and run workflows of
their own, in apps of their own. One with keys gets its signing key from `INNGEST_NB_LIVE_KEY` and
its event key from `INNGEST_NB_LIVE_EVENT_KEY`. Workers are on this machine, so the server has to
be, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from live_workflows import WORKFLOWS

from inngest_nb import InngestAPI, InngestWorker, serve_on_inngest

URL = os.environ.get("INNGEST_NB_LIVE_URL")
KEY = os.environ.get("INNGEST_NB_LIVE_KEY")
EVENT_KEY = os.environ.get("INNGEST_NB_LIVE_EVENT_KEY")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder, and skip it where no server is named."""
    nobody = pytest.mark.skip(reason="INNGEST_NB_LIVE_URL names no Inngest server")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.live)
            if not URL:
                item.add_marker(nobody)


@pytest.fixture
def url() -> str:
    """The server's address."""
    assert URL is not None
    return URL


@pytest.fixture
def api() -> Iterator[InngestAPI]:
    """A client of the server."""
    with InngestAPI(URL, KEY) as api:
        yield api


@pytest.fixture(scope="module", params=["connect", "http"])
def worker(request: pytest.FixtureRequest) -> Iterator[InngestWorker]:
    """A worker in this process, connected or called by the server, whose app is new there."""
    via = request.param
    with pytest.MonkeyPatch.context() as patch:
        for name in ("INNGEST_SIGNING_KEY", "INNGEST_SIGNING_KEY_FALLBACK", "INNGEST_EVENT_KEY"):
            patch.delenv(name, raising=False)
        app = f"nb-live-{via}-{uuid4().hex[:8]}"
        keys = {"signing_key": KEY, "event_key": EVENT_KEY}
        with serve_on_inngest(WORKFLOWS, app_id=app, url=URL, via=via, **keys) as worker:
            assert worker.state == "active", worker.error
            yield worker
