"""DuckDB, kept from files and the network: a database in memory that a stranger may ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from inngest_nb import wire, words
from inngest_nb.frames.sql._tables import Row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Extensions come from the network; Python's variables, and a folder for what memory cannot hold,
# are not a query's business.
_SETTINGS = {
    "allow_community_extensions": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "pandas_analyze_sample": 0,  # objects are texts, also where the first ones are missing
    "python_enable_replacements": False,
}
_NO_COLUMN = re.compile("column .* not found|does not have a column")
# A word of SQL's, as which it is read unless it is quoted or stands behind a table.
_AT = re.compile(r"""(?<![\w."'])at(?![\w"'])""", re.IGNORECASE)
_MOST_BYTES = 8 * 2**20  # of rows that are handed over at once
_MOST_ROWS = 1_000


def connect(file: str = ":memory:", **settings: Any) -> DuckDBPyConnection:
    """Open a database that still may read files; its times are in UTC."""
    try:
        import duckdb
    except ImportError as error:
        raise ImportError('SQL and archives need DuckDB: pip install "inngest-nb[sql]"') from error
    made = duckdb.connect(file, config={"temp_directory": ""} | _SETTINGS | settings)
    made.execute("SET TimeZone = 'UTC'")
    return made


def lock(database: DuckDBPyConnection) -> DuckDBPyConnection:
    """Take files and the network away from a database for good."""
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return database


def create(database: DuckDBPyConnection, table: str, columns: Mapping[str, str]) -> None:
    """Create an empty table."""
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    database.execute(f"CREATE TABLE {table} ({listed})")


def quoted(text: str) -> str:
    """Write a text as a literal, where a statement takes no parameter."""
    return "'" + text.replace("'", "''") + "'"


class Sink:
    """Rows on their way into a table; a full load is handed over at once."""

    def __init__(
        self, database: DuckDBPyConnection, table: str, columns: Mapping[str, str]
    ) -> None:
        self._database = database
        # What is JSON comes as text, so that it stays as it is.
        shape = {
            name: ["VARCHAR"] if kind.endswith("[]") else _plain(kind)
            for name, kind in columns.items()
        }
        names = ", ".join(f'"{name}"' for name in columns)
        self._insert = (
            f"INSERT INTO {table} ({names}) SELECT {names} FROM "
            f"(SELECT unnest(from_json(?, {quoted(_text([shape]))}), max_depth := 2))"
        )
        self._rows: list[bytes] = []
        self._bytes = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Take rows."""
        for row in rows:
            body = wire.encode_json(row)
            self._rows.append(body)
            self._bytes += len(body)
            if self._bytes > _MOST_BYTES or len(self._rows) >= _MOST_ROWS:
                self.flush()

    def flush(self) -> None:
        """Hand over what is left."""
        if self._rows:
            body = (b"[" + b",".join(self._rows) + b"]").decode()
            self._rows, self._bytes = [], 0
            self._database.execute(self._insert, [body])


def _plain(kind: str) -> str:
    return "VARCHAR" if kind == "JSON" else kind.partition(" ")[0]


def _text(value: Any) -> str:
    return wire.encode_json(value).decode()


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn what DuckDB makes of an interrupt back into a `KeyboardInterrupt`."""
    import duckdb

    try:
        yield
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from None


@contextmanager
def together(database: DuckDBPyConnection) -> Iterator[None]:
    """Keep all rows of a block, or none of them."""
    database.begin()
    try:
        with interruptible():
            yield
            database.commit()
    except BaseException:
        import duckdb

        with suppress(duckdb.Error):  # perhaps all was kept just before
            database.rollback()
        raise


@contextmanager
def explained(tables: Mapping[str, Mapping[str, str]], query: str) -> Iterator[None]:
    """Turn what DuckDB says against a query into a `ValueError` with its words and the place.

    It also says which tables there are, or columns, where a query names others.
    """
    import duckdb

    try:
        with interruptible():
            yield
    except duckdb.Error as error:
        said = words.visible_lines(str(error))
        hints = "".join(f"\n{hint}" for hint in _hints(error, tables, query))
        # Not from the error, whose text may play tricks in a terminal.
        raise ValueError(f"query cannot be run: {said}{hints}") from None


def _hints(error: Exception, tables: Mapping[str, Mapping[str, str]], query: str) -> Iterator[str]:
    import duckdb

    if isinstance(error, duckdb.CatalogException | duckdb.PermissionException):
        yield f"A query can read the tables {', '.join(tables)}, but no files and no addresses"
    elif isinstance(error, duckdb.BinderException) and _NO_COLUMN.search(str(error)):
        read = [name for name in tables if re.search(rf"\b{name}\b", query, re.IGNORECASE)]
        for name in read or tables:
            yield f"The columns of {name} are {', '.join(tables[name])}"
    elif isinstance(error, duckdb.ParserException) and _AT.search(query):
        yield from (
            f'The column at of {name} is written "at", in quotes, or {name}.at'
            for name, columns in tables.items()
            if "at" in columns
        )
