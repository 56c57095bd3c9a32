"""A small server, and workers on it that are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from served_workflows import go_on
from small_inngest import SmallInngest

from inngest_nb import InngestWorker, serve_on_inngest
from inngest_nb.worker import _serve

Serve = Callable[..., InngestWorker]


@pytest.fixture(params=["connect", "http"])
def via(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server() -> Iterator[SmallInngest]:
    with SmallInngest() as server:
        yield server


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve_on_inngest`, whose workers end with the test."""
    go_on.clear()
    yield serve_on_inngest
    go_on.set()
    for worker in [*_serve._serving.values()]:
        worker.close()
        assert worker.wait(30), "something of the worker still runs"
    _serve._serving.clear()
