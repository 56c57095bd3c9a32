"""A server, and workers on it that are closed at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from connected_worker import hurry
from inngest_site import InngestSite, Serve
from served_workflows import go_on

from inngest_nb import serve_on_inngest
from inngest_nb.worker import _serve


@pytest.fixture(params=["connect", "http"])
def via(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site() -> Iterator[InngestSite]:
    with InngestSite() as site:
        yield site


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """`serve_on_inngest`, whose workers end with the test, and whose SDK pauses shortly only."""
    hurry(monkeypatch)
    go_on.clear()
    yield serve_on_inngest
    go_on.set()
    for worker in [*_serve._serving.values()]:
        worker.close()
        assert worker.wait(30), "something of the worker still runs"
    _serve._serving.clear()
