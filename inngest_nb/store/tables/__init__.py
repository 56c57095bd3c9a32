"""Tables of documents, in memory or in an SQLite file, for the local stores and the server."""

from inngest_nb.store.rows import Position, Row
from inngest_nb.store.table import Done, StateTable
from inngest_nb.store.tables._local import (
    MemoryStore,
    SqliteStore,
    TableStore,
    open_table,
    path_of,
)
from inngest_nb.store.tables._memory import MemoryTable
from inngest_nb.store.tables._sqlite import SqliteTable
from inngest_nb.store.tables.sqlite.file import (
    APPLICATION_ID,
    BUNDLE_ID,
    Schema,
    new_schema,
    objects_in,
    words_for,
    write_ahead,
)
from inngest_nb.store.tables.sqlite.looker import examine

__all__ = [
    "APPLICATION_ID",
    "BUNDLE_ID",
    "Done",
    "MemoryStore",
    "MemoryTable",
    "Position",
    "Row",
    "Schema",
    "SqliteStore",
    "SqliteTable",
    "StateTable",
    "TableStore",
    "examine",
    "new_schema",
    "objects_in",
    "open_table",
    "path_of",
    "words_for",
    "write_ahead",
]
