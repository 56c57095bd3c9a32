"""Reads names and quoted texts from what somebody typed, and marks the place of an error."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from inngest_nb.words import visible

MOST_CHARACTERS = 10_000

_WIDTH = 70  # characters shown on each side of a place
_DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SINGLE = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_TO_JSON = re.compile(r'\\.|"', re.DOTALL)


class Unclear(Exception):  # noqa: N818  # it becomes a ValueError before anybody sees it
    """What is wrong with a text, and at which character; `more` are lines to add."""

    def __init__(self, message: str, at: int, more: str = "") -> None:
        super().__init__(message)
        self.message, self.at, self.more = message, at, more


def check_size(text: object, name: str) -> str:
    """Return a text that is given as the argument `name`, if it is one and not too long."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string, got {type(text).__name__}")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"{name} must have at most {MOST_CHARACTERS:,} characters, got {len(text):,}"
        )
    return text


def refuse(name: str, text: str, problem: Unclear) -> NoReturn:
    """Raise a `ValueError` that shows the text of the argument `name` with its place marked."""
    lines = [f"{name}: {problem.message}"]
    if text.strip():
        lines += marked(text, problem.at)
    if problem.more:
        lines.append(problem.more)
    raise ValueError("\n".join(lines)) from None


def marked(text: str, at: int) -> tuple[str, str]:
    """Return the line of a text around a place, and a line with a ^ below that place."""
    first = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    before, after = text[first:at], text[at : len(text) if end < 0 else end]
    left = visible(before.lstrip())
    if len(left) > _WIDTH:
        left = "…" + left[-_WIDTH:]
    right = visible(after.rstrip())
    if len(right) > _WIDTH:
        right = right[:_WIDTH] + "…"
    return f"    {left}{right}", f"    {' ' * len(left)}^"


def read_quoted(text: str, at: int) -> tuple[str, int]:
    r"""Read a text in double or single quotes that begins at a place, and say where it ends.

    Escapes are those of JSON, and `\'` within single quotes.
    """
    quote = text[at]
    found = (_DOUBLE if quote == '"' else _SINGLE).match(text, at)
    if found is None:
        raise Unclear(f"this {quote} is never closed", at)
    token = found[0] if quote == '"' else f'"{_TO_JSON.sub(_for_json, found[0][1:-1])}"'
    try:
        value = json.loads(token, strict=False)
    except ValueError:
        raise Unclear(r"this string has a wrong escape; write \\ for a backslash", at) from None
    if not is_unicode(value):
        raise Unclear("this string has an unpaired surrogate, which JSON does not allow", at)
    return value, found.end()


def is_unicode(text: str) -> bool:
    """Tell whether a text can be written as UTF-8, which unpaired surrogates cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _for_json(found: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(found[0], found[0])


def quoted(text: str) -> str:
    """Write a text in double quotes, with escapes for what cannot be seen."""
    whole = json.dumps(text, ensure_ascii=False)
    if whole.isprintable():
        return whole
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in whole)
