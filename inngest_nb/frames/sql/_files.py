"""The Parquet files of an archive: which they are, whose, and how new ones take their place.

An archive has three files side by side: `runs.parquet`, `runs.step_attempts.parquet` and
`runs.events.parquet`. Each tells in its metadata what it belongs to. The file of the runs comes
last, and it alone makes the archive: what the others have beyond it is not looked at.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from inngest_nb import wire, words
from inngest_nb.errors import StoreDecodeError
from inngest_nb.frames.sql import _tables as tables
from inngest_nb.frames.sql._duck import connect, create, quoted
from inngest_nb.frames.sql._reading import STEPS_VIEW

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMAT = 1
_KEY = "inngest_nb"
TABLES = ("step_attempts", "events", "runs")  # in the order in which they are put in place


@dataclass(frozen=True)
class Archive:
    """Runs, steps and events of a real Inngest server in Parquet files.

    `path` is the file of the runs; those of the step attempts and the events are next to it.
    It has all runs that were scheduled until `until`, and `added` is how many of them are new.
    """

    path: Path
    server: str
    until: datetime
    runs: int
    steps: int
    step_attempts: int
    events: int
    added: int = 0
    version: str = field(default="", repr=False)  # another after each change


def file_of(path: Path, table: str) -> Path:
    """Return the file of a table, by that of the runs."""
    return path if table == "runs" else path.with_suffix(f".{table}.parquet")


def checked_path(given: Any, name: str) -> Path:
    """Return where an archive is, or is to be."""
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise ValueError(f"{name} must be a file, such as 'runs.parquet', got {given!r}")
    path = Path(os.path.abspath(os.fsdecode(given)))
    if path.is_dir():
        raise ValueError(f"{name} must be a file, such as 'runs.parquet', but {path} is a folder")
    if path.suffix != ".parquet":
        raise ValueError(
            f"{name} must end with .parquet, such as 'runs.parquet', got {words.short(path.name)!r}"
        )
    return path


def opened(path: Path) -> Archive | None:
    """Return the archive at a path; None where there is nothing.

    Raises `ValueError` for a file that is something else, or that this version does not read.
    """
    there = [file_of(path, table) for table in TABLES if file_of(path, table).exists()]
    if not there:
        return None
    said = {file: _said(file) for file in there}
    if path not in said:
        return None  # an archive that never came to be: its runs would have come last
    if len(there) < len(TABLES):
        files = [file_of(path, table) for table in TABLES]
        lost = " and ".join(file.name for file in files if not file.exists())
        raise ValueError(
            f"{path} must be a complete archive, but {lost} could not be found next to it: put "
            "back what is missing, or start a new archive at another path"
        )
    header = said[path]
    try:
        return Archive(
            path=path,
            server=str(header["server"]),
            until=datetime.fromisoformat(str(header["until"])).astimezone(UTC),
            version=str(header["version"]),
            **{name: int(header[name]) for name in ("runs", "steps", "step_attempts", "events")},
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path} must be an archive, but its metadata is incomplete") from error


def _said(file: Path) -> Mapping[str, Any]:
    """Return the metadata in a file, which describes the archive that it belongs to."""
    import duckdb

    with connect() as database:
        try:
            found = database.execute(
                "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = ?",
                [_literally(file), _KEY],
            ).fetchone()
        except duckdb.Error as error:
            raise ValueError(
                f"{file} must be an archive or a new file, but cannot be read as Parquet: "
                f"{words.short(str(error), 200)}"
            ) from error
    try:
        header = wire.decode_json(found[0]) if found else None
    except StoreDecodeError:
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("format"), int):
        raise ValueError(
            f"{file} must be an archive or a new file, but is another Parquet file; choose another "
            "path"
        )
    if header["format"] != FORMAT:
        raise ValueError(
            f"{file} must be an archive of format {FORMAT}, but has format "
            f"{header['format']}: use the version of inngest-nb that wrote it"
        )
    return header


def load(database: DuckDBPyConnection, archive: Archive, wanted: set[str]) -> None:
    """Make tables of an archive, those that are wanted."""
    import duckdb

    attempts = wanted & {"steps", "step_attempts"}
    for table in TABLES:
        if table in wanted or (table == "step_attempts" and attempts):
            create(database, table, tables.COLUMNS[table])
            try:
                database.execute(f"INSERT INTO {table} {rows_of(archive, table)}")
            except duckdb.Error as error:
                raise ValueError(
                    f"{file_of(archive.path, table)} cannot be read as a part of an archive: "
                    f"{words.short(str(error), 200)}"
                ) from error
    if attempts:
        database.execute(STEPS_VIEW)


def rows_of(archive: Archive, table: str) -> str:
    """Return the query for the rows of a file."""
    names = ", ".join(f'"{name}"' for name in tables.COLUMNS[table])
    query = f"SELECT {names} FROM {_read(file_of(archive.path, table))}"
    if table == "step_attempts":
        query += f" WHERE run_id IN (SELECT id FROM {_read(archive.path)})"
    return query


def _read(file: Path) -> str:
    return f"read_parquet({quoted(_literally(file))}, hive_partitioning = false)"


def _literally(file: Path) -> str:
    """Return a path in which no letter stands for others."""
    return glob.escape(str(file))


def replaced(
    database: DuckDBPyConnection, folder: Path, path: Path, queries: Mapping[str, str],
    *, before: Archive | None, server: str, until: datetime,
) -> Archive:  # fmt: skip
    """Write what the queries give into new files, and put these in the place of the old ones.

    Until the very last step the archive stays as it was.
    """
    new = folder / "runs.parquet"
    counts = _counts(database, queries)
    made = Archive(path, server, until, version=uuid4().hex, **counts)
    header = wire.encode_json(
        {"format": FORMAT, "server": server, "until": until.isoformat(), "version": made.version}
        | counts
    ).decode()
    for table in TABLES:
        database.execute(
            f"COPY ({queries[table]}) TO {quoted(str(file_of(new, table)))} "
            f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{_KEY}: {quoted(header)}}})"
        )
        _sync(file_of(new, table))
    written = _counts(
        database,
        {table: f"FROM {_read(file_of(new, table))}" for table in TABLES},
    )
    if written != counts:
        raise OSError(
            f"{path} was not changed: of {counts} only {written} were written to the new files"
        )
    _check_unchanged(path, before)
    for table in TABLES:
        os.replace(file_of(new, table), file_of(path, table))
        _sync(path.parent)
    return made


def _check_unchanged(path: Path, before: Archive | None) -> None:
    now = opened(path)
    if (now and now.version) != (before and before.version):
        raise FileExistsError(
            f"{path} was not written: another process changed it in the meantime; call archive() "
            "again to continue"
        )


def _counts(database: DuckDBPyConnection, queries: Mapping[str, str]) -> dict[str, int]:
    counts = {}
    for table in ("runs", "step_attempts", "events"):
        row = database.execute(f"SELECT count(*) FROM ({queries[table]})").fetchone()
        counts[table] = int(row[0]) if row else 0
    row = database.execute(
        f"SELECT count(*) FROM ({queries['step_attempts']}) WHERE is_latest"
    ).fetchone()
    return counts | {"steps": int(row[0]) if row else 0}


def _sync(place: Path) -> None:
    """Have the disk keep a file, or what is in a folder."""
    if os.name == "nt" and place.is_dir():
        return  # folders cannot be opened there
    handle = os.open(place, os.O_RDONLY if place.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
