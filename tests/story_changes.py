"""What happens to the runs of a story server while a test looks on, and what it may hold besides.

with StoryServer(now=clock.now) as inngest:
    run_id = api.invoke("nb-lab", "square", {"n": 3})
    start(inngest, run_id)
    end(inngest, run_id, "FAILED")
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from story_records import Json, Record, nanoseconds, row_of, time_text
from story_server import StoryServer


def start(inngest: StoryServer, run_id: str, at: datetime | None = None) -> None:
    """Let a worker begin with a queued run. Lists then sort it by `endedAt` as of that moment."""
    _change(inngest, run_id, {"status": "RUNNING"}, {"status": "Running"}, at)


def end(
    inngest: StoryServer, run_id: str, status: str = "COMPLETED", at: datetime | None = None
) -> None:
    """Let a run come to its end."""
    moment = time_text(at or datetime.now(UTC))
    changed = {"status": status, "endedAt": moment}
    _change(inngest, run_id, changed, {"status": status.capitalize(), "ended_at": moment}, at)


def _change(
    inngest: StoryServer, run_id: str, changed: Json, in_v1: Json, at: datetime | None
) -> None:
    state = inngest.state
    with state.lock:
        row = state.run(run_id)
        item, detail, root = row.record.item, row.record.detail, row.record.trace["rootSpan"]
        if "endedAt" in changed:
            ended = nanoseconds(changed["endedAt"])
            took = max(0, ended - nanoseconds(item["startedAt"])) // 1_000_000
            changed = changed | {"durationMs": str(took)}
        record = Record(
            item=item | changed,
            detail=detail | changed,
            trace=row.record.trace | {"rootSpan": root | changed},
            v1=row.record.v1 | in_v1,
            jobs=[] if "endedAt" in changed else row.record.jobs,
            event_ids=row.record.event_ids,
        )
        moved = row_of(record)
        if "endedAt" not in changed:
            moved = moved._replace(end_ns=nanoseconds(time_text(at or datetime.now(UTC))))
        state.runs.put(moved)


def hold(inngest: StoryServer, runs: Iterable[Json] = (), events: Iterable[Json] = ()) -> None:
    """Give the server more runs, as v2 lists them, and more events, as v1 does.

    A run may bring what v1 says of it, as `v1`.
    """
    state = inngest.state
    with state.lock:
        for run in runs:
            v1: Any = run.get("v1", {})
            item = {name: value for name, value in run.items() if name != "v1"}
            trace: Json = {"rootSpan": {"name": "Run", "status": item["status"]}}
            causes = tuple(item["trigger"]["eventIds"])
            row = row_of(Record(item, item, trace, v1, [], causes))
            known = row.id in state.runs.rows
            state.runs.put(row)
            if not known:
                state.index(row)
        for event in events:
            state.event[event["internal_id"]] = event
            state.events.append(event)
        state.events.sort(key=lambda event: event["internal_id"], reverse=True)
