"""Values as they come back from Inngest, which keeps numbers as floating point.

An integer above 2^53 loses digits there, and 1.0 comes back as 1. A value with such a number
travels a second time, as JSON text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from inngest_nb import wire

_MOST_EXACT = 2**53


def sealed(name: str, value: Any) -> dict[str, Any]:
    """Return a JSON value under its name, and as `exact` text too if Inngest would bend it."""
    if not _bends(value):
        return {name: value}
    return {name: value, "exact": wire.encode_json(value).decode()}


def unsealed(name: str, data: dict[str, Any]) -> Any:
    """Return the value that was sealed under a name."""
    exact = data.get("exact")
    return wire.decode_json(exact) if isinstance(exact, str) else data.get(name)


def text_of(when: datetime) -> str:
    """Return a time as text, to the microsecond."""
    return when.astimezone(UTC).isoformat()


def time_of(text: Any, otherwise: datetime) -> datetime:
    """Return the time that a text gives; `otherwise` if it gives none."""
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return otherwise
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def _bends(value: Any) -> bool:
    """Tell whether a JSON value has a number that is not the same as floating point in Go."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) > _MOST_EXACT
    if isinstance(value, float):
        return value.is_integer()
    if isinstance(value, dict):
        return any(map(_bends, value.values()))
    return isinstance(value, list) and any(map(_bends, value))
