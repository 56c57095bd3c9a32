"""Which tables and columns a query names: asked of DuckDB, before anything is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inngest_nb.frames.sql._duck import create, explained

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Parameters = Sequence[Any] | Mapping[str, Any]
Columns = Mapping[str, Mapping[str, str]]


def named(
    database: DuckDBPyConnection, tables: Columns, query: str, parameters: Parameters | None
) -> dict[str, set[str]]:
    """Make the tables, empty, and return those that a query reads, each with its columns.

    Raises `ValueError` for a query that makes no sense, or is more than a single SELECT.
    """
    example = f"'select * from {next(iter(tables))}'"
    if not isinstance(query, str) or not query.strip():
        raise ValueError(f"query must be SQL, such as {example}, got {query!r}")
    with explained(tables, query):
        import duckdb

        for table, columns in tables.items():
            create(database, table, columns)
        statements = database.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ValueError(
                f"query must be a single SELECT, such as {example}; "
                "a PIVOT must list its values: ON status IN ('Failed', 'Completed')"
            )
        try:
            database.sql(query, params=parameters)
        except duckdb.Error:
            database.execute(query, parameters)  # the same error, with its place
            raise
        scanned = _scanned(database, query)
        return {
            table: scanned.get(table, set(columns))
            for table, columns in tables.items()
            if not _does_without(database, table, columns, query, parameters)
        }


def _does_without(
    database: DuckDBPyConnection,
    table: str,
    columns: Mapping[str, str],
    query: str,
    parameters: Parameters | None,
) -> bool:
    """Tell whether a query that makes sense still does where a table is not there."""
    import duckdb

    database.execute(f"DROP TABLE {table}")
    try:
        database.sql(query, params=parameters)
    except duckdb.Error:
        return False
    else:
        return True
    finally:
        create(database, table, columns)


def _scanned(database: DuckDBPyConnection, query: str) -> dict[str, set[str]]:
    """Return the columns that the plan of a query scans, for each table that it tells of.

    It is the plan as it was bound, not yet optimized: of tables without rows, an optimized one
    would scan nothing.
    """
    found: dict[str, set[str]] = {}

    def note(part: dict[str, Any]) -> dict[str, Any]:
        scan = part.get("function_data") if part.get("type") == "LOGICAL_GET" else None
        if scan and "table" in scan:  # not a function such as range()
            names, places = part["names"], [each["index"] for each in part["column_indexes"]]
            columns = {names[place] for place in places if place < len(names)}
            found.setdefault(scan["table"], set()).update(columns)
        return part

    ((plan,),) = database.execute("SELECT json_serialize_plan(?)", [query]).fetchall()
    try:
        json.loads(plan, object_hook=note)
    except (KeyError, TypeError, RecursionError):  # of another version, or too deep to be looked at
        return {}
    return found
