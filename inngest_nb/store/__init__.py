"""Where workflow states are kept: over HTTP, in a file, in memory."""

from inngest_nb.store._local import MemoryStore, SqliteStore

__all__ = ["MemoryStore", "SqliteStore"]
