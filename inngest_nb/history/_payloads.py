"""Payloads as people read and edit them: JSON text, digit for digit what the document holds.

The text is never read into numbers and written again, so `1.0`, `1e3` and a number of 23 digits
stay as they are, also beside a place that somebody edits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw

from inngest_nb import wire
from inngest_nb.state import WorkflowState, wire_name
from inngest_nb.words import visible

__all__ = [
    "document_parts",
    "event_payloads",
    "events_in",
    "parts_of",
    "payload_text",
    "payload_texts",
    "pretty",
    "same_value",
]

_NULL = "null"
_EVENT_PAYLOADS = {"Input": "input", "Result": "result", "SignalPayload": "signal"}
_NOTHING = (_NULL, '""')


def document_parts(document: bytes) -> dict[str, str]:
    """Give the JSON text of each key of a document."""
    parts = msgspec.json.decode(document, type=dict[str, Raw])
    return {key: str(bytes(part), "utf-8") for key, part in parts.items()}


def parts_of(state: WorkflowState) -> dict[str, str]:
    """Give the JSON text of each key of a state's document, which is written anew each time."""
    return document_parts(wire.encode(state))


def events_in(parts: Mapping[str, str]) -> list[dict[str, Raw]]:
    """Give the raw JSON of each event in the parts of a document, by key."""
    text = parts.get("History", _NULL)
    return msgspec.json.decode(text, type=list[dict[str, Raw]] | None) or []


def event_payloads(state: WorkflowState, count: int) -> list[list[tuple[str, str]]]:
    """Give the payloads of each of the last events of a history, as label and JSON text."""
    parts = events_in(parts_of(state))[-count:]
    return [_labeled(part) for part in parts]


def _labeled(part: dict[str, Raw]) -> list[tuple[str, str]]:
    texts = {key: str(bytes(part[key]), "utf-8") for key in _EVENT_PAYLOADS if key in part}
    return [
        (_EVENT_PAYLOADS[key], pretty(text)) for key, text in texts.items() if text not in _NOTHING
    ]


def payload_text(state: WorkflowState, name: str) -> str:
    """Give a payload of a state as text to read and edit; an empty one stands for null."""
    return payload_texts(state, [name])[name]


def payload_texts(state: WorkflowState, names: Iterable[str]) -> dict[str, str]:
    """Give several payloads of a state by their names, each as `payload_text` does."""
    parts = parts_of(state)
    texts = {name: parts.get(wire_name(name), _NULL) for name in names}
    return {name: "" if text == _NULL else pretty(text) for name, text in texts.items()}


def pretty(text: str) -> str:
    """Indent JSON text, and show characters that can be seen, such as <, without Go's escapes."""
    try:
        too_deep = wire.is_deeper(text.encode(), wire.MAX_DEPTH)
        indented = text if too_deep else msgspec.json.format(text, indent=2)
    except RecursionError:  # shown as it stands
        indented = text
    if "\\u" in indented:
        indented = _ESCAPES.sub(_unescape, indented)
    if indented.replace("\n", "").isprintable():  # most are, and may be megabytes long
        return indented
    unseen = {ord(c): _in_json(c) for c in set(indented) if c > "~" and visible(c) != c}
    return indented.translate(unseen) if unseen else indented


def same_value(one: str, other: str) -> bool:
    """Tell whether two JSON texts, "" for null, differ at most in spacing and the order of keys."""
    if one == other or not (one and other):
        return one == other
    try:
        return bool(_with_digits(one) == _with_digits(other))
    except RecursionError:  # about 1,000 levels: its keys have an order
        return False


def _as_written(digits: str) -> tuple[str]:
    return (digits,)


# Reads JSON, and keeps numbers as they are written.
_with_digits = json.JSONDecoder(parse_int=_as_written, parse_float=_as_written).decode


# Escapes stand in strings only. A pair of backslashes is matched first, so that what follows it
# is not taken for an escape.
_ESCAPES = re.compile(r"\\\\|(?:\\u[0-9a-fA-F]{4})+")
_OF_GO = {r"\u003c": "<", r"\u003e": ">", r"\u0026": "&"}  # texts of pages are full of them
_QUOTED = frozenset('"\\')


def _unescape(found: re.Match[str]) -> str:
    escapes = found[0]
    if escapes in _OF_GO or not escapes.startswith("\\u"):
        return _OF_GO.get(escapes, escapes)
    text: str = json.loads(f'"{escapes}"')
    if text.isprintable() and not _QUOTED.intersection(text):
        return text
    return "".join(
        char if char not in _QUOTED and visible(char) == char else _in_json(char) for char in text
    )


def _in_json(char: str) -> str:
    return json.dumps(char)[1:-1]
