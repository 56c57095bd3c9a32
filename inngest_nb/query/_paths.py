"""Paths into payloads: `input.order`, `input.items[].price`, `result["a key with . and []"]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from types import EllipsisType
from typing import Final

from inngest_nb.query._payloads import MISSING, Missing, finder
from inngest_nb.query._reading import (
    Unclear,
    check_size,
    quoted,
    read_quoted,
    refuse,
)
from inngest_nb.words import short

PAYLOADS: Final = ("input", "result")

MOST_STEPS = 100
NAME = re.compile(r"[^\W\d]\w*")
_KEY = re.compile(r"[\w$@-]+")
_INDEX = re.compile(r"-?\d{1,9}(?!\d)")
_SPACE = re.compile(r"\s*")

Step = str | int | EllipsisType


@dataclass(frozen=True)
class Path:
    """A place in a payload: its root, such as `input`, and the steps from there.

    A step is a key, the number of an element (negative: from the end), or `...` for each element,
    which is written `[]`. `str(path)` is its text in one spelling.
    """

    root: str
    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, text: str, *, roots: Collection[str] = PAYLOADS, name: str = "path") -> Path:
        """Read a path; `name` is the argument that an error names.

        Keys that are not words of letters, digits, `_`, `-`, `$` and `@` are written in brackets
        and quotes, double or single: `input["unit price"]`. Raises `ValueError` with the place
        marked.
        """
        check_size(text, name)
        lead = len(text) - len(text.lstrip())
        try:
            path, end = read_path(text, lead, roots)
            if text[end:].strip():
                raise Unclear(f"expected the end of the path after '{short(text[lead:end])}'", end)
        except Unclear as problem:
            refuse(name, text, problem)
        return path

    @property
    def is_list(self) -> bool:
        """Whether it has a step `[]`, so that what it finds is a list."""
        return ... in self.steps

    @cached_property
    def of(self) -> Callable[[bytes], bytes | Missing]:
        """Find the raw JSON of what is at this path in a raw JSON payload, digit for digit.

        `path.of(payload)` returns `MISSING` where nothing is; null is `b"null"`. Of a key that an
        object has twice, the last counts. A step `[]` gives a list of what each element has, with
        null for an element that lacks it; with several, the lists within are joined into one, to
        which an element without a list adds nothing. Raises `StoreDecodeError` for a payload that
        is no JSON or nested too deep.
        """
        return finder(self.steps)

    def __str__(self) -> str:
        return self.root + "".join(map(_written, self.steps))

    def __reduce__(self) -> tuple[type[Path], tuple[str, tuple[Step, ...]]]:
        return Path, (self.root, self.steps)


def _written(step: Step) -> str:
    if isinstance(step, EllipsisType):
        return "[]"
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _KEY.fullmatch(step) else f"[{quoted(step)}]"


def read_path(text: str, at: int, roots: Collection[str] = PAYLOADS) -> tuple[Path, int]:
    """Read the path that begins at a place of a text, and say where it ends."""
    found = NAME.match(text, at)
    if found is None:
        raise Unclear(f"expected {_either(roots)}, such as {next(iter(roots))}.order", at)
    if found[0] not in roots:
        close = get_close_matches(found[0], roots, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise Unclear(f"a path begins with {_either(roots)}, not '{short(found[0], 40)}'{hint}", at)
    steps, end = read_steps(text, found.end())
    return Path(found[0], steps), end


def read_steps(text: str, at: int) -> tuple[tuple[Step, ...], int]:
    """Read the steps after the root of a path."""
    steps: list[Step] = []
    while at < len(text) and text[at] in ".[":
        if len(steps) == MOST_STEPS:
            raise Unclear(f"a path has at most {MOST_STEPS} steps", at)
        step, at = _key(text, at + 1) if text[at] == "." else _bracket(text, at)
        steps.append(step)
    return tuple(steps), at


def _key(text: str, at: int) -> tuple[str, int]:
    if found := _KEY.match(text, at):
        return found[0], found.end()
    if text.startswith(('"', "'"), at):
        raise Unclear('a quoted key stands in brackets, as in input["a key"], without a dot', at)
    raise Unclear("expected a key after '.'", at)


def _bracket(text: str, opened: int) -> tuple[Step, int]:
    at = _after_space(text, opened + 1)
    step: Step
    if text.startswith("]", at):
        return ..., at + 1
    if text.startswith(('"', "'"), at):
        step, at = read_quoted(text, at)
    elif found := _INDEX.match(text, at):
        step, at = int(found[0]), found.end()
    elif at == len(text):
        raise Unclear("this [ is never closed", opened)
    else:
        raise Unclear("expected the number of an element, a key in quotes or ] after '['", at)
    at = _after_space(text, at)
    if at == len(text):
        raise Unclear("this [ is never closed", opened)
    if text[at] != "]":
        raise Unclear("expected ']'", at)
    return step, at + 1


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None  # noqa: S101  # it matches also where there is none
    return found.end()


def _either(roots: Collection[str]) -> str:
    *most, last = roots
    return f"{', '.join(most)} or {last}" if most else last


__all__ = ["MISSING", "PAYLOADS", "Missing", "Path", "Step", "read_path", "read_steps"]
