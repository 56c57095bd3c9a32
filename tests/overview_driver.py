"""An overview taken apart again: what its HTML says, by the places where it says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import inngest_nb as inb
from inngest_nb import HistoryEvent, WorkflowState

NOW = datetime(2026, 11, 29, 16, 20, tzinfo=UTC)


def ago(**before: float) -> datetime:
    """A moment before all tests' present."""
    return NOW - timedelta(**before)


def state(workflow_id: str, status: str = "completed", **fields: Any) -> WorkflowState:
    """A workflow that began an hour ago and took a minute, unless told otherwise."""
    began = fields.pop("began", ago(hours=1))
    ended = fields.pop("ended", None if began is None else began + timedelta(minutes=1))
    return WorkflowState(
        workflow_id=workflow_id,
        run_id="r",
        status=status,
        created_at=began,
        updated_at=ended,
        **fields,
    )


def step(name: str, at: datetime, *, ended: datetime | None = None) -> tuple[HistoryEvent, ...]:
    """An activity that began, and may have ended."""
    begun = HistoryEvent(type="activity_started", activity_name=name, timestamp=at)
    if ended is None:
        return (begun,)
    done = HistoryEvent(type="activity_completed", activity_name=name, timestamp=ended)
    return begun, done


def frame(states: Iterable[WorkflowState], now: datetime = NOW) -> Any:
    """A frame as if it had been read at the tests' present."""
    rows = inb.frame(list(states))
    rows.attrs["fetched_at"] = now.isoformat()
    return rows


class Shown:
    """What a view shows: its `headline`, `lines` of the verdict, `counts` and `tables`."""

    def __init__(self, view: Any) -> None:
        self.html: str = view._repr_mimebundle_()["text/html"]
        self.plain: str = view._repr_mimebundle_()["text/plain"]
        body = self.html[self.html.index('<div class="inb">') :]
        self.root = ElementTree.fromstring(body)  # noqa: S314  # our own
        verdict = self._all("div", "inb-note")[0]
        self.headline, *self.lines = (text(line) for line in verdict)
        self.counts = {text(fact[0]): text(fact[1]) for fact in self._all("dl", "inb-facts")[0]}
        self.tables = dict(map(self._table, self._all("div", "inb-part")))
        self.calls = [text(code) for code in self._all("code", "inb-call")]

    @property
    def text(self) -> str:
        return text(self.root)

    def bars(self) -> dict[str, list[float]]:
        """The heights of the chart's parts, by the class of their tone."""
        groups = [group for group in self.root.iter("g") if group.get("class")]
        return {
            str(group.get("class")): [float(str(rect.get("height"))) for rect in group]
            for group in groups
        }

    def tips(self) -> list[str]:
        return [text(title) for title in self.root.iter("title")]

    def _table(self, part: Element) -> tuple[str, list[dict[str, str]]]:
        title = text(next(part.iter("b")))
        heads = [text(head) for head in part.iter("th")]
        rows = [row for row in next(part.iter("tbody")) if row.get("class") != "inb-calls"]
        return title, [dict(zip(heads, map(text, row), strict=True)) for row in rows]

    def _all(self, tag: str, kind: str) -> list[Element]:
        return [each for each in self.root.iter(tag) if kind in str(each.get("class")).split()]


def text(element: Element) -> str:
    return " ".join(" ".join(_words(element)).split())


def _words(element: Element) -> Iterator[str]:
    yield from element.itertext()
