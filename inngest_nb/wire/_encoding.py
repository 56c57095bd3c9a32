"""Writes states as documents, without losing anything.

A state remembers the document that it came from. Encoding it patches that document: only changed
fields are replaced, so unknown keys, nanoseconds, time zones and long numbers are preserved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from msgspec import UNSET, Raw, Struct
from msgspec.json import Decoder, Encoder
from msgspec.structs import astuple

from inngest_nb.errors import StoreDecodeError
from inngest_nb.state import DOCUMENT_FIELDS, HistoryEvent, WorkflowState, wire_name
from inngest_nb.wire._decoding import head, read_state, write_duration
from inngest_nb.wire._depth import flat
from inngest_nb.wire._payload import encode_json, json_error

_ZERO_TIME_TEXT = "0001-01-01T00:00:00Z"
_parts_of = Decoder(dict[str, Raw]).decode
_items_of = Decoder(list[Raw] | None).decode
_id_of = attrgetter("id")
_json = Encoder().encode
# Durations are the only fields of an event that JSON represents differently.
_events = Encoder(enc_hook=write_duration).encode
# For comparisons only; `total_seconds` distinguishes durations without a call of Python code.
_compare = Encoder(enc_hook=timedelta.total_seconds).encode


def encode(state: WorkflowState) -> bytes:
    """Encode a state as a document: the one that it came from, with the changed fields replaced.

    Raises `TypeError` or `ValueError`, which name the field, for what cannot be written as JSON.
    """
    if state.origin is UNSET:
        return _checked(written(fields(state, DOCUMENT_FIELDS)))
    document = bytes(state.origin)
    before = read_state(document)
    changed = [
        name for name in DOCUMENT_FIELDS if differ(getattr(state, name), getattr(before, name))
    ]
    if not changed:
        return document
    parts: dict[str, Any] = parts_of(document)
    history = parts.get("History")
    parts |= fields(state, [name for name in changed if name != "history"])
    if "history" in changed:
        parts["History"] = _patched(state.history, before.history, history)
    parts = _without(parts, state, changed)
    # What was not changed has just been read.
    new = {"WorkflowID", *(KEYS[name] for name in changed)}
    _checked(written({key: part for key, part in parts.items() if key in new}))
    return written(parts)


def written(parts: dict[str, Any] | list[dict[str, Any]]) -> bytes:
    """Encode the result of `fields` as a document or a part of one."""
    try:
        return _json(parts)
    except UnicodeEncodeError as error:  # in a string field: payloads are already encoded
        raise ValueError(
            f"a field cannot be written as JSON: {json_error(parts) or error}"
        ) from error


def parts_of(document: bytes | Raw) -> dict[str, Raw]:
    """Return the JSON text of each key of a document."""
    return flat(_parts_of, document)


def differ(now: Any, before: Any) -> bool:
    """Tell whether two values of a field are encoded differently."""
    if now is UNSET or before is UNSET:
        return now is not before
    try:
        return flat(_are_different, now, before)
    except (TypeError, ValueError, RecursionError):
        return True  # cannot be encoded at all: `fields` raises an error with the field's name


def _are_different(now: Any, before: Any) -> bool:
    # As values, because JSON turns NaN into null; as JSON, because 1 equals 1.0 and True.
    return bool(now != before) or _compare(now) != _compare(before)


def _patched(
    events: Sequence[HistoryEvent], before: Sequence[HistoryEvent], document: Raw | None
) -> list[Any]:
    """Encode events, each as a patch of the same event in the old history."""
    documents = (document is not None and flat(_items_of, document)) or []
    twins = _twins(events, before, documents)
    written: list[Any] = []
    for event, twin in zip(events, twins, strict=True):
        if twin is None:
            written.append(event_fields(event))
        elif differ(event, before[twin]):
            old = before[twin]
            changed = [n for n in EVENT_FIELDS if differ(getattr(event, n), getattr(old, n))]
            parts = parts_of(documents[twin]) | fields(event, changed)
            written.append(_without(parts, event, changed))
        else:
            written.append(documents[twin])
    return written


def _twins(
    events: Sequence[HistoryEvent], before: Sequence[HistoryEvent], documents: Sequence[Raw]
) -> list[int | None]:
    """Return for each event its position in the old history, None for a new event.

    Events are matched by id. If several have the same id, only those with the same contents and
    those edited in place are matched; the others must not inherit unknown keys, which could belong
    to another event.
    """
    twins: list[int | None] = [None] * len(events)
    olds, news = _places(before, _id_of), _places(events, _id_of)
    for key, new in news.items():
        old = olds.get(key, [])
        if len(old) == len(new) == 1:
            twins[new[0]] = old[0]
        elif old:
            said = _places(before, _text_of, old)
            for text, alike in _places(events, _text_of, new).items():
                same = said.get(text, [])
                if len(same) == len(alike):
                    for place, twin in zip(alike, same, strict=True):
                        twins[place] = twin
                elif len({bytes(documents[each]) for each in same}) == 1:
                    for place in alike:
                        twins[place] = same[0]
            if len(events) == len(before):
                free = {*old}.difference(twin for twin in twins if twin is not None)
                for place in free.intersection(new):
                    if twins[place] is None and _is_edit(events[place], before[place]):
                        twins[place] = place
    return twins


def _places(
    events: Sequence[HistoryEvent],
    key_of: Callable[[HistoryEvent], Any],
    among: Iterable[int] | None = None,
) -> dict[Any, list[int]]:
    """Return the positions of events by their key."""
    places: dict[Any, list[int]] = {}
    for place in range(len(events)) if among is None else among:
        places.setdefault(key_of(events[place]), []).append(place)
    return places


def _text_of(event: HistoryEvent) -> Any:
    """Return a key that is equal for events with the same contents."""
    try:
        return flat(_compare, event)
    except (TypeError, ValueError, RecursionError):
        return object()  # it cannot be encoded at all


def _is_edit(event: HistoryEvent, before: HistoryEvent) -> bool:
    """Tell whether an event is an edited version of the old one at its position."""
    known = event.timestamp is not None and event.timestamp == before.timestamp
    return known and (event.type, event.activity_name) == (before.type, before.activity_name)


def _without(parts: dict[str, Any], value: Struct, changed: Sequence[str]) -> dict[str, Any]:
    """Remove the keys of fields that are no longer set."""
    gone = {KEYS[name] for name in changed if getattr(value, name) is UNSET}
    return {key: part for key, part in parts.items() if key not in gone} if gone else parts


def fields(value: object, names: Iterable[str]) -> dict[str, Any]:
    """Return the named fields by their JSON keys, ready for the encoder."""
    return by_keys(names, [getattr(value, name) for name in names])


def event_fields(event: HistoryEvent) -> dict[str, Any]:
    """Return the fields of an event by their JSON keys, ready for the encoder."""
    return by_keys(EVENT_FIELDS, astuple(event))


def by_keys(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    """Return fields, given by their names and values, by their JSON keys, ready for the encoder."""
    parts: dict[str, Any] = {}
    for name, found in zip(names, values, strict=True):
        if found is UNSET:
            continue
        if (write := _WRITERS.get(name)) is not None:
            try:
                found = write(found)
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{name} cannot be written as JSON: {error}") from error
        parts[KEYS[name]] = found
    return parts


def _write_payload(value: Any) -> Raw | None:
    return None if value is None else Raw(encode_json(value))  # most events have one of three


def _write_time(value: datetime | None) -> datetime | str:
    return _ZERO_TIME_TEXT if value is None else value


EVENT_FIELDS = HistoryEvent.__struct_fields__
KEYS = {name: wire_name(name) for name in (*DOCUMENT_FIELDS, *EVENT_FIELDS)}
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "input": _write_payload,
    "result": _write_payload,
    "signal_payload": _write_payload,
    "details": _write_payload,
    "timestamp": _write_time,
    "created_at": _write_time,
    "updated_at": _write_time,
    "retry_at": _write_time,
    "lease_until": _write_time,
    "duration": write_duration,
    "timeout": write_duration,
    "history": lambda events: Raw(history_json(events)),
}


def _payloads(event: HistoryEvent) -> list[Any]:
    given = event.input, event.result, event.signal_payload, event.details
    return [payload for payload in given if payload is not None and payload is not UNSET]


def history_json(events: Sequence[HistoryEvent], *, sound: bool = False) -> bytes:
    """Encode events at once, if that gives the same result as encoding field by field.

    With `sound=True` their payloads are known to come from JSON, and are not checked again.
    """
    try:
        if not sound:
            encode_json([payload for event in events for payload in _payloads(event)])
        text = _events(events)
    except (TypeError, ValueError, RecursionError):
        text = b""
    empty = 3 * len(events)
    for event in events:
        empty -= event.input is not None
        empty -= event.result is not None
        empty -= event.signal_payload is not None
    # More nulls than empty payloads mean an unset time, NaN, or just a null inside a payload.
    if text and text.count(b"null") == empty:
        return text
    return written(list(map(event_fields, events)))


def _checked(document: bytes) -> bytes:
    """Reject a document that cannot be decoded, for example with a number as `error`."""
    try:
        head(document)
    except StoreDecodeError as error:
        raise TypeError(f"a field has the wrong type: {error}") from error
    return document
