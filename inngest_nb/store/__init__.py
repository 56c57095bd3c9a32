"""Stores of workflow states: over HTTP, in a file, in memory.

The clients over HTTP are loaded on first use, because httpx takes longer to load than all the rest.
"""

import importlib
import typing

from inngest_nb.store.changes import Change, Changed
from inngest_nb.store.heads import (
    NEVER_US,
    Head,
    columns_of,
    duration_us,
    newest_first,
    rows_of_activities,
    rows_of_events,
)
from inngest_nb.store.messages import Message
from inngest_nb.store.protocol import (
    AppendingStore,
    AsyncWorkflowStore,
    FeedStore,
    HeadStore,
    SearchableStore,
    SharedStore,
    WorkflowStore,
    is_async,
)
from inngest_nb.store.rows import Row, States, state_of, states_of, unreadable_in
from inngest_nb.store.searching import (
    ACTIVITIES,
    EVENTS,
    Found,
    heads_of,
    ordered,
    search_for,
    search_states,
)
from inngest_nb.store.tables import MemoryStore, SqliteStore
from inngest_nb.store.writes import MAX_ADDED_BYTES, MAX_PAYLOAD_BYTES, SoundWrite, Write

if typing.TYPE_CHECKING:
    from inngest_nb.store.http import AsyncInngestStore, InngestStore

__all__ = [
    "ACTIVITIES",
    "EVENTS",
    "MAX_ADDED_BYTES",
    "MAX_PAYLOAD_BYTES",
    "NEVER_US",
    "AppendingStore",
    "AsyncInngestStore",
    "AsyncWorkflowStore",
    "Change",
    "Changed",
    "FeedStore",
    "Found",
    "Head",
    "HeadStore",
    "InngestStore",
    "MemoryStore",
    "Message",
    "Row",
    "SearchableStore",
    "SharedStore",
    "SoundWrite",
    "SqliteStore",
    "States",
    "WorkflowStore",
    "Write",
    "columns_of",
    "duration_us",
    "heads_of",
    "is_async",
    "newest_first",
    "ordered",
    "rows_of_activities",
    "rows_of_events",
    "search_for",
    "search_states",
    "state_of",
    "states_of",
    "unreadable_in",
]


def __getattr__(name: str) -> typing.Any:
    if name not in ("AsyncInngestStore", "InngestStore"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("inngest_nb.store.http"), name)
