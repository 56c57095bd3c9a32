"""What went into a run and its steps and came out, as JSON text to unfold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from inngest_nb.api import Step, Trace
from inngest_nb.history import pretty
from inngest_nb.words import short

__all__ = ["Payload", "Payloads", "json_of", "payloads_of"]

SIZE = 2_000  # characters that are shown of one
_MOST = 40
_MOST_TEXT = 30_000  # characters of all
_TOO_DEEP = '"(nested too deeply to be shown)"'


class Payload(NamedTuple):
    """A text to unfold, and what it is."""

    label: str
    text: str


class Payloads(NamedTuple):
    """The first payloads of a run; `left_out` is how many more there are."""

    shown: tuple[Payload, ...] = ()
    left_out: int = 0


def payloads_of(trace: Trace) -> Payloads:
    """Give the payloads of a run, of its failed steps first; not more than a page can take."""
    failed_first = sorted(trace.steps, key=lambda step: step.status != "failed")
    given: list[tuple[str, Any]] = [("event", event) for event in trace.events]
    given += [item for step in failed_first for item in _of_step(step)]
    shown: list[Payload] = []
    room = _MOST_TEXT
    for label, value in given[:_MOST]:
        text = value if label.endswith("traceback") else pretty(json_of(value))
        room -= min(len(text), SIZE)
        if room < 0:
            break
        shown.append(Payload(label, text))
    return Payloads(tuple(shown), len(given) - len(shown))


def _of_step(step: Step) -> Iterator[tuple[str, Any]]:
    name = short(step.name, 40)
    for label, value in (("input", step.input), ("output", step.output)):
        if value is not None:
            yield f"{name}: {label}", value
    for attempt in step.attempts:
        if attempt.error is not None and attempt.error.stack:
            number = f" of attempt {attempt.number + 1}" if len(step.attempts) > 1 else ""
            yield f"{name}{number}: traceback", attempt.error.stack


def json_of(value: Any) -> str:
    """Return a payload as JSON; "" for None."""
    if value is None:
        return ""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return _TOO_DEEP
