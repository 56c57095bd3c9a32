"""`archive`: what is kept, how it goes on, and what stops it."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from canned_server import Seen
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestConnectionError

FILES = ["runs.events.parquet", "runs.parquet", "runs.step_attempts.parquet"]
STARTS = sorted(datetime.fromisoformat(row.record.item["startedAt"]) for row in story().rows)
MIDDLE = STARTS[20] + timedelta(microseconds=1)
OLDER = sum(start <= MIDDLE for start in STARTS)


def numbers(kept: Any) -> tuple[int, int, int, int]:
    return kept.runs, kept.steps, kept.step_attempts, kept.events


def ids(source: Any, query: str = "select id from runs") -> list[str]:
    return sorted(inb.sql(query, source, since=None)["id"])


def story_row(run_id: str) -> dict[str, Any]:
    return next(row.record.item for row in story().rows if row.id == run_id)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.parquet"


def test_all_is_kept_and_other_programs_read_the_files(kept: Any, api: InngestAPI) -> None:
    assert numbers(kept) == (47, 117, 123, 63)
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
    assert numbers(then) == (47, 117, 123, 63)
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
    assert (again.added, numbers(again)) == (0, (47, 117, 123, 63))
    assert len([target for target in paths if "/trace" in target]) == 5  # those that are open
    assert len(paths) < 20


def test_a_run_that_has_ended_since_is_kept_with_its_end(path: Path, names: dict[str, str]) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        inb.archive(api, path, older_than=None)
        query = "select status, started_at, ended_at from runs where id = ?"
        run = names["wait_pending"]
        (before,) = inb.sql(query, path, parameters=[run]).itertuples(index=False)
        api.cancel(run)
        again = inb.archive(api, path, older_than=None)
        (after,) = inb.sql(query, path, parameters=[run]).itertuples(index=False)
        steps = inb.sql("select status from steps where run_id = ?", path, parameters=[run])
    assert (again.runs, again.added) == (47, 0)
    assert (before[0], after[0]) == ("Running", "Cancelled")
    assert before[1] == after[1] < after[2]
    assert [*steps["status"]] == ["Cancelled"]


def test_an_open_run_that_the_server_has_lost_stays_as_it_was(
    path: Path, names: dict[str, str]
) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        inb.archive(api, path, older_than=None)
        with inngest.state.lock:
            del inngest.state.runs.rows[names["wait_pending"]]
        again = inb.archive(api, path, older_than=MIDDLE)  # nothing is listed
    assert numbers(again) == (47, 117, 123, 63)
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


# What stops it


def test_when_the_server_fails_the_oldest_runs_are_kept_and_the_rest_is_added_later(
    path: Path,
) -> None:
    oldest = [row.id for row in sorted(story().rows, key=lambda row: row.start_ns)]
    broken = oldest[30]
    down = [True]

    def lose(seen: Seen) -> bool:
        return down[0] and f"{broken}/trace" in seen.target

    with StoryServer(lose=lose) as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises(InngestConnectionError) as stopped:
            inb.archive(api, path, older_than=None)
        assert "30 runs were added to" in stopped.value.__notes__[-1]
        assert ids(path) == sorted(oldest[:30])
        start = datetime.fromisoformat(story_row(broken)["startedAt"])
        later = inb.sql("select * from events where received_at_dt > ?", path, parameters=[start])
        assert len(later) == 0
        with pytest.raises(InngestConnectionError):
            inb.archive(api, path, older_than=None)
        assert ids(path) == sorted(oldest[:30])
        down[0] = False
        then = inb.archive(api, path, older_than=None)
    assert (then.added, numbers(then)) == (17, (47, 117, 123, 63))
    assert sorted(file.name for file in path.parent.iterdir()) == FILES


def test_interrupted_it_keeps_whole_runs_and_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inngest_nb.frames.sql._reading._TRACES", 5)
    traces = []

    def interrupt(seen: Seen) -> bool:
        if "/trace" in seen.target:
            traces.append(seen.target)
            if len(traces) == 20:
                _thread.interrupt_main()
        return False

    with StoryServer(lose=interrupt) as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises(KeyboardInterrupt) as stopped:
            inb.archive(api, path, older_than=None)
        assert "runs were added to" in stopped.value.__notes__[-1]
        assert sorted(file.name for file in path.parent.iterdir()) == FILES
        some = ids(path)
        assert 15 <= len(some) < 47
        assert len(some) % 5 == 0
        query = "select run_id, step_id from step_attempts where run_id in (select unnest($ids)) order by all"
        there = inb.sql(query, api, since=None, parameters={"ids": some})
        assert inb.sql(query, path, parameters={"ids": some}).equals(there)
        assert numbers(inb.archive(api, path, older_than=None)) == (47, 117, 123, 63)


def test_before_any_step_is_read_nothing_is_written(path: Path) -> None:
    def lose(seen: Seen) -> bool:
        return seen.target.startswith("/v1/events")

    with StoryServer(lose=lose) as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises(InngestConnectionError) as stopped:
            inb.archive(api, path, older_than=None)
    assert "was not changed" in stopped.value.__notes__[-1]
    assert [*path.parent.iterdir()] == []


def test_an_event_that_is_shown_twice_is_kept_once(path: Path) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        with inngest.state.lock:
            inngest.state.events.append(dict(inngest.state.events[-1]))
        assert inb.archive(api, path, older_than=None).events == 63


def test_two_writers_lose_nothing(path: Path) -> None:
    other: list[Any] = []

    def race(seen: Seen) -> bool:
        if "/trace" in seen.target and not other:
            other.append(None)
            with InngestAPI(inngest.url) as api:
                other[0] = inb.archive(api, path, older_than=None)
        return False

    with StoryServer(lose=race) as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises(FileExistsError, match="something else wrote it meanwhile"):
            inb.archive(api, path, older_than=MIDDLE)
    assert numbers(other[0]) == (47, 117, 123, 63)
    assert len(ids(path)) == 47


KILLED = """
import os, signal, sys
import inngest_nb as inb
place, url, path = int(sys.argv[1]), *sys.argv[2:]
calls, replace = [], os.replace
def deadly(*args):
    calls.append(args)
    if len(calls) == place:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*args)
