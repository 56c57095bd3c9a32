"""Partial documents: what a run adds to its stored document, without the rest of it.

A partial document has the shape of a whole one, and every key may be missing. The events of its
`History` are appended to the stored ones; its other keys replace the stored ones. A null for one
of our own keys (`Owner`, `Fence`, `LeaseUntil`, `ForkedFrom`, `ParentID`) removes that key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from msgspec.json import Decoder, Encoder

from inngest_nb.state import DOCUMENT_FIELDS, ForkOrigin, HistoryEvent, WorkflowState, wire_name
from inngest_nb.wire._document import (
    EVENT_FIELDS,
    KEYS,
    OutOfBand,
    WholeEvent,
    check_durations,
    decode,
    differ,
    fields,
    parts_of,
    read_text,
    write_duration,
    written,
)
from inngest_nb.wire._payload import encode_json

# Durations are all that an event holds in another form than the wire does.
_events = Encoder(enc_hook=write_duration).encode
_json = Encoder().encode
_SPACE = b" \t\r\n"
# Our own fields, the only ones that a document can do without.
_REMOVABLE = {
    name
    for name, default in zip(
        reversed(WorkflowState.__struct_fields__),
        reversed(WorkflowState.__struct_defaults__),
        strict=False,
    )
    if default is UNSET and name in DOCUMENT_FIELDS
}
_REMOVABLE_KEYS = {KEYS[name] for name in _REMOVABLE}


class PartHead(OutOfBand, rename=wire_name):
    """What a store indexes of a partial document; reading it checks all that `decode` reads."""

    workflow_id: str | UnsetType = UNSET
    run_id: str = ""
    status: str | UnsetType = UNSET
    error: str = ""
    input: Any = None
    result: Any = None
    history: list[WholeEvent] | None = None
    created_at: Annotated[datetime, Meta(tz=True)] | None = None
    updated_at: Annotated[datetime, Meta(tz=True)] | UnsetType | None = UNSET
    owner: str | UnsetType | None = UNSET
    fence: int | None = None
    lease_until: Annotated[datetime, Meta(tz=True)] | None = None
    forked_from: ForkOrigin | None = None
    parent_id: str | None = None


_part_head_of = Decoder(PartHead).decode


def part_head(part: bytes) -> PartHead:
    """Read what an index needs of a partial document.

    Raises `StoreDecodeError` for one that would make a document unreadable.
    """
    found: PartHead = read_text(_part_head_of, part)
    check_durations(found.history)
    return found


def encode_part(events: Sequence[HistoryEvent], *, sound: bool = False, **changes: Any) -> bytes:
    """Write a partial document: events to append, and fields by their names in `WorkflowState`.

    `UNSET` removes one of our own fields. Raises `TypeError` or `ValueError` for what JSON cannot
    hold, naming the field. With `sound` the events' payloads were read from JSON (`json_copy`):
    they are not looked at once more.
    """
    for name, value in changes.items():
        if name not in DOCUMENT_FIELDS or name == "history":
            raise TypeError(f"a partial document has no field {name!r}")
        if value is UNSET and name not in _REMOVABLE:
            raise ValueError(f"{name} cannot be removed from a document")
    parts = fields(SimpleNamespace(**changes), changes)
    for name, value in changes.items():
        if value is UNSET:
            parts[KEYS[name]] = None
    parts["History"] = Raw(_history(events, sound))
    return written(parts)


def edits(state: WorkflowState) -> bytes | None:
    """Write what was changed in a loaded state as a partial document.

    None stands for what no partial document can say: another id, or a history that does more than
    go on behind the loaded one. Raises what `encode_part` does.
    """
    if state.origin is UNSET:
        return None
    before = decode(bytes(state.origin))
    kept = len(before.history)
    if state.workflow_id != before.workflow_id or differ(state.history[:kept], before.history):
        return None
    changes = {
        name: getattr(state, name)
        for name in DOCUMENT_FIELDS
        if name != "history" and differ(getattr(state, name), getattr(before, name))
    }
    return encode_part(state.history[kept:], **changes)


def _history(events: Sequence[HistoryEvent], sound: bool) -> bytes:
    """Write events in one go where that gives what writing field by field would."""
    try:
        for event in () if sound else events:
            for payload in (event.input, event.result, event.signal_payload):
                encode_json(payload)
        text = _events(events)
    except (TypeError, ValueError, RecursionError):
        text = b""
    empty = 3 * len(events)
    for event in events:
        empty -= event.input is not None
        empty -= event.result is not None
        empty -= event.signal_payload is not None
    # More nulls than empty payloads: a time that is not set, NaN, or just a null somewhere inside.
    if text and text.count(b"null") == empty:
        return text
    return written([fields(event, EVENT_FIELDS) for event in events])


def splice(document: bytes, parts: Sequence[bytes]) -> bytes:
    """Make one document of a stored one and the partial ones that follow it.

    Values stay byte for byte as they are, and keys keep their order; new ones come at the end.
    What cannot be joined is put into lines one after the other: nobody can read that, and whoever
    tries hears so.
    """
    if not parts:
        return document
    try:
        return _joined(document, parts)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b"\n".join((document, *parts))


def _joined(document: bytes, parts: Sequence[bytes]) -> bytes:
    whole = parts_of(document)
    stored = whole.get("History")
    histories = [b"" if stored is None else _inside(stored)]
    for part in parts:
        changes = parts_of(part)
        added = changes.pop("History", None)
        if added is not None:
            histories.append(_inside(added))
        for key, value in changes.items():
            if key in _REMOVABLE_KEYS and bytes(value) == b"null":
                whole.pop(key, None)
            else:
                whole[key] = value
    if any(histories[1:]):
        whole["History"] = Raw(b"[%s]" % b",".join(filter(None, histories)))
    return _json(whole)


def _inside(history: Raw) -> bytes:
    """Give the events of a history as they are written, without the brackets around them."""
    text = bytes(history)
    return b"" if text == b"null" else text[1:-1].strip(_SPACE)
