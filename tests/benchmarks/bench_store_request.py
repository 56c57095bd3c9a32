"""What InngestStore costs beside the same request made with bare httpx.

The state is the largest of the Go documents (1.9 kB, 8 events); the server is ours, in a process
of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

import httpx
from alternating import compare
from served import state_server

from inngest_nb import InngestStore, WorkflowState, wire

DOCUMENTS = Path(__file__).parent.parent / "data" / "go-states.jsonl"
GOAL = 0.95


def main() -> None:
    document = max(DOCUMENTS.read_bytes().splitlines()[20:], key=len)
    loaded = wire.decode(document)
    made = WorkflowState(
        workflow_id="made",
        status=loaded.status,
        input=loaded.input,
        error=loaded.error,
        history=loaded.history,
        created_at=loaded.created_at,
        updated_at=loaded.updated_at,
    )
    with tempfile.TemporaryDirectory() as folder, state_server(Path(folder) / "state.db") as url:
        with InngestStore(url) as store, httpx.Client() as bare:
            measure(store, bare, url, loaded, made)


def measure(
    store: InngestStore, bare: httpx.Client, url: str, loaded: WorkflowState, made: WorkflowState
) -> None:
    store.save(loaded)
    body = wire.encode(loaded)
    path = f"{url}/v1/workflows/{loaded.workflow_id}"
    headers = {"Content-Type": "application/json"}
    names = ("InngestStore", "bare httpx.Client")
    compare(
        "store: load",
        lambda: store.load(loaded.workflow_id),
        lambda: bare.get(path),
        names=names,
        goal=GOAL,
    )
    compare(
        "store: save a state that was loaded",
        lambda: store.save(loaded),
        lambda: bare.put(path, content=body, headers=headers),
        names=names,
        goal=GOAL,
    )
    edited = _edits(loaded)
    compare(
        "store: save a state that was edited",
        lambda: store.save(edited()),
        lambda: bare.put(path, content=body, headers=headers),
        names=names,
        goal=GOAL,
    )
    compare(
        "store: save a state that was made here",
        lambda: store.save(made),
        lambda: bare.put(f"{url}/v1/workflows/made", content=wire.encode(made), headers=headers),
        names=(names[0], "wire.encode + bare httpx.Client"),
        goal=GOAL,
    )


def _edits(state: WorkflowState) -> Callable[[], WorkflowState]:
    numbers = count()
    return lambda: state.replace(error=f"edit {next(numbers)}")


if __name__ == "__main__":
    main()
