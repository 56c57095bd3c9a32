"""Stores of workflow states: over HTTP, in a file, in memory."""

from inngest_nb.store.feed import Change, Changed
from inngest_nb.store.heads import Head
from inngest_nb.store.http import AsyncInngestStore, InngestStore
from inngest_nb.store.messages import Message
from inngest_nb.store.protocol import (
    AppendingStore,
    AsyncWorkflowStore,
    FeedStore,
    HeadStore,
    SharedStore,
    WorkflowStore,
)
from inngest_nb.store.rows import States, unreadable_in
from inngest_nb.store.tables import MemoryStore, SqliteStore
from inngest_nb.store.writes import MAX_ADDED_BYTES, MAX_PAYLOAD_BYTES, SoundWrite, Write

__all__ = [
    "MAX_ADDED_BYTES",
    "MAX_PAYLOAD_BYTES",
    "AppendingStore",
    "AsyncInngestStore",
    "AsyncWorkflowStore",
    "Change",
    "Changed",
    "FeedStore",
    "Head",
    "HeadStore",
    "InngestStore",
    "MemoryStore",
    "Message",
    "SharedStore",
    "SoundWrite",
    "SqliteStore",
    "States",
    "WorkflowStore",
    "Write",
    "unreadable_in",
]
