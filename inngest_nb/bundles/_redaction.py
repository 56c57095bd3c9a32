"""Redacts documents: values at paths, and their texts wherever else they occur."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from types import EllipsisType
from typing import NamedTuple

import msgspec
from msgspec import Raw

from inngest_nb import wire
from inngest_nb.bundles._stand_ins import StandIns
from inngest_nb.query import Path
from inngest_nb.state import (
    DOCUMENT_FIELDS,
    EventType,
    ForkOrigin,
    HistoryEvent,
    WorkflowStatus,
    wire_name,
)

# What each root of a path means, in a workflow and in its events.
_ROOTS: Mapping[str, tuple[str, ...]] = {
    "input": ("Input",),
    "result": ("Result",),
    "payload": ("SignalPayload",),
    "error": ("Error", "Trace", "Details"),
}
_PAYLOADS = {"Input", "Result", "SignalPayload", "Details"}
_TIMES = {"CreatedAt", "UpdatedAt", "LeaseUntil", "Timestamp", "RetryAt"}
_WORDS = {"Status": {*WorkflowStatus}, "Type": {*EventType}}
# The keys that a document, an event and the origin of a fork have by the format.
_OF_DOCUMENT = {*map(wire_name, DOCUMENT_FIELDS)}
_OF_EVENT = {*map(wire_name, HistoryEvent.__struct_fields__)}
_OF_FORK = {*map(wire_name, ForkOrigin.__struct_fields__)}

_parts_of = msgspec.json.Decoder(dict[str, Raw]).decode
_items_of = msgspec.json.Decoder(list[Raw]).decode
_text_of = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

_NULL = Raw(b"null")

Change = Callable[[bytes], bytes]


class _Tail(NamedTuple):
    """What is left of a path, at some place in a payload."""

    path: Path
    steps: tuple[str | int | EllipsisType, ...]


def paths_of(given: Iterable[str]) -> tuple[Path, ...]:
    """Read the paths of `redact=`; raise `ValueError` or `TypeError` for a wrong one."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(
            f'redact must be a list of paths, such as ["input.customer"], got {given!r}'[:200]
        )
    paths = tuple(Path.parse(text, roots=tuple(_ROOTS), name="redact") for text in given)
    for path in paths:
        if path.root == "error" and path.steps:
            raise ValueError(f"redact: an error is a string, so write 'error' instead of '{path}'")
    return tuple(dict.fromkeys(paths))


class Redaction:
    """The redaction of the documents of a bundle: call `learn` with all, then `redacted`."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._stand_ins = StandIns()
        self._tails: dict[str, list[_Tail]] = {}
        for path in paths:
            for key in _ROOTS[path.root]:
                self._tails.setdefault(key, []).append(_Tail(path, path.steps))
        self.matched: set[Path] = set()  # paths at which there was a value

    def learn(self, document: bytes) -> None:
        """Take in the values at the paths, whose texts must not remain in any document."""
        parts = wire.flat(_parts_of, document)
        self._learn_in(parts)
        for event in _events_of(parts):
            self._learn_in(wire.flat(_parts_of, event))

    def redacted(self, document: bytes) -> bytes:
        """Return a document with stand-ins at the paths, and for all that was learned."""
        parts = wire.flat(_parts_of, document)
        redacted = self._redacted_parts(parts, _OF_DOCUMENT)
        if events := _events_of(parts):
            redacted["History"] = Raw(
                _encode(
                    [self._redacted_parts(wire.flat(_parts_of, one), _OF_EVENT) for one in events]
                )
            )
        return _encode(redacted)

    def text(self, text: str) -> str:
        """Return a text that stands outside of the documents, with stand-ins."""
        return self._stand_ins.in_text(text)

    def _learn_in(self, parts: Mapping[str, Raw]) -> None:
        for key, tails in self._tails.items():
            if key in parts:
                wire.flat(self._changed, parts[key], tails, self._learned)

    def _learned(self, raw: bytes) -> bytes:
        self._stand_ins.learn(raw)
        return raw

    def _redacted_parts(self, parts: Mapping[str, Raw], known: Set[str]) -> dict[str, Raw]:
        return {
            key if key in known else self.text(key): Raw(
                self._redacted_part(key, raw) if key in known else self._stand_ins.in_json(raw)
            )
            for key, raw in parts.items()
        }

    def _redacted_part(self, key: str, raw: Raw) -> bytes | Raw:
        if key == "History" or key in _TIMES:
            return raw
        if key in _WORDS and _text_of(raw) in _WORDS[key]:
            return raw
        if key == "ForkedFrom":
            return _encode(self._redacted_parts(_parts_of(raw), _OF_FORK))
        if key in self._tails:
            changed = wire.flat(self._changed, raw, self._tails[key], self._stand_ins.instead_of)
        else:
            changed = bytes(raw)
        return self._stand_ins.in_json(changed, numbers=key in _PAYLOADS)

    def _changed(self, raw: Raw | bytes, tails: Sequence[_Tail], change: Change) -> bytes:
        """Return a JSON value with `change` applied at the end of each path."""
        deeper = [tail for tail in tails if tail.steps]
        if len(deeper) < len(tails):
            self.matched.update(tail.path for tail in tails if not tail.steps)
            if deeper:  # only to see whether they match
                self._changed(raw, deeper, bytes)
            return change(bytes(raw))
        begins = bytes(raw).lstrip()[:1]
        if begins == b"{":
            parts = _parts_of(raw)
            for key in parts.keys() & {tail.steps[0] for tail in tails}:
                inside = [_Tail(path, steps[1:]) for path, steps in tails if steps[0] == key]
                parts[key] = Raw(self._changed(parts[key], inside, change))
            return _encode(parts)
        if begins == b"[":
            items = _items_of(raw)
            for place, item in enumerate(items):
                wanted = (..., place, place - len(items))
                inside = [_Tail(path, steps[1:]) for path, steps in tails if steps[0] in wanted]
                if inside:
                    items[place] = Raw(self._changed(item, inside, change))
            return _encode(items)
        return bytes(raw)


def _events_of(parts: Mapping[str, Raw]) -> list[Raw]:
    history = parts.get("History", _NULL)
    return [] if bytes(history) == b"null" else wire.flat(_items_of, history)
