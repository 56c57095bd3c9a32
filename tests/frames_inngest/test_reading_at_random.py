"""Whatever was read before, and whatever has happened since, a list is what the server would say."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from story_records import Record, Row, copy_of, nanoseconds, row_of, story
from story_server import StoryServer

from inngest_nb import InngestAPI
from inngest_nb.api import runs_in

BEGIN = datetime(2026, 12, 1, tzinfo=UTC)
LIKE = story().rows


class History:
    """A server whose runs come in bursts and after long pauses, and the time that it is there."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = BEGIN
        self.server = StoryServer(now=lambda: self.now)
        self.server.state.runs.rows.clear()
        for _ in range(self.random.randint(1, 12)):
            ago = timedelta(
                seconds=self.random.choice([1, 200, 10_000, 10**7]) * self.random.random()
            )
            self.add(self.random.choice([1, 5, 40, 150]), ago)

    def add(self, count: int, ago: timedelta) -> None:
        """Add runs of about the same time, some of them open."""
        spread = self.random.choice([0, 1, 1_000, 60_000])
        for _ in range(count):
            at = self.now - ago - timedelta(milliseconds=self.random.randint(0, spread))
            self._put(self.random.choice(LIKE), at)

    def _put(self, like: Row, at: datetime) -> None:
        shift = (at - datetime(2026, 11, 22, 19, 22, 39, tzinfo=UTC)) // timedelta(milliseconds=1)
        row = copy_of(like, shift)
        item = row.shown(row.record.item)
        item["id"] = row.id[:10] + "".join(self.random.choices("0123456789ABCDEF", k=16))
        if "endedAt" in item and nanoseconds(item["endedAt"]) > self.now.timestamp() * 1e9:
            item = open_(item)
        self._replace(row.record, item)

    def end_some(self) -> None:
        """Let some open runs end."""
        for row in [*self.server.state.runs.rows.values()]:
            if "endedAt" not in row.record.item and self.random.random() < 0.3:
                ended = {"status": self.random.choice(["COMPLETED", "FAILED"]), "durationMs": "5"}
                ended["endedAt"] = self.now.isoformat().replace("+00:00", "Z")
                self._replace(row.record, row.record.item | ended)

    def _replace(self, record: Record, item: Any) -> None:
        # It can be looked up: what is asked of it is only whether it is there.
        changed = Record(**(vars(record) | {"item": item, "detail": item}))
        self.server.state.runs.put(row_of(changed))


def open_(item: Any) -> Any:
    kept = {
        key: value for key, value in item.items() if key not in ("endedAt", "durationMs", "output")
    }
    return kept | {"status": "RUNNING"}


@pytest.mark.parametrize("seed", range(12))
def test_what_is_read_is_what_the_server_lists(seed: int) -> None:
    history = History(seed)
    choice = history.random.choice
    with history.server as server, InngestAPI(server.url) as api:
        for _ in range(6):
            wanted = {
                "status": choice([None, None, "failed", ["running", "queued"], "completed"]),
                "function": choice([None, None, None, "outputs", "nb-lab-order-pipeline"]),
                "app": choice([None, None, "nb-lab", "other"]),
                "output": choice([False, False, True]),
            }
            ago = timedelta(seconds=10 ** history.random.uniform(0, 7))
            start = choice([None, None, history.now - ago])
            end = choice([None, None, history.now - ago / 3])
            most = choice([None, None, 1, 30, 400])
            pages = runs_in(api, start, end, most, **wanted)
            found = [run for page in pages for run in page]
            listed = api.runs(since=start, until=end, limit=None, **wanted)
            assert found[:most] == listed[:most]
            assert len({run.run_id for run in found}) == len(found)
            history.now += timedelta(seconds=choice([0.0, 1, 100, 5_000]))
            history.end_some()
            if choice([True, False]):
                history.add(choice([1, 30, 120]), timedelta(seconds=choice([0, 5, 60])))
