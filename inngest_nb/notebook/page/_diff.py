"""What differs between two documents of one workflow, field by field and line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice, takewhile
from typing import NamedTuple

from inngest_nb.history import document_parts, pretty
from inngest_nb.state import DOCUMENT_FIELDS, wire_name
from inngest_nb.words import count_text, excerpt, visible_lines

__all__ = ["Change", "Line", "change_of", "changes"]

_LABELS = {wire_name(name): name.replace("_", " ") for name in DOCUMENT_FIELDS}
_TEXTS = ("WorkflowID", "RunID", "Status", "Error", "CreatedAt", "UpdatedAt")
_EMPTY = ("null", '""', '"0001-01-01T00:00:00Z"')
_CONTEXT = 2  # unchanged lines shown on either side of a change
_MAX_COMPARED = 600  # lines; comparing takes the square of it
_MAX_SHOWN = 200


class Line(NamedTuple):
    """A line of a text; its `sign` is + if it comes, - if it goes, … for some left out."""

    sign: str
    text: str


class Change(NamedTuple):
    """One field that differs.

    Short values are in `before` and `after`; others are compared in `lines`, where the first two
    are None.
    """

    field: str
    before: str | None
    after: str | None
    lines: tuple[Line, ...] = ()


def changes(before: bytes | None, after: bytes | None) -> list[Change]:
    """Compare two documents, where None is one that is not there.

    Fields come in the contract's order, then keys that the contract does not know. What differs
    in spacing only is the same.
    """
    old = document_parts(before) if before is not None else {}
    new = document_parts(after) if after is not None else {}
    found = []
    for key in [*_LABELS, *(key for key in {**old, **new} if key not in _LABELS)]:
        was, becomes = old.get(key, "null"), new.get(key, "null")
        if was != becomes and (texts := _texts(key, was, becomes)):
            found.append(change_of(_LABELS.get(key, f"key {key!r}"), *texts))
    return found


def _texts(key: str, was: str, becomes: str) -> tuple[str, str] | None:
    """Give both sides as they are shown, or None where two ways of writing mean the same."""
    texts = pretty(was), pretty(becomes)
    if texts[0] == texts[1] or (key == "History" and {was, becomes} == {"null", "[]"}):
        return None
    if key in _TEXTS:
        texts = _words(was), _words(becomes)
    return texts if texts != ("", "") else None


def _words(part: str) -> str:
    return "" if part in _EMPTY else visible_lines(json.loads(part))


def change_of(field: str, was: str, becomes: str) -> Change:
    """Compare two texts of one field, which are known to differ."""
    if all(len(text) <= 80 and "\n" not in text for text in (was, becomes)):
        return Change(field, was, becomes)
    lines = _compared(was.split("\n") if was else [], becomes.split("\n") if becomes else [])
    shown = [Line(line.sign, _cut(line.text)) for line in islice(lines, _MAX_SHOWN)]
    if left_out := sum(1 for _ in lines):
        shown.append(Line("…", f"{count_text(left_out, 'more line')} of the comparison"))
    return Change(field, None, None, tuple(shown))


def _cut(line: str) -> str:
    text, more = excerpt(line, 300)
    return f"{text} … {count_text(more, 'more character')}" if more else text


def _compared(was: Sequence[str], becomes: Sequence[str]) -> Iterator[Line]:
    """Yield what goes and what comes, with a little around it."""
    head = _length_of_same(zip(was, becomes, strict=False))
    tail = _length_of_same(zip(reversed(was[head:]), reversed(becomes[head:]), strict=False))
    start = max(0, head - _CONTEXT)
    if start:
        yield Line("…", count_text(start, "line"))
    yield from (Line(" ", line) for line in was[start:head])
    yield from _middle(was[head : len(was) - tail], becomes[head : len(becomes) - tail])
    rest = was[len(was) - tail :]
    yield from (Line(" ", line) for line in rest[:_CONTEXT])
    if tail > _CONTEXT:
        yield Line("…", count_text(tail - _CONTEXT, "line"))


def _length_of_same(pairs: Iterable[tuple[str, str]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _middle(was: Sequence[str], becomes: Sequence[str]) -> Iterator[Line]:
    if max(len(was), len(becomes)) > _MAX_COMPARED:
        yield from (Line("-", line) for line in was)
        yield from (Line("+", line) for line in becomes)
        return
    matcher = SequenceMatcher(None, was, becomes, autojunk=False)
    for tag, was_from, was_to, from_, to in matcher.get_opcodes():
        if tag == "equal":
            yield from _abridged(was[was_from:was_to])
        else:
            yield from (Line("-", line) for line in was[was_from:was_to])
            yield from (Line("+", line) for line in becomes[from_:to])


def _abridged(lines: Sequence[str]) -> Iterator[Line]:
    """Yield unchanged lines between two changes, without those far from both."""
    if len(lines) <= 2 * _CONTEXT + 1:
        yield from (Line(" ", line) for line in lines)
        return
    yield from (Line(" ", line) for line in lines[:_CONTEXT])
    yield Line("…", count_text(len(lines) - 2 * _CONTEXT, "line"))
    yield from (Line(" ", line) for line in lines[-_CONTEXT:])
