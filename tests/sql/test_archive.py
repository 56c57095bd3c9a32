"""`archive`: what is kept, and how it goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from archived import FILES, MIDDLE, OLDER, WHOLE, ids, numbers
from story_changes import end
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI


def test_all_is_kept_and_other_programs_read_the_files(kept: Any, api: InngestAPI) -> None:
    assert numbers(kept) == WHOLE
    assert kept.added == 47
    folder = kept.path.parent
    assert sorted(file.name for file in folder.iterdir()) == FILES
    with duckdb.connect() as other:
        found = [
            other.execute("select count(*) from read_parquet(?)", [str(folder / name)]).fetchone()
            for name in FILES
        ]
        assert found == [(63,), (47,), (123,)]
        text, when = other.execute(
            "select typeof(output::varchar), typeof(queued_at) from read_parquet(?) limit 1",
            [str(kept.path)],
        ).fetchone() or ("", "")
        assert (text, when) == ("VARCHAR", "TIMESTAMP WITH TIME ZONE")
    assert ids(kept) == sorted(row.id for row in story().rows)


def test_only_what_is_older_is_kept_and_the_rest_is_added_later(
    api: InngestAPI, inngest: StoryServer, path: Path
) -> None:
    first = inb.archive(api, path, older_than=MIDDLE)
    assert first.until == MIDDLE
    assert first.runs == first.added == OLDER < 47
    open_before = inb.sql("select count(*) as n from runs where ended_at is null", path)["n"][0]
    before = len(inngest.seen)
    then = inb.archive(api, path, older_than=None)
    assert numbers(then) == WHOLE
    assert then.added == 47 - OLDER
    # Those around the border are listed again, but what has ended is not read again.
    traces = [seen for seen in inngest.seen[before:] if "/trace" in seen.target]
    assert len(traces) == then.added + open_before
    for table, key in (("runs", "id"), ("events", "event_id")):
        query = f"select count(*) - count(distinct {key}) as twice from {table}"
        assert inb.sql(query, path)["twice"][0] == 0
    assert sorted(file.name for file in path.parent.iterdir()) == FILES


def test_what_is_kept_and_has_ended_is_not_read_again(path: Path) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        inb.archive(api, path, older_than=None)
        before = len(inngest.seen)
        again = inb.archive(api, path, older_than=None)
        paths = [seen.target for seen in inngest.seen[before:]]
    assert (again.added, numbers(again)) == (0, WHOLE)
    assert len([target for target in paths if "/trace" in target]) == 5  # those that are open
    assert len(paths) < 20


@pytest.mark.parametrize("older_than", [None, MIDDLE])  # listed again, or read by itself
def test_a_run_that_has_ended_since_is_kept_with_its_end(
    path: Path, names: dict[str, str], older_than: Any
) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        inb.archive(api, path, older_than=None)
        query = "select status, started_at, ended_at from runs where id = ?"
        run = names["wait_pending"]
        (before,) = inb.sql(query, path, parameters=[run]).itertuples(index=False)
        api.cancel(run)
        began = api.run(run).started_at
        again = inb.archive(api, path, older_than=older_than)
        (after,) = inb.sql(query, path, parameters=[run]).itertuples(index=False)
        steps = inb.sql("select status from steps where run_id = ?", path, parameters=[run])
    assert (again.runs, again.added) == (47, 0)
    assert (before[0], after[0]) == ("Running", "Cancelled")
    assert before[1] < after[1] == began < after[2]
    assert [*steps["status"]] == ["Cancelled"]


def test_a_run_that_was_queued_has_started_when_it_was_scheduled(
    path: Path, names: dict[str, str]
) -> None:
    run = names["limited0"]
    query = "select status, queued_at, started_at from runs where id = ?"
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        inb.archive(api, path, older_than=None)
        (before,) = inb.sql(query, path, parameters=[run]).itertuples(index=False)
        row = inngest.state.runs.rows[run]
        detail = row.record.detail | {"startedAt": "2026-11-22T19:40:00Z"}  # its first execution
        inngest.state.runs.put(row._replace(record=replace(row.record, detail=detail)))
        end(inngest, run)
        inb.archive(api, path, older_than=MIDDLE)  # nothing is listed
        (after,) = inb.sql(query, path, parameters=[run]).itertuples(index=False)
    assert (before.status, str(before.started_at)) == ("Queued", "NaT")
    assert (after.status, after.started_at) == ("Completed", before.queued_at)


def test_an_open_run_that_the_server_has_lost_stays_as_it_was(
    path: Path, names: dict[str, str]
) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        inb.archive(api, path, older_than=None)
        with inngest.state.lock:
            del inngest.state.runs.rows[names["wait_pending"]]
        again = inb.archive(api, path, older_than=MIDDLE)  # nothing is listed
    assert numbers(again) == WHOLE
    assert again.until > MIDDLE


def test_a_server_without_runs_has_an_empty_archive(api: InngestAPI, path: Path) -> None:
    kept = inb.archive(api, path, older_than="2000-01-01T00:00:00Z")
    assert numbers(kept) == (0, 0, 0, 0)
    assert len(inb.sql("select * from runs, steps, events", kept)) == 0


@pytest.mark.parametrize("name", ["it's [1].parquet", "{a,b}.parquet", "id=7/runs.parquet"])
def test_a_file_may_have_any_name(api: InngestAPI, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    (tmp_path / "it's 1.parquet").write_bytes(b"another file, which the name would match")
    inb.archive(api, path, older_than=MIDDLE)
    inb.archive(api, path, older_than=None)
    assert ids(path) == sorted(row.id for row in story().rows)


def test_many_runs_and_events_come_in_pages_and_none_is_lost(path: Path) -> None:
    with StoryServer(runs=1_500) as inngest, InngestAPI(inngest.url) as api:
        events = len([e for e in inngest.state.events if not e["name"].startswith("inngest/")])
        assert events > 1_020  # more than are asked for at once
        # The oldest are enough here: a trace costs a request.
        starts = sorted(row.start_ns for row in inngest.state.runs.rows.values())
        cut = datetime.fromtimestamp(starts[150] / 1e9, UTC)
        kept = inb.archive(api, path, older_than=cut)
        assert 150 <= kept.runs <= 152
        listed = inb.sql(
            "select count(*) as n, count(distinct event_id) as d from events", api, since=None
        )
        assert listed.to_numpy().tolist() == [[events, events]]
        runs = inb.sql("select id from runs", api, since=None, until=cut)
    assert sorted(runs["id"]) == ids(path)
