"""The table of a comparison: which lines it has, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from inngest_nb.history import Step
from inngest_nb.notebook.compare._alignment import Pair
from inngest_nb.notebook.compare._comparison import Sides, change_of_time, summary
from inngest_nb.notebook.page import Change, change_of
from inngest_nb.words import (
    change_text,
    count_text,
    duration_text,
    in_columns,
    short,
    status_text,
    visible_lines,
)

__all__ = ["Line", "lines_of", "plain_lines"]

# So many steps are shown at most, and so many around each that differs.
_MOST = 80
_AROUND = 3
_MARKS = {(): "=", ("only in A",): "-", ("only in B",): "+"}
_NAME_WIDTH = 32


class Line(NamedTuple):
    """A line of the table: a pair; or, without one, a `title` about the fork or what is left out.

    `changes` compares what differs. `same` has, as label and text, what does not, or what is in
    one run only.
    """

    pair: Pair | None
    title: str = ""
    mark: str = ""
    change: timedelta | None = None
    changes: Sequence[Change] = ()
    same: Sequence[tuple[str, str]] = ()
    unfolded: bool = False


def lines_of(sides: Sides) -> list[Line]:
    """Give the lines of the table, the runs as a whole first."""
    return [_line(sides.whole), *_of_steps(sides)]


def _of_steps(sides: Sides) -> Iterator[Line]:
    shown, skipped = _shown(sides), list[Pair]()
    for place, pair in enumerate(sides.pairs):
        if skipped and (place in shown or place == sides.fork_place):
            yield _left_out(skipped)
            skipped = []
        if place == sides.fork_place:
            yield _fork(sides)
        if place in shown:
            yield _line(pair, unfolded=pair is sides.first)
        else:
            skipped.append(pair)
    if skipped:
        yield _left_out(skipped)
    if sides.fork_place == len(sides.pairs):
        yield _fork(sides)


def _shown(sides: Sides) -> set[int]:
    """Choose the steps to show: both ends, what differs, the fork, and a little around."""
    last = len(sides.pairs) - 1
    marks = [0, last, *(place for place, pair in enumerate(sides.pairs) if pair.differs)]
    if sides.fork_place is not None:
        marks += [sides.fork_place - 1, sides.fork_place]
    near = {place for mark in marks for place in range(mark - _AROUND, mark + _AROUND + 1)}
    return set(sorted(near & set(range(last + 1)))[:_MOST])


def _left_out(pairs: Sequence[Pair]) -> Line:
    words = count_text(len(pairs), "step")
    if differ := sum(bool(pair.differs) for pair in pairs):
        return Line(None, f"… {words} not shown, {differ:,} of them different; .frame has all")
    return Line(None, f"… {words} without differences")


def _fork(sides: Sides) -> Line:
    after = sides.fork.event_id if sides.fork is not None else None
    return Line(None, f"forked here, after event {after}", "↳")


def _line(pair: Pair, *, unfolded: bool = False) -> Line:
    changes, same = [], []
    for name in ("input", "result", "error"):
        texts = [_text(step, name) for step in (pair.a, pair.b) if step is not None]
        if name in pair.differs:
            changes.append(change_of(name, *texts))
        elif texts[0]:
            same.append((_label(pair, name), texts[0]))
    mark = _MARKS.get(pair.differs, "≠")
    return Line(pair, "", mark, change_of_time(pair), changes, same, unfolded)


def _text(step: Step, name: str) -> str:
    if name == "error":
        return visible_lines(step.error)
    return step.input.text if name == "input" else step.result.text


def _label(pair: Pair, name: str) -> str:
    return "payload" if pair.step.kind == "signal" else name


# The same in plain text


def plain_lines(sides: Sides, lines: Sequence[Line]) -> str:
    """Give a comparison, and the lines of its table, as lines of text."""
    headline, words = summary(sides)
    names = f"A is {short(sides.a.workflow_id)}, B is {short(sides.b.workflow_id)}"
    table = in_columns([_cells(line) for line in lines])
    return "\n".join([headline, names, *words, *table])


def _cells(line: Line) -> list[str]:
    if line.pair is None:
        return [f"{line.mark or ' '}  {line.title}"]
    step = line.pair.step
    if step.kind == "workflow":
        name = "as a whole"
    else:
        name = f"{'' if step.kind == 'activity' else step.kind} {short(step.name, _NAME_WIDTH)}"
    change = "" if line.change is None else change_text(line.change)
    differs = f"({', '.join(line.pair.differs)})" if line.pair.differs else ""
    a, b = (_outcome(each) for each in (line.pair.a, line.pair.b))
    return [line.mark, name.strip(), a, b, f"{change} {differs}".strip()]


def _outcome(step: Step | None) -> str:
    if step is None:
        return "missing"
    words = [status_text(step.outcome)]
    if len(step.attempts) > 1:
        words.append(f"{len(step.attempts)} attempts")
    if step.took is not None:
        words.append(duration_text(step.took))
    return ", ".join(words)
