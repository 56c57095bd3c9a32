"""What goes wrong with a server of the story: a restart, workers that are away, open doors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from canned_server import Answer, Seen
from inngest_replay import Kind
from story_records import story
from story_server import StoryServer


class TroubledServer(StoryServer):
    """A server of the story to which something happened; it tells how deep its queue is."""

    def __init__(
        self,
        kind: Kind = "dev",
        *,
        depth: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        **named: Any,
    ) -> None:
        self._late = timedelta()
        super().__init__(kind, now=lambda: now() + self._late, **named)
        self._depth = depth

    def lose_jobs(self, names: Iterable[str]) -> None:
        """Forget what to do next for runs of the story, as a server that was restarted does."""
        for name in names:
            row = self.state.runs.rows[story().names[name]]
            self.state.runs.put(row._replace(record=replace(row.record, jobs=[])))

    def forget_answers(self) -> None:
        """Let so much time pass that v1 says nothing once more that it has said before."""
        self._late += timedelta(seconds=20)

    def _answer(self, seen: Seen) -> Answer:
        if seen.target == "/metrics" and self._depth is not None:
            head = "# TYPE inngest_queue_depth gauge\n"  # as it was recorded
            said = f"{head}inngest_queue_depth {self._depth}\n"
            return self._made(200, "text/plain; version=0.0.4; charset=utf-8", said)
        return super()._answer(seen)
