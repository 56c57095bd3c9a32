"""What a line tells of payloads: the part of an input that differs, and a short result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from inngest_nb.history import Step, Value, pretty
from inngest_nb.notebook.timeline._spans import is_activity
from inngest_nb.words import short

__all__ = ["Words", "words_of"]

_MOST_INPUT = 1_000  # characters of JSON in which differences are looked for
_MOST_RESULT = 24
_MOST_SHOWN = 32
_MOST_KEYS = 3
_LEVEL = 8  # characters that an object or a list counts for, so that none is walked down too deeply
_END = object()
_ABSENT = object()  # the value of a key that an object doesn't have, and an input that is null

# Values of one place in several inputs, and the name of that place.
_Column = tuple[str, Sequence[Any]]


class Words(NamedTuple):
    """What a line says of an activity's payloads, "" where there is nothing to say."""

    part: str = ""
    result: str = ""


def words_of(steps: Sequence[Step]) -> dict[Step, Words]:
    """Say of each activity which part of its input its namesakes don't share, and what came out.

    Parts are named where inputs differ, and none of them is large; so are results that are short.
    """
    activities = [step for step in steps if is_activity(step)]
    parts = _parts(activities)
    return {step: Words(parts.get(step, ""), _brief(step.result)) for step in activities}


def _parts(activities: Sequence[Step]) -> dict[Step, str]:
    namesakes: dict[tuple[str, str], list[Step]] = {}
    for step in activities:
        namesakes.setdefault((step.kind, step.name), []).append(step)
    told: dict[Step, str] = {}
    for group in namesakes.values():
        if len(group) > 1 and all(_fits(step.input, _MOST_INPUT) for step in group):
            told |= zip(group, _told_apart([_read(step.input) for step in group]), strict=True)
    return told


def _brief(payload: Value) -> str:
    text = _text(payload) if _fits(payload, _MOST_RESULT) else ""
    line = msgspec.json.format(pretty(text), indent=0) if text not in ("", '""') else ""
    return line if len(line) <= _MOST_RESULT else ""


def _fits(payload: Value, size: int) -> bool:
    """Tell whether a payload has about so many characters; the text of a large one is not read."""
    return _room_left(payload.value, size) >= 0 and len(_text(payload)) <= 4 * size


def _text(payload: Value) -> str:
    if payload.value is None:
        return ""
    try:
        return payload.json
    except (TypeError, ValueError):  # no document can hold this run; to save it says why
        return ""


def _room_left(value: Any, room: int) -> int:
    """Give the room that is left; what is large is not walked through any further."""
    if isinstance(value, str):
        return room - len(value) - 2
    if not isinstance(value, (dict, list)):
        return room - 1
    items = chain.from_iterable(value.items()) if isinstance(value, dict) else iter(value)
    room -= _LEVEL
    while room >= 0 and (item := next(items, _END)) is not _END:
        room = _room_left(item, room)
    return room


def _read(payload: Value) -> Any:
    """Read JSON with its numbers as they are written: tuples, as nothing else is."""
    text = _text(payload)
    return json.loads(text, parse_int=_digits, parse_float=_digits) if text else _ABSENT


def _digits(text: str) -> tuple[str]:
    return (text,)


def _told_apart(inputs: Sequence[Any]) -> list[str]:
    """Say of each input what tells it apart: one place in it if that is enough, else a few."""
    columns = list(_differing("", inputs))
    for _, values in columns:
        texts = _texts(values)
        if len(set(texts)) == len(texts):
            return [short(text, _MOST_SHOWN) for text in texts]
    if len(columns) == 1:
        return [short(text, _MOST_SHOWN) for text in _texts(columns[0][1])]
    if not columns:
        return [""] * len(inputs)
    named = [
        [f"{name}: {text}" if text else "" for text in _texts(values)]
        for name, values in columns[:_MOST_KEYS]
    ]
    return [short(", ".join(filter(None, row)), _MOST_SHOWN) for row in zip(*named, strict=True)]


def _differing(name: str, values: Sequence[Any]) -> Iterator[_Column]:
    """Yield the innermost places in which values differ."""
    if all(value == values[0] for value in values):
        return
    present = [value for value in values if value is not _ABSENT]
    if all(isinstance(value, dict) for value in present):
        for key in dict.fromkeys(chain.from_iterable(present)):
            inner = [_ABSENT if one is _ABSENT else one.get(key, _ABSENT) for one in values]
            yield from _differing(key, inner)
    else:
        yield name, values


def _texts(values: Sequence[Any]) -> list[str]:
    """Write values; text goes without quotes where all is text."""
    if all(isinstance(value, str) and value for value in values if value is not _ABSENT):
        return ["" if value is _ABSENT else value for value in values]
    return ["" if value is _ABSENT else _json(value) for value in values]


def _json(value: Any) -> str:
    if isinstance(value, tuple):
        return str(value[0])
    if isinstance(value, dict):
        inner = (f"{_json(key)}: {_json(item)}" for key, item in value.items())
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    return json.dumps(value, ensure_ascii=False)
