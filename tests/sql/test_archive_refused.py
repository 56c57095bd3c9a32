"""What `archive` and `sql` say of paths and files that are no archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from archived import MIDDLE, OLDER
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI


def test_an_archive_of_another_server_is_left_alone(api: InngestAPI, path: Path) -> None:
    inb.archive(api, path, older_than=MIDDLE)
    before = path.read_bytes()
    with StoryServer() as another, InngestAPI(another.url) as other:
        with pytest.raises(ValueError, match="is one of http.*choose another path"):
            inb.archive(other, path, older_than=None)
        assert another.seen == []
    assert path.read_bytes() == before


def test_other_files_are_left_alone(api: InngestAPI, inngest: StoryServer, path: Path) -> None:
    asked = len(inngest.seen)
    path.write_bytes(b"not Parquet")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        inb.archive(api, path)
    assert path.read_bytes() == b"not Parquet"
    with duckdb.connect() as other:
        other.execute(f"copy (select 1 as id) to '{path}'")
    with pytest.raises(ValueError, match="is another Parquet file"):
        inb.archive(api, path)
    with pytest.raises(ValueError, match="is another Parquet file"):
        inb.sql("from runs", path)
    path.unlink()
    events = path.with_suffix(".events.parquet")
    events.write_bytes(b"somebody's own")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        inb.archive(api, path)
    assert events.read_bytes() == b"somebody's own"
    assert len(inngest.seen) == asked


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ('{"format": 2}', "must be an archive of format 1, but has format 2"),
        ('{"format": 1}', "its metadata is incomplete"),
        (
            '{"format": 1, "server": "x", "until": "soon", "version": ""}',
            "its metadata is incomplete",
        ),
        ("[1]", "is another Parquet file"),
        ("{", "is another Parquet file"),
    ],
)
def test_another_format_is_refused(api: InngestAPI, path: Path, header: str, message: str) -> None:
    inb.archive(api, path, older_than=MIDDLE)
    with duckdb.connect() as other:
        other.execute(f"create table t as from '{path}'")
        other.execute(
            f"copy t to '{path}' (format parquet, kv_metadata {{inngest_nb: '{header}'}})"
        )
    for call in (lambda: inb.archive(api, path), lambda: inb.sql("from runs", path)):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_file_with_other_columns_is_refused(api: InngestAPI, path: Path) -> None:
    kept = inb.archive(api, path, older_than=MIDDLE)
    with duckdb.connect() as other:
        file = path.with_suffix(".events.parquet")
        found = other.execute(f"select decode(value) from parquet_kv_metadata('{file}')").fetchone()
        assert found
        other.execute(
            f"copy (select 1 as id) to '{file}' (format parquet, kv_metadata {{inngest_nb: '{found[0]}'}})"
        )
    with pytest.raises(ValueError, match="events.parquet cannot be read as a part of an archive"):
        inb.sql("from events", kept)
    assert len(inb.sql("from runs", kept)) == OLDER


def test_an_archive_with_a_file_missing_is_refused(api: InngestAPI, path: Path) -> None:
    kept = inb.archive(api, path, older_than=MIDDLE)
    path.with_suffix(".events.parquet").unlink()
    for call in (lambda: inb.archive(api, path), lambda: inb.sql("from runs", kept)):
        with pytest.raises(
            ValueError, match=r"runs\.events\.parquet could not be found next to it"
        ):
            call()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "path must be a file, such as 'runs.parquet', got None"),
        ("", "path must be a file"),
        (3, "path must be a file"),
        (".", "is a folder"),
        ("runs.csv", "path must end with .parquet, such as 'runs.parquet', got 'runs.csv'"),
        ("nowhere/runs.parquet", "path must be in an existing folder"),
    ],
)
def test_a_path_that_makes_no_sense_is_refused(
    api: InngestAPI,
    inngest: StoryServer,
    tmp_path: Path,
    monkeypatch: Any,
    given: Any,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = len(inngest.seen)
    with pytest.raises(ValueError, match=message):
        inb.archive(api, given)
    assert (len(inngest.seen), [*tmp_path.iterdir()]) == (asked, [])


def test_an_age_that_makes_no_sense_is_refused(api: InngestAPI, path: Path) -> None:
    with pytest.raises(ValueError, match="older_than must be how long ago, such as '24h'"):
        inb.archive(api, path, older_than="long ago")


def test_a_path_without_an_archive_has_no_answer(path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"source must be an archive, but .* does not exist: write it with archive\(\)",
    ):
        inb.sql("from runs", path)
