"""Writes for tests of stores to which history can be appended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from inngest_nb import AppendingStore, HistoryEvent, WorkflowState, Write, wire

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(number: int) -> HistoryEvent:
    return HistoryEvent(
        id=number,
        type="activity_completed",  # type: ignore[arg-type]
        timestamp=NOON + timedelta(seconds=number),
        activity_name="reserve",
        result={"number": number, "text": "ü"},
        duration=timedelta(milliseconds=number),
        seq=number,
    )


def whole(workflow_id: str, etag: str = "", if_match: str | None = None, **more: object) -> Write:
    state = WorkflowState(workflow_id=workflow_id, **more)  # type: ignore[arg-type]
    return Write(workflow_id, wire.encode(state), True, etag=etag, if_match=if_match)


def part(
    workflow_id: str,
    numbers: Sequence[int],
    etag: str = "",
    if_match: str | None = None,
    **more: object,
) -> Write:
    document = wire.encode_part([event(number) for number in numbers], **more)
    return Write(workflow_id, document, False, etag=etag, if_match=if_match)


def done(store: AppendingStore, *writes: Write) -> None:
    assert list(store.append_history(writes)) == [None] * len(writes)


def refused(store: AppendingStore, write: Write) -> BaseException:
    (error,) = store.append_history([write])
    assert error is not None
    return error
