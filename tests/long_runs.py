"""Workflows with long histories, in a store; and a client that counts the bytes it is sent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx

from inngest_nb import AppendingStore, HistoryEvent, InngestStore, WorkflowState
from inngest_nb.store.rows import write_of

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def save_long_runs(store: AppendingStore, count: int, events: int) -> None:
    """Save so many workflows of so many events each, `order-0` as the newest update."""
    history = [
        HistoryEvent(id=number, type="activity_completed", activity_name="charge", result={"n": 1})
        for number in range(events)
    ]
    for number in range(count):
        state = WorkflowState(
            workflow_id=f"order-{number}",
            run_id=f"run-{number}",
            status="failed" if number % 2 else "running",
            error=f"no stock of {number}" if number % 2 else "",
            history=history,
            updated_at=_NOON - timedelta(minutes=number),
        )
        assert list(store.append_history([write_of(state)])) == [None]


class Traffic:
    """How many bytes came."""

    received = 0


@contextlib.contextmanager
def counted(url: str) -> Iterator[tuple[InngestStore, Traffic]]:
    """Give a client of a server, and the count of what the server sends it."""
    traffic = Traffic()

    def heard(response: httpx.Response) -> None:
        traffic.received += int(response.headers.get("content-length", 0))

    with (
        httpx.Client(event_hooks={"response": [heard]}) as client,
        InngestStore(url, client=client) as store,
    ):
        yield store, traffic
