"""A timeline in plain text, for terminals, logs and notebooks' plain outputs."""

from __future__ import annotations

from inngest_nb.notebook.timeline._chart import Chart, Row
from inngest_nb.notebook.timeline._picture import Picture
from inngest_nb.notebook.timeline._scale import Bar
from inngest_nb.notebook.timeline._spans import IDLE, WAITING
from inngest_nb.words import (
    duration_text,
    short,
    status_mark,
    status_text,
    time_text,
    visible,
)

__all__ = ["chart_key", "chart_lines", "headline", "plain_text"]

_UNSAID = ("activity", "step")  # kinds of most rows
_CELLS = 32
_NAME_WIDTH = 28
_FILL = {
    "completed": "█",
    "failed": "▒",
    "running": "░",
    "received": "◆",
    "invoking": "▄",
    "asleep": "═",
    WAITING: "─",
    "pausing": "╌",
    "queued": "·",
}
_OTHER = "┄"


def plain_text(picture: Picture) -> str:
    """Give a run's facts and its bars as lines of text."""
    state = picture.state
    lines = [headline(picture), f"began {time_text(picture.times.began)}"]
    if picture.note:
        lines.append(visible(picture.note))
    if state.error:
        where = f" in {short(picture.failed_activity)}" if picture.failed_activity else ""
        lines.append(f"error{where}: {short(state.error, 400)}")
    return "\n".join([*lines, *chart_lines(picture.chart)])


def chart_lines(chart: Chart) -> list[str]:
    """Give the rows of a chart and its remarks as lines of text."""
    width = max((len(_label(row)) for row in chart.rows), default=0)
    return [*(_line(row, width) for row in chart.rows), *chart.remarks]


def chart_key(chart: Chart) -> list[str]:
    """Give a line that says what the bars stand for; none where all are of one kind."""
    marks = [
        f"{_FILL.get(word, _OTHER)} {short(word, 40) or 'no status'}"
        for word in sorted(chart.words)
    ]
    return [f"Key: {', '.join(marks)}"] if len(marks) > 1 else []


def headline(picture: Picture) -> str:
    """Give a run in one line: its id, its status, and how long it has taken."""
    state, took = picture.state, ""
    if picture.took is not None:
        took = f", {duration_text(picture.took)}" + (" so far" if picture.times.is_open else "")
    status = status_text(picture.status)
    return f"{short(state.workflow_id)}: {status}{took}"


def _label(row: Row) -> str:
    if row.lane > 1:
        return ""
    kind = "" if row.kind in _UNSAID else visible(row.kind)
    return " ".join(filter(None, [kind, short(row.name, _NAME_WIDTH), row.part]))


def _line(row: Row, width: int) -> str:
    cells = [" "] * _CELLS
    for bar in sorted(row.bars, key=lambda bar: bar.word not in IDLE):
        first, last = _cells(bar)
        cells[first : last + 1] = _FILL.get(bar.word, _OTHER) * (last + 1 - first)
    outcome = f"{status_mark(row.word)} {row.outcome}" if row.outcome else ""
    result = f" → {visible(row.result)}" if row.result else ""
    return f"  {_label(row):{width}} |{''.join(cells)}| {outcome}{result}".rstrip()


def _cells(bar: Bar) -> tuple[int, int]:
    first = min(int(bar.start * _CELLS / 100), _CELLS - 1)
    if bar.word == "received":  # one moment
        return first, first
    last = min(int((bar.start + bar.width) * _CELLS / 100), _CELLS - 1)
    return first, max(first, last)
