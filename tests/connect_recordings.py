"""The recorded frames of a connected worker, and its functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import inngest
from executor_recordings import at_once
from recorded_flows import flow_functions

_FILE = Path(__file__).parent / "data" / "inngest" / "executor" / "connect.jsonl"

APP = "nb-rec"
# Each with `from`, `kind` and `payload`, in the order in which they went over the socket.
FRAMES: list[dict[str, Any]] = [
    json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()
]


def functions(client: inngest.Inngest) -> list[inngest.Function[Any]]:
    """Make the functions that the worker had, and more of their kind."""
    return flow_functions(client, at_once)


def recorded(kind: str) -> list[dict[str, Any]]:
    """Return the payloads of the recorded frames of a kind."""
    return [frame["payload"] for frame in FRAMES if frame["kind"] == kind]


def request_id_of(frame: dict[str, Any]) -> str:
    """Return the executor request that a recorded frame belongs to, or ""."""
    return str((frame["payload"] or {}).get("request_id", ""))
