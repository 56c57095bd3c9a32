"""Whatever was read before, and whatever has happened since, a list is what the server would say."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from story_records import Record, Row, row_of, story, time_text
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
        self.count = 0
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
        # Of two runs of one microsecond, the server's cursor may lose one.
        self.count += 1
        at = at.replace(microsecond=at.microsecond // 1000 * 1000 + self.count % 1000)
        item = dict(like.record.item)
        item["id"] = "01M8" + "".join(self.random.choices("0123456789ABCDEF", k=22))
        item["startedAt"] = time_text(at)[:-1] + f"{self.random.randint(0, 999):03}Z"
        ended = at + timedelta(seconds=10 + 100 * self.random.random())
        item["endedAt"] = time_text(ended)
        if "endedAt" not in like.record.item or ended > self.now:
            item = open_(item)
        self._replace(like.record, item)

    def end_some(self) -> None:
        """Let some open runs end."""
        for row in [*self.server.state.runs.rows.values()]:
            if "endedAt" not in row.record.item and self.random.random() < 0.3:
                ended = {"status": self.random.choice(["COMPLETED", "FAILED"]), "durationMs": "5"}
                ended["endedAt"] = time_text(self.now)
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
        for _ in range(10):
            wanted = {
                "status": choice([None] * 4 + ["failed", ["running", "queued"], "completed"]),
                "function": choice([None] * 6 + ["outputs", "nb-lab-order-pipeline"]),
                "app": choice([None] * 6 + ["nb-lab", "other"]),
                "output": choice([False] * 4 + [True]),
            }
            ago = timedelta(seconds=10 ** history.random.uniform(0, 7))
            start = choice([None] * 3 + [history.now - ago])
            end = choice([None] * 3 + [history.now - ago / 3])
            most = choice([None] * 3 + [1, 30, 400])
            pages = runs_in(api, start, end, most, **wanted)
            found = [run for page in pages for run in page]
            listed = api.runs(since=start, until=end, limit=None, **wanted)
            assert found[:most] == listed[:most]
            assert len({run.run_id for run in found}) == len(found)
            history.now += timedelta(seconds=choice([1, 30, 500, 5_000]))
            history.end_some()
            if choice([True, False]):  # within the two minutes that are read again
                history.add(choice([1, 30, 120]), timedelta(seconds=choice([0, 5, 55])))
