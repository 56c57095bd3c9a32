"""Partial documents: what a run adds to its stored document, without the rest of it.

A partial document has the same structure as a whole one, but any key can be missing. The events of
its `History` are appended to the stored ones; its other keys replace the stored ones. A null
removes one of our own keys (`Owner`, `Fence`, `LeaseUntil`, `ForkedFrom`, `ParentID`, `Waits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from msgspec.json import Decoder, Encoder

from inngest_nb.state import (
    DOCUMENT_FIELDS,
    ForkOrigin,
    HistoryEvent,
    Waits,
    WorkflowState,
    wire_name,
)
from inngest_nb.wire._decoding import OutOfBand, WholeEvent, check_durations, decode, read_text
from inngest_nb.wire._encoding import KEYS, by_keys, differ, history_json, parts_of, written

_json = Encoder().encode
_SPACE = b" \t\r\n"
# Our own fields, the only ones that can be removed from a document.
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
    """The fields that a store indexes of a partial document; decoding them checks all of it."""

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
    waits: Waits | None = None


_part_head_of = Decoder(PartHead).decode


def part_head(part: bytes) -> PartHead:
    """Decode the fields of a partial document for an index.

    Raises `StoreDecodeError` if it would make the stored document unreadable.
    """
    found: PartHead = read_text(_part_head_of, part)
    check_durations(found.history)
    return found


def encode_part(events: Sequence[HistoryEvent], *, sound: bool = False, **changes: Any) -> bytes:
    """Encode a partial document: events to append, and fields by their names in `WorkflowState`.

    `UNSET` removes one of our own fields. Raises `TypeError` or `ValueError`, which name the field,
    for what cannot be written as JSON. With `sound=True` the events' payloads are known to come
    from JSON (`json_copy`) and are not checked again.
    """
    for name, value in changes.items():
        if name not in DOCUMENT_FIELDS or name == "history":
            raise TypeError(f"a partial document has no field {name!r}")
        if value is UNSET and name not in _REMOVABLE:
            raise ValueError(f"{name} cannot be removed from a document")
    parts = by_keys(changes, changes.values())
    for name, value in changes.items():
        if value is UNSET:
            parts[KEYS[name]] = None
    parts["History"] = Raw(history_json(events, sound=sound))
    return written(parts)


def edits(state: WorkflowState) -> bytes | None:
    """Encode the changes of a loaded state as a partial document.

    Returns None if a partial document cannot express them: another id, or a history that does not
    just extend the loaded one. Raises the same errors as `encode_part`.
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


def splice(document: bytes, parts: Sequence[bytes]) -> bytes:
    """Merge a stored document and the partial ones that follow it into one document.

    Values are kept byte for byte, and keys in their order; new keys come last. If the documents
    cannot be merged, they are returned one per line, which is not valid JSON, so that reading it
    raises an error.
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
    """Return the JSON text of a history's events, without the brackets around them."""
    text = bytes(history)
    return b"" if text == b"null" else text[1:-1].strip(_SPACE)