os.replace = deadly
with inb.InngestAPI(url) as api:
    inb.archive(api, path, older_than=None)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such kill here")
@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize("begun", [False, True])
def test_a_writer_that_is_killed_leaves_what_was_there(
    api: InngestAPI, path: Path, begun: bool, place: int
) -> None:
    before = None
    if begun:
        inb.archive(api, path, older_than=MIDDLE)
        before = ids(path), ids(path, "select run_id as id from steps")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(place), api.base_url, str(path)],
        env=os.environ,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    if before is None:
        with pytest.raises(ValueError, match="there is no"):
            inb.sql("from runs", path)
    else:
        assert (ids(path), ids(path, "select run_id as id from steps")) == before
    assert numbers(inb.archive(api, path, older_than=None)) == (47, 117, 123, 63)
    assert len(ids(path)) == 47


# What is refused


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
        ('{"format": 1}', "what it says of itself is not whole"),
        ('{"format": 1, "server": "x", "until": "soon", "version": ""}', "is not whole"),
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
        with pytest.raises(ValueError, match=r"there is no runs\.events\.parquet: put it back"):
            call()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "path must be a file, such as 'runs.parquet', got None"),
        ("", "path must be a file"),
        (3, "path must be a file"),
        (".", "is a folder"),
        ("runs.csv", "path must end with .parquet, such as 'runs.parquet', got 'runs.csv'"),
        ("nowhere/runs.parquet", "path must be in a folder that is there"),
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
    with pytest.raises(ValueError, match="source must be an archive, but there is no .*archive()"):
        inb.sql("from runs", path)


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
