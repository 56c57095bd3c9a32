"""What the processes of tests about appending run: they append, and tell what was acknowledged."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import inngest_nb
from inngest_nb import AppendingStore, HistoryEvent, WorkflowState, Write, wire


def race(store: AppendingStore, name: str, wins: int) -> None:
    """Append to whatever version is there until `wins` appends were acknowledged."""
    won, tries = 0, count()
    while won < wins:
        state = store.load("x")
        assert state is not None
        etag = f"{name}{next(tries)}"
        document = wire.encode_part([HistoryEvent(activity_name=etag)])
        (error,) = store.append_history(
            [Write("x", document, False, etag=etag, if_match=state.etag)]
        )
        if error is None:
            print(etag, flush=True)  # noqa: T201
            won += 1


def append_for_ever(store: AppendingStore, workflow_id: str) -> None:
    """Append event after event, and print the number of each once it is acknowledged."""
    document = wire.encode(WorkflowState(workflow_id=workflow_id))
    store.append_history([Write(workflow_id, document, True, etag="e0")])
    for number in count(1):
        document = wire.encode_part([HistoryEvent(id=number, result="ü" * (number % 3000))])
        write = Write(workflow_id, document, False, etag=f"e{number}", if_match=f"e{number - 1}")
        (error,) = store.append_history([write])
        if error is not None:
            raise error
        print(number, flush=True)  # noqa: T201


def child_environment() -> dict[str, str]:
    """Give an environment in which a process finds the package and this module."""
    places = [Path(inngest_nb.__file__).parent.parent, Path(__file__).parent]
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}
