"""Reading what a query wants from a store, or from states, into a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._source import Source, is_store, take
from inngest_nb.frames.sql._duck import interruptible
from inngest_nb.frames.sql._store_tables import TABLES
from inngest_nb.state import WorkflowState
from inngest_nb.wire import uncollected
from inngest_nb.words import store_name, visible

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Times and durations are handed over as counts of microseconds, which any version reads alike.
_MADE = {"M": 'make_timestamp("{}")', "m": 'to_microseconds("{}")'}


@uncollected()
def fill(
    database: DuckDBPyConnection,
    source: Source,
    wanted: Mapping[str, set[str]],
    start: datetime | None,
    end: datetime | None,
) -> dict[str, Any]:
    """Fill tables with the workflows that were updated in a window, and return a frame's `attrs`.

    Only the columns that are wanted are read and filled. All tables show one moment of the source.
    """
    if not wanted:
        name = store_name(source) if is_store(source) else None
        return _attrs(TABLES["workflows"].frame([])) | {"source": name}
    window = {"since": start, "until": end}
    if (table := _alone(wanted)) is not None:
        # The frame reads a store without loading states, where it can.
        rows = TABLES[table].frame(source, **window)
        _insert(database, table, rows, wanted[table])
        return _attrs(rows)
    taken = take(source, None, 0, window).settled()
    # What cannot be read has its row in the frame too, where it has no payloads.
    states = [
        WorkflowState(workflow_id=head.workflow_id) if state is None else state
        for head, state in taken.whole()
    ]
    attrs: dict[str, Any] = {}
    for table in (name for name in TABLES if name in wanted):
        rows = TABLES[table].frame(taken)
        attrs |= _attrs(rows)
        rows = _with_payloads(rows, table, states, wanted[table])
        _insert(database, table, rows, wanted[table])
    return attrs


def _attrs(rows: pd.DataFrame) -> dict[str, Any]:
    return {str(name): said for name, said in rows.attrs.items()}


def _alone(wanted: Mapping[str, set[str]]) -> str | None:
    """Return the table if its frame alone answers the query: no other table, and no payloads."""
    if len(wanted) > 1:
        return None
    ((table, names),) = wanted.items()
    return None if names & TABLES[table].payloads.keys() else table


def _with_payloads(
    rows: pd.DataFrame, table: str, states: Iterable[WorkflowState], wanted: set[str]
) -> pd.DataFrame:
    """Add the wanted payloads to the rows of a frame, as JSON."""
    known = TABLES[table]
    names = [name for name in known.payloads if name in wanted]
    if not names:
        return rows
    fields = [known.payloads[name] for name in names]
    texts = [row for state in states for row in known.texts(state, fields)]
    return rows.assign(
        **{name: columns.text(row[at] for row in texts) for at, name in enumerate(names)}
    )


def _insert(database: DuckDBPyConnection, table: str, rows: pd.DataFrame, wanted: set[str]) -> None:
    """Put the wanted columns of a frame into a table; what it has beyond them stays empty."""
    import duckdb

    # The first column tells how many rows there are where none is named.
    names = [name for at, name in enumerate(rows) if at == 0 or name in wanted]
    read = ", ".join(_MADE.get(rows[name].dtype.kind, '"{}"').format(name) for name in names)
    into = ", ".join(f'"{name}"' for name in names)
    given = pd.DataFrame({name: _plain(rows[name]) for name in names})
    try:
        database.register("given", given)
        with interruptible():
            database.execute(f"INSERT INTO {table} ({into}) SELECT {read} FROM given")
    except duckdb.Error as error:
        raise ValueError(
            f"source has {table} that SQL cannot hold: {visible(str(error))}"
        ) from None
    finally:
        database.unregister("given")


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as whole numbers, or as texts and None; its rows are counted from 0."""
    column = column.reset_index(drop=True)
    if column.dtype.kind in "mM":
        counts = column.astype("int64").to_numpy()
        return pd.Series(pd.arrays.IntegerArray(counts, counts == columns.NOT_SET))
    if column.dtype.kind == "i":
        return column
    return column.astype(object).where(column.notna(), None)
