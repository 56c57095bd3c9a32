"""Payloads as people read and edit them: JSON text, digit for digit what the document holds.

The text is never read into numbers and written again, so `1.0`, `1e3` and a number of 23 digits
stay as they are, also beside a place that somebody edits.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from inngest_nb import wire
from inngest_nb.notebook._words import visible
from inngest_nb.state import WorkflowState, wire_name

__all__ = [
    "BadJsonError",
    "document_parts",
    "event_parts",
    "payload_text",
    "pretty",
    "read_payload",
    "same_json",
    "same_value",
]

_NULL = "null"
_MARGIN = 60  # characters of a long line that are shown on either side of its flaw


class BadJsonError(ValueError):
    """A text is not JSON: what is wrong, in which `line` and `column`, both counted from 1.

    `before` and `after` are the line's text up to the flaw and from it on; a … stands for what
    was left out of a long line.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        position = min(position, len(text))
        start = text.rfind("\n", 0, position) + 1
        end = text.find("\n", position)
        line = text[start : end if end >= 0 else len(text)]
        self.problem = problem
        self.line = text.count("\n", 0, position) + 1
        self.column = position - start + 1
        before, after = line[: position - start], line[position - start :]
        self.before = before if len(before) <= _MARGIN else "…" + before[-_MARGIN:]
        self.after = after if len(after) <= _MARGIN else after[:_MARGIN] + "…"
        super().__init__(f"{problem} at line {self.line}, column {self.column}")


def document_parts(document: bytes) -> dict[str, str]:
    """Give the JSON text of each key of a document."""
    parts = msgspec.json.decode(document, type=dict[str, Raw])
    return {key: str(bytes(part), "utf-8") for key, part in parts.items()}


def event_parts(state: WorkflowState) -> list[dict[str, Raw]]:
    """Give the raw JSON of each event of a history, by key."""
    text = document_parts(wire.encode(state))["History"]
    return msgspec.json.decode(text, type=list[dict[str, Raw]] | None) or []


def payload_text(state: WorkflowState, name: str) -> str:
    """Give a payload of a state as text to read and edit; an empty one stands for null."""
    text = document_parts(wire.encode(state)).get(wire_name(name), _NULL)
    return "" if text == _NULL else pretty(text)


def pretty(text: str) -> str:
    """Indent JSON text, and show characters that can be seen, such as <, without Go's escapes."""
    try:
        too_deep = wire.is_deeper(text.encode(), wire.MAX_DEPTH)
        indented = text if too_deep else msgspec.json.format(text, indent=2)
    except RecursionError:  # shown as it stands
        indented = text
    return _UNSEEN.sub(_escape, _ESCAPES.sub(_unescape, indented))


def read_payload(text: str) -> Raw:
    """Read what somebody typed, where nothing at all means null. Raises `BadJsonError`."""
    if not text.strip():
        return Raw(_NULL.encode())
    if (deep := _position_of_depth(text)) is not None:
        raise BadJsonError(f"nested deeper than {wire.MAX_DEPTH} levels", text, deep)
    try:
        msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        _refuse(text, error)
    return Raw(msgspec.json.format(text.encode(), indent=-1))


def same_json(one: str, other: str) -> bool:
    """Tell whether two JSON texts differ at most in spacing and escapes."""
    return one == other or pretty(one) == pretty(other)


def same_value(one: str, other: str) -> bool:
    """Tell whether two JSON texts, "" for null, differ at most in spacing and the order of keys."""
    if one == other or not (one and other):
        return one == other
    try:
        return bool(_with_digits(one) == _with_digits(other))
    except RecursionError:  # about 1,000 levels: its keys have an order
        return False


def _with_digits(text: str) -> Any:
    """Read JSON, and keep numbers as they are written."""
    return json.loads(
        text, parse_int=lambda digits: (digits,), parse_float=lambda digits: (digits,)
    )


# Escapes stand in strings only. A pair of backslashes is matched first, so that what follows it
# is not taken for an escape.
_ESCAPES = re.compile(r"\\\\|(?:\\u[0-9a-fA-F]{4})+")
_UNSEEN = re.compile(r"[^\x00-\x7e]")


def _unescape(found: re.Match[str]) -> str:
    if not found[0].startswith("\\u"):
        return found[0]
    return "".join(
        char if char not in '"\\' and visible(char) == char else _in_json(char)
        for char in json.loads(f'"{found[0]}"')
    )


def _escape(found: re.Match[str]) -> str:
    return found[0] if visible(found[0]) == found[0] else _in_json(found[0])


def _in_json(char: str) -> str:
    return json.dumps(char)[1:-1]


def _refuse(text: str, error: Exception) -> NoReturn:
    """Raise a `BadJsonError` with the best words and place that can be found."""
    if isinstance(error, UnicodeEncodeError):
        flaw = BadJsonError(_HALF, text, error.start)
    elif isinstance(error, msgspec.ValidationError):
        flaw = BadJsonError("a number too large to be read", text, _position_of_large_number(text))
    else:
        flaw = BadJsonError(*_problem(text, str(error)))
    raise flaw from error


def _problem(text: str, message: str) -> tuple[str, str, int]:
    """Give what is wrong, the text, and the first position at which anyone stumbles over it."""
    found = [
        (half.start(), _HALF) for half in _ESCAPES.finditer(text) if _holds_half(half[0])
    ]  # which the standard library accepts
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        words = error.msg[0].lower() + error.msg[1:]
        found.append((error.pos, words.removesuffix(" starting at")))
    problem, _, place = message.removeprefix("JSON is malformed: ").partition(" (byte ")
    if place:
        before = text.encode()[: int(place.rstrip(")"))]
        found.append((len(before.decode(errors="ignore")), problem))
    position = min(position for position, _ in found)
    words = found[-1][1] if place else found[0][1]
    return _HINTS.get(text[position : position + 1], words), text, position


def _holds_half(escapes: str) -> bool:
    return escapes != r"\\" and any(
        "\ud800" <= char <= "\udfff" for char in json.loads(f'"{escapes}"')
    )


_HALF = "half of a surrogate pair"

# What people write who come from Python, by the character where reading stops.
_HINTS = {
    "'": "text stands in double quotes",
    "\n": "a line break inside a text is written \\n",
    "T": "JSON writes true, false and null",
    "F": "JSON writes true, false and null",
    "N": "JSON writes true, false and null",
}

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]|-?\d[\d.eE+-]*')


def _position_of_depth(text: str) -> int | None:
    """Find the bracket that is nested too deeply, before anything recurses into it."""
    if text.count("[") + text.count("{") <= wire.MAX_DEPTH:
        return None
    tokens = [found for found in _TOKEN.finditer(text) if found[0] in "[{}]"]
    depths = accumulate(1 if found[0] in "[{" else -1 for found in tokens)
    for found, depth in zip(tokens, depths, strict=True):
        if depth > wire.MAX_DEPTH:
            return found.start()
    return None


def _position_of_large_number(text: str) -> int:
    for found in _TOKEN.finditer(text):
        if found[0][0] in "-0123456789" and (
            len(found[0]) > 4_000 or not math.isfinite(float(found[0]))
        ):
            return found.start()
    return 0
