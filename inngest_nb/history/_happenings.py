"""The events of a history with their payloads, as people read them."""

from __future__ import annotations

from typing import Any, NamedTuple

from inngest_nb.history._payloads import event_parts, pretty
from inngest_nb.state import HistoryEvent, WorkflowState

__all__ = ["Happening", "happenings"]

_EVENT_PAYLOADS = {"Input": "input", "Result": "result", "SignalPayload": "signal"}
_NOTHING = ("null", '""')


class Happening(NamedTuple):
    """An event with its payloads, as label and JSON text."""

    event: HistoryEvent
    payloads: list[tuple[str, str]]


def happenings(state: WorkflowState, count: int) -> list[Happening]:
    """Give the last events of a history with their payloads, digit for digit."""
    parts = event_parts(state)[-count:]
    return [
        Happening(event, _payloads_of(part))
        for event, part in zip(state.history[-count:], parts, strict=True)
    ]


def _payloads_of(part: dict[str, Any]) -> list[tuple[str, str]]:
    texts = {key: str(bytes(part[key]), "utf-8") for key in _EVENT_PAYLOADS if key in part}
    return [
        (_EVENT_PAYLOADS[key], pretty(text)) for key, text in texts.items() if text not in _NOTHING
    ]
