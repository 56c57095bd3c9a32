"""Workflows as a search looks at them, made of plain values."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class PlainRow:
    """A row whose columns and payloads are given; payloads may be values or raw JSON."""

    def __init__(self, input: Any = None, result: Any = None, **columns: Any) -> None:
        self.columns = columns
        self.payloads = {"input": _json(input), "result": _json(result)}

    def column(self, name: str) -> Any:
        return self.columns.get(name)

    def payload(self, name: str) -> bytes:
        return self.payloads[name]


class NoPayloads(PlainRow):
    """A row whose payloads must not be read."""

    def payload(self, name: str) -> bytes:
        raise AssertionError(f"{name} was read")


def pickled(value: Any) -> Any:
    """Return what comes back from a pickle."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301


def _json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()
