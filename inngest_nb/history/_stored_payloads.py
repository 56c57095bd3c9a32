"""Payloads as the JSON texts of their document, digit for digit, for many states at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Raw, Struct
from msgspec.json import Decoder

from inngest_nb import wire
from inngest_nb.state import WorkflowState, wire_name

__all__ = ["event_texts", "state_texts"]

_NOTHING = Raw(b"null")


class _Event(Struct, rename=wire_name, gc=False):
    input: Raw = _NOTHING
    result: Raw = _NOTHING
    signal_payload: Raw = _NOTHING


class _State(Struct, rename=wire_name, gc=False):
    input: Raw = _NOTHING
    result: Raw = _NOTHING


class _History(Struct, rename=wire_name, gc=False):
    history: list[_Event] | None = None


_NEW = _Event()
_state_of = Decoder(_State).decode
_history_of = Decoder(_History).decode
_value_of = Decoder().decode


def state_texts(state: WorkflowState, names: Sequence[str]) -> list[str | None]:
    """Give the payloads of these names as JSON texts; None for null.

    Raises `TypeError` or `ValueError` for a value that JSON cannot represent.
    """
    values = [getattr(state, name) for name in names]
    if values == [None] * len(names):
        return values
    stored = _State() if state.origin is UNSET else wire.flat(_state_of, state.origin)
    return [_text(value, getattr(stored, name)) for value, name in zip(values, names, strict=True)]


def event_texts(state: WorkflowState, names: Sequence[str]) -> list[list[str | None]]:
    """Give, for each event of a history, what `state_texts` gives for a state."""
    events = state.history
    stored = [_NEW] * len(events) if state.origin is UNSET else _events_in(state.origin)
    if len(stored) != len(events):  # they do not stand where they stood
        stored = _events_in(wire.encode(state))
    return [
        [_text(getattr(event, name), getattr(twin, name)) for name in names]
        for event, twin in zip(events, stored, strict=True)
    ]


def _events_in(document: bytes | Raw) -> list[_Event]:
    return wire.flat(_history_of, document).history or []


def _text(value: Any, stored: Raw) -> str | None:
    """Write a payload as its document does, unless it has been changed since."""
    if value is None:
        return None
    if wire.differ(value, wire.flat(_value_of, stored)):
        return wire.encode_json(value).decode()
    return str(bytes(stored), "utf-8")
