"""The tables of an overview: groups of workflows, the largest first, and the lines to copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from inngest_nb.history import OPEN
from inngest_nb.notebook.overview._calls import Calls
from inngest_nb.notebook.overview._numbers import Numbers
from inngest_nb.notebook.overview._reading import Material
from inngest_nb.notebook.overview._window import Window
from inngest_nb.words import count_text, duration_text, folded, share_text, short

__all__ = ["Head", "Line", "Section", "name_text", "sections_of"]

_MOST = 6  # groups; the line of Python above them gives all
_NAME, _ERROR = 28, 240  # characters


class Head(NamedTuple):
    """The head of a column, which may be one of numbers, or of names that lead to more."""

    text: str
    is_number: bool = False
    leads: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A group: its cells, and the lines of Python that show more of it."""

    cells: tuple[str, ...]
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A table under a title; `said` counts what is in it, `call` gives all of it.

    `rest` says what is left out. One that is `wide` has no other beside it.
    """

    title: str
    said: str
    call: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    rest: str
    wide: bool = False


def sections_of(material: Material, numbers: Numbers) -> tuple[Section, ...]:
    """Make a section of each question to which there is an answer."""
    made = [
        _failures(material, numbers),
        _stuck(material, numbers),
        _waiting(material, numbers),
        _slow(material, numbers),
        _workflows(material, numbers),
    ]
    return tuple(section for section in made if section.lines)


def _failures(material: Material, numbers: Numbers) -> Section:
    groups, calls, window = numbers.failures, material.calls, material.window
    total = numbers.failed.now

    def line(row: Any) -> Line:
        times = dict.fromkeys(window.when(time) for time in (row.first_seen, row.last_seen))
        cells = (
            f"{row.count:,}",
            share_text(row.count / total),
            _before(row.before),
            name_text(row.workflow),
            short(folded(_text(row.error)), _ERROR) or "no error text",
            " to ".join(times),
        )
        return Line(cells, _calls(calls, row.workflow, row.example, "failed"))

    return Section(
        title="Failures",
        said=f"{total:,} in {count_text(len(groups), 'group')}",
        call=calls.answer('errors(by="workflow")', "failed"),
        heads=(
            _number("Failed"),
            _number("Share"),
            _number("Before"),
            _name("Workflow"),
            Head("Error"),
            Head("When"),
        ),
        lines=_lines(groups, line),
        rest=_rest(groups, "group", "count", "failure"),
        wide=True,
    )


def _stuck(material: Material, numbers: Numbers) -> Section:
    groups, calls, window = numbers.stuck, material.calls, material.window

    def line(row: Any) -> Line:
        cells = (
            f"{row.count:,}",
            name_text(row.workflow),
            name_text(row.step),
            name_text(row.waiting_for) or "not known",
            _since(row, window),
        )
        return Line(cells, _calls(calls, row.workflow, row.example, OPEN))

    return Section(
        title="Stuck",
        said=f"{groups['count'].sum():,} not updated for {duration_text(numbers.stuck_after)}",
        call=calls.stuck(numbers.stuck_after),
        heads=(
            _number("Stuck"),
            _name("Workflow"),
            Head("In step"),
            Head("Waits for"),
            Head("Longest"),
        ),
        lines=_lines(groups, line),
        rest=_rest(groups, "group", "count", "workflow"),
    )


def _waiting(material: Material, numbers: Numbers) -> Section:
    groups, calls, window = numbers.waiting, material.calls, material.window

    def line(row: Any) -> Line:
        cells = (
            f"{row.count:,}",
            name_text(row.signal) or "not known",
            name_text(row.workflow),
            _since(row, window),
        )
        return Line(cells, _calls(calls, row.workflow, row.example, OPEN))

    return Section(
        title="Waiting for a person",
        said=f"{groups['count'].sum():,} for a signal",
        call=calls.waiting(),
        heads=(_number("Waiting"), _name("For the signal"), Head("Workflow"), Head("Longest")),
        lines=_lines(groups, line),
        rest=_rest(groups, "group", "count", "workflow"),
    )


def _slow(material: Material, numbers: Numbers) -> Section:
    calls = material.calls
    groups = numbers.slow if numbers.slow is not None else pd.DataFrame()

    def line(row: Any) -> Line:
        cells = (
            name_text(row.activity),
            name_text(row.workflow),
            f"{row.count:,}",
            _span(row.p50),
            _span(row.p95),
            _span(row.max),
            share_text(row.retried) if row.retried > 0 else "",
        )
        return Line(cells, _calls(calls, "", row.example))

    return Section(
        title="Slowest activities",
        said=f"of the {material.active:,} newest workflows" if material.active else "",
        call=calls.activities("slowest()"),
        heads=(
            _name("Activity"),
            Head("Workflow"),
            _number("Ended"),
            _number("Half within"),
            _number("95% within"),
            _number("Longest"),
            _number("Retried"),
        ),
        lines=_lines(groups, line),
        rest="",
    )


def _workflows(material: Material, numbers: Numbers) -> Section:
    groups, calls = numbers.workflows, material.calls

    def line(row: Any) -> Line:
        cells = (
            name_text(row.workflow),
            f"{row.count:,}",
            f"{row.failed:,}" if row.failed else "",
            share_text(row.share_failed) if row.failed else "",
            _before(row.before) if row.failed or row.before else "",
            _span(row.p50),
            _span(row.p90),
        )
        return Line(cells, tuple(filter(None, [calls.named(_text(row.workflow))])))

    return Section(
        title="Workflows",
        said=f"{numbers.ended.now:,} ended, under {count_text(len(groups), 'name')}",
        call=calls.answer('summary(by="workflow")'),
        heads=(
            _name("Workflow"),
            _number("Ended"),
            _number("Failed"),
            _number("Share"),
            _number("Before"),
            _number("Half within"),
            _number("90% within"),
        ),
        lines=_lines(groups, line),
        rest=_rest(groups, "name", "count", "workflow"),
    )


def _number(text: str) -> Head:
    return Head(text, is_number=True)


def _name(text: str) -> Head:
    return Head(text, leads=True)


def _lines(groups: pd.DataFrame, line: Callable[[Any], Line]) -> tuple[Line, ...]:
    return tuple(line(row) for row in groups.head(_MOST).itertuples())


def _rest(groups: pd.DataFrame, noun: str, count: str, what: str) -> str:
    left = groups.iloc[_MOST:]
    if left.empty:
        return ""
    return (
        f"{count_text(len(left), f'more {noun}')} with {count_text(int(left[count].sum()), what)}"
    )


def _calls(
    calls: Calls, workflow: Any, example: Any, status: str | Sequence[str] = ""
) -> tuple[str, ...]:
    made = (calls.named(_text(workflow), status), calls.workflow(_text(example)))
    return tuple(filter(None, made))


def _since(row: Any, window: Window) -> str:
    return f"{duration_text(row.longest)}, since {window.when(row.oldest)}"


def _before(count: int) -> str:
    return f"{count:,}" if count else "none"


def name_text(value: Any, most: int = _NAME) -> str:
    """Write a name in one short line; "" for what is missing."""
    return short(folded(_text(value)), most)


def _span(value: Any) -> str:
    return "" if pd.isna(value) else duration_text(value)


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
