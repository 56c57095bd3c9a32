"""What a query cannot reach: files, addresses, extensions, settings, Python, keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from story_server import SIGNING_KEY, StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI

SAMPLES = [*inb.samples.states(2)]
rows_of_python = {"secret": [1, 2, 3]}  # a name that a query might find

# With the path of a file that is there and could be read, and that of a new one.
REACHING = [
    "from read_csv('{file}')",
    "from read_csv_auto(['{file}'])",
    "from read_text('{file}')",
    "from read_blob('{file}')",
    "from read_json('{file}')",
    "from '{file}'",
    'from "{file}"',
    "from read_parquet('{archive}')",
    "from '{archive}'",
    "from parquet_metadata('{archive}')",
    "from parquet_kv_metadata('{archive}')",
    "from glob('{folder}/*')",
    "from sniff_csv('{file}')",
    "from query('from read_text(''{file}'')')",
    "from query_table('{file}')",
    "with x as (select * from read_text('{file}')) from x",
    "with x as (copy {table} to '{new}') from x",
    "copy {table} to '{new}'",
    "copy (select 1) to '{new}' (format parquet)",
    "export database '{new}'",
    "attach '{new}'",
    "attach '{new}' as other; create table other.x as select 1",
    "create table x as from read_text('{file}')",
    "install httpfs",
    "load httpfs",
    "install '{file}'",
    "load '{file}'",
    "from read_csv('https://localhost:1/x.csv')",
    "from 'https://localhost:1/x.parquet'",
    "from 's3://bucket/x.parquet'",
    "select getenv('HOME')",
    "from which_secret('s3://x', 's3')",
    "create secret s (type s3)",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "reset enable_external_access",
    "set global temp_directory = '{new}'",
    "pragma enable_external_access",
    "call enable_logging()",
    "use other",
    "from rows_of_python",
    "from query_table('rows_of_python')",
    "prepare p as select 1",
    "from pandas_scan(1)",
    "from given",
    "insert into {table} (error) values ('x')",
    "drop table {table}",
    "create or replace temp table {table} as select 1",
    "create macro x() as 1",
    "explain analyze select 1; copy {table} to '{new}'",
]


@pytest.fixture(params=["server", "archive", "store"])
def any_source(request: pytest.FixtureRequest, api: InngestAPI, kept: Any) -> Any:
    return {"server": api, "archive": kept, "store": SAMPLES[:1]}[request.param]


@pytest.mark.parametrize("table", ["runs", "workflows"])
@pytest.mark.parametrize("query", REACHING)
def test_a_query_reaches_no_file_no_address_and_no_setting(
    kept: Any, tmp_path: Path, query: str, table: str
) -> None:
    file = tmp_path / "there.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    before = kept.path.read_bytes()
    new = tmp_path / "new"
    made = query.format(file=file, archive=kept.path, folder=tmp_path, new=new, table=table)
    with pytest.raises(ValueError, match="query"):
        inb.sql(made, kept if table == "runs" else SAMPLES[:1])
    assert [*tmp_path.iterdir()] == [file]
    assert kept.path.read_bytes() == before


def test_nothing_is_written_into_the_working_folder(
    any_source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # More than fits into memory would go into a file, were there one.
    inb.sql("select max(x) over (order by y) from range(200000) t(x), (select 1 as y)", any_source)
    assert os.listdir(tmp_path) == []


def test_the_settings_say_that_all_is_locked(any_source: Any) -> None:
    query = "select name, value from duckdb_settings() where name in ({})"
    wanted = {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false",
        "python_enable_replacements": "false",
        "temp_directory": "",
    }
    names = ", ".join(f"'{name}'" for name in wanted)
    rows = inb.sql(query.format(names), any_source)
    assert dict(rows.itertuples(index=False)) == wanted


def test_keys_are_in_no_answer_no_error_and_no_file(tmp_path: Path) -> None:
    key = SIGNING_KEY
    with StoryServer("cloud") as inngest, InngestAPI(inngest.url, key, "event-key-9876") as api:
        archive = inb.archive(api, tmp_path / "runs.parquet", older_than=None)
        answer = inb.sql("select * from runs join steps on run_id = runs.id", api, since=None)
        settings = inb.sql("select * from duckdb_settings()", archive)
        with pytest.raises(ValueError, match="query cannot be run") as refused:
            inb.sql("from runz", api)
    said = [repr(archive), str(answer.attrs), answer.to_csv(), settings.to_csv()]
    said.append(str(refused.value))
    for file in tmp_path.iterdir():
        said.append(file.read_bytes().decode("latin-1"))
    for secret in (key, key.rpartition("-")[2], "event-key-9876"):
        assert [text for text in said if secret in text] == []


def test_the_keys_of_a_store_are_in_no_answer_and_no_error(tmp_path: Path) -> None:
    key = "event-key-9876"
    server = inb.StateServer(tmp_path / "states.db", port=0, event_key=key)
    with server, inb.InngestStore(server.url, key) as store:
        store.save(SAMPLES[0])
        answers = [
            inb.sql(query, store)
            for query in ("from workflows", "from duckdb_settings()", "from duckdb_tables()")
        ]
        with pytest.raises(ValueError, match="query cannot be run") as refused:
            inb.sql("from runz", store)
    said = [str(answer.attrs) + answer.to_csv() for answer in answers] + [str(refused.value)]
    assert "InngestStore" in said[0]
    assert [text for text in said if key in text] == []


def test_nothing_of_python_is_left_for_a_query_to_see() -> None:
    query = (
        "select view_name from duckdb_views() where not internal union all "
        "select table_name from duckdb_tables() union all select count(*)::varchar from workflows"
    )
    assert sorted(inb.sql(query, SAMPLES).iloc[:, 0]) == ["2", "activities", "events", "workflows"]
