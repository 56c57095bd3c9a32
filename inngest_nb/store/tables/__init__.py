"""Tables of documents, in memory or in an SQLite file, for the local stores and the server."""

from inngest_nb.store.rows import Position, Row
from inngest_nb.store.table import Done, StateTable
from inngest_nb.store.tables._local import MemoryStore, SqliteStore, open_table, path_of
from inngest_nb.store.tables._memory import MemoryTable
from inngest_nb.store.tables._sqlite import SqliteTable
from inngest_nb.store.tables._sqlite_file import write_ahead
from inngest_nb.store.tables._sqlite_looker import examine

__all__ = [
    "Done",
    "MemoryStore",
    "MemoryTable",
    "Position",
    "Row",
    "SqliteStore",
    "SqliteTable",
    "StateTable",
    "examine",
    "open_table",
    "path_of",
    "write_ahead",
]
