"""Payloads as people type them: JSON text, or the place where it is not JSON."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

import msgspec
from msgspec import Raw

from inngest_nb import wire

__all__ = ["BadJsonError", "read_payload"]

_HALF = "half of a surrogate pair"
_MARGIN = 60  # characters of a long line that are shown on either side of the error

# What people write who come from Python, by the character where reading stops.
_HINTS = {
    "'": "strings need double quotes",
    "\n": "a line break in a string is written \\n",
    "T": "JSON writes true, false and null",
    "F": "JSON writes true, false and null",
    "N": "JSON writes true, false and null",
}


class BadJsonError(ValueError):
    """A text is not JSON: what is wrong, in which `line` and `column`, both counted from 1.

    `before` and `after` are the line's text up to the error and from it on; a … stands for what
    was left out of a long line.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        self.problem = problem
        self.line = text.count("\n", 0, position) + 1
        start = text.rfind("\n", 0, position) + 1
        self.column = position - start + 1
        before = text[start:position]
        after = text[position:].partition("\n")[0]
        self.before = before if len(before) <= _MARGIN else "…" + before[-_MARGIN:]
        self.after = after if len(after) <= _MARGIN else after[:_MARGIN] + "…"
        super().__init__(f"{problem} at line {self.line}, column {self.column}")


def read_payload(text: str) -> Raw:
    """Read what somebody typed, where nothing at all means null. Raises `BadJsonError`."""
    if not text.strip():
        return Raw(b"null")
    try:
        document = text.encode()
        if wire.is_deeper(document, wire.MAX_DEPTH):
            raise BadJsonError(f"nested deeper than {wire.MAX_DEPTH} levels", text, 0)
        json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_constant)
        msgspec.json.decode(document)
    except UnicodeEncodeError as error:
        raise BadJsonError(_HALF, text, error.start) from error
    except _UnreadableError as error:
        raise BadJsonError(error.problem, text, _place_of(error.part, text)) from error
    except json.JSONDecodeError as error:
        words = error.msg[0].lower() + error.msg[1:].removesuffix(" starting at")
        words = _HINTS.get(text[error.pos : error.pos + 1], words)
        raise BadJsonError(words, text, error.pos) from error
    except msgspec.DecodeError as error:  # json takes one half of a pair for a character
        raise BadJsonError(_HALF, text, _half_in(text)) from error
    return Raw(msgspec.json.format(document, indent=-1))


class _UnreadableError(Exception):
    """A part of a text that is no JSON to us, though Python reads it."""

    def __init__(self, part: str, problem: str) -> None:
        self.part, self.problem = part, problem


def _number(digits: str) -> None:
    if len(digits) > 4_000 or not math.isfinite(float(digits)):
        raise _UnreadableError(digits, "a number too large to be read")


def _constant(word: str) -> NoReturn:
    raise _UnreadableError(word, _HINTS["N"])


def _place_of(part: str, text: str) -> int:
    """Find a number or a word where it stands by itself, not inside of a string or another one."""
    tokens = re.finditer(r'"(?:[^"\\]|\\.)*"|[-+.\w]+', text)
    return next((token.start() for token in tokens if token[0] == part), 0)


def _half_in(text: str) -> int:
    pairs = re.finditer(r"\\\\|(?:\\u[0-9a-fA-F]{4})+", text)
    halves = (
        pair.start()
        for pair in pairs
        if any("\ud800" <= char <= "\udfff" for char in json.loads(f'"{pair[0]}"'))
    )
    return next(halves, 0)
