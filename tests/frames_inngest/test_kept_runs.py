"""Runs that have ended are kept and not fetched again; what is shown is what the server has."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from story_records import copy_of, row_of, story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.api import Kept
from inngest_nb.errors import StoreFileError

RUNS = 300
NOW = datetime(2026, 12, 1, tzinfo=UTC)  # later than the story


class Clock:
    """The server's clock."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[StoryServer]:
    with StoryServer(runs=RUNS, now=clock) as server:
        yield server


@pytest.fixture
def client(server: StoryServer) -> Iterator[InngestAPI]:
    with InngestAPI(server.url) as client:
        yield client


def requests_of(server: StoryServer, work: Callable[[], Any]) -> tuple[Any, int]:
    """Return what comes of it, and how many requests it took."""
    before = len(server.seen)
    return work(), len(server.seen) - before


def check_as_new(client: InngestAPI, **given: Any) -> pd.DataFrame:
    """Search with what is kept, and check that a search that knows nothing finds the same."""
    rows = inb.search_runs(client, **({"since": None} | given))
    fresh = inb.search_runs(client, **({"since": None} | given | {"cache": False}))
    changing = ["duration"]  # of what is open
    pd.testing.assert_frame_equal(
        rows.drop(columns=changing), fresh.drop(columns=changing), check_like=False
    )
    return rows


def ended(server: StoryServer, run_id: str, at: datetime) -> None:
    """Let an open run complete."""
    row = server.state.runs.rows[run_id]
    item = row.record.item | {"status": "COMPLETED", "endedAt": at.isoformat(), "durationMs": "7"}
    server.state.runs.put(row_of(_with(row.record, item)))


def _with(record: Any, item: Any) -> Any:
    return type(record)(**(vars(record) | {"item": item}))


# Fewer requests


@pytest.mark.parametrize("outputs", [False, True])
def test_again_where_nothing_is_new_takes_five_requests_at_most(
    server: StoryServer, client: InngestAPI, outputs: bool
) -> None:
    first = inb.search_runs(client, since=None, outputs=outputs)
    again, requests = requests_of(
        server, lambda: inb.search_runs(client, since=None, outputs=outputs)
    )
    assert requests <= 5
    assert len(again) == RUNS
    shown = [name for name in first.columns if name != "duration"]
    pd.testing.assert_frame_equal(again[shown], first[shown])


@pytest.mark.parametrize(
    "given",
    [
        {"function": "flaky"},
        {"app": "nb-lab", "function": "nb-lab-order-pipeline"},
        {"status": "failed"},
        {"status": ["running", "queued"]},
        {"limit": 120},
        {"until": NOW - timedelta(days=8, hours=4, minutes=39)},
        {"since": "9d", "until": "8d"},
        {"function": "none"},
    ],
    ids=str,
)
def test_what_was_read_of_all_answers_for_a_part(
    server: StoryServer, client: InngestAPI, given: Any
) -> None:
    inb.search_runs(client, since=None)
    _, requests = requests_of(server, lambda: inb.search_runs(client, **({"since": None} | given)))
    assert requests <= 6
    check_as_new(client, **given)


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for attempt in range(60):
        path = tmp_path / f"{attempt}.db"
        together = threading.Barrier(6)

        def opens(path: Path, together: threading.Barrier) -> None:
            together.wait()
            Kept("http://localhost:8288", path).close()

        with ThreadPoolExecutor(6) as pool:
            opened = [pool.submit(opens, path, together) for _ in range(6)]
        assert [each.exception() for each in opened] == [None] * 6


def test_what_was_read_of_a_function_is_kept_for_it(
    server: StoryServer, client: InngestAPI
) -> None:
    inb.search_runs(client, since=None, function="flaky")
    rows, requests = requests_of(
        server, lambda: inb.search_runs(client, since=None, function="flaky")
    )
    assert requests <= 5
    assert len(rows) > 10


# What is kept answers for nothing else


@pytest.mark.parametrize(
    "given",
    [
        {"function": "flaky"},
        {"app": "other"},
        {"status": "failed"},
        {"limit": 30},
        {"error": "boom"},
        {"outputs": True},
        {"outputs": True, "limit": 150},
        {"event": "lab/flaky"},
        {"since": NOW - timedelta(days=8, hours=4, minutes=39)},
        {"until": NOW - timedelta(days=8, hours=4, minutes=39)},
    ],
    ids=str,
)
def test_a_narrower_search_does_not_stand_for_a_wider_one(
    server: StoryServer, client: InngestAPI, given: Any
) -> None:
    inb.search_runs(client, **({"since": None} | given))
    assert len(check_as_new(client)) == RUNS
    check_as_new(client, outputs=True)
    check_as_new(client, function="flaky")
    check_as_new(client, status="failed")


def test_an_interrupted_search_does_not_stand_for_a_whole_one() -> None:
    failing = [False]
    with StoryServer(runs=RUNS, now=Clock(), lose=lambda seen: failing[0]) as server:
        with InngestAPI(server.url) as client:
            inb.search_runs(client, since=None, limit=150)
            failing[0] = True
            with pytest.raises(inb.InngestError):
                inb.search_runs(client, since=None)
            failing[0] = False
            assert len(check_as_new(client)) == RUNS


# What changes


def test_a_run_that_has_ended_since_is_shown_so(
    server: StoryServer, client: InngestAPI, names: dict[str, str], clock: Clock
) -> None:
    inb.search_runs(client, since=None)
    clock.forward(hours=1)
    ended(server, names["long_stays"], clock.now)
    rows = check_as_new(client).set_index("run_id")
    assert rows["status"][names["long_stays"]] == "completed"
    assert len(check_as_new(client, status="completed")) == (rows["status"] == "completed").sum()
    clock.forward(hours=1)
    _, requests = requests_of(server, lambda: inb.search_runs(client, since=None))
    assert requests <= 5
    check_as_new(client)


def test_a_run_that_waited_and_runs_now_is_shown_so(
    server: StoryServer, client: InngestAPI, names: dict[str, str]
) -> None:
    inb.search_runs(client, since=None)
    row = server.state.runs.rows[names["limited2"]]
    server.state.runs.put(row_of(_with(row.record, row.record.item | {"status": "RUNNING"})))
    rows = check_as_new(client).set_index("run_id")
    assert rows["inngest_status"][names["limited2"]] == "RUNNING"
    check_as_new(client, status="queued")


def test_a_canceled_run_is_shown_so(
    server: StoryServer, client: InngestAPI, names: dict[str, str], clock: Clock
) -> None:
    inb.search_runs(client, since=None)
    client.cancel(names["wait_pending"])
    for _ in range(3):
        rows = check_as_new(client).set_index("run_id")
        assert rows["ended_at"][names["wait_pending"]] == NOW
        clock.forward(minutes=2)


def test_a_run_that_was_canceled_before_it_began_lasts_from_its_scheduling(
    server: StoryServer, client: InngestAPI, names: dict[str, str]
) -> None:
    client.cancel(names["limited2"])
    listed = next(run for run in client.runs(status="canceled") if run.run_id == names["limited2"])
    for asked in (1, 0):  # that it never began is kept, too
        server.seen.clear()
        rows = inb.search_runs(client, since=None, event_names=False).set_index("run_id")
        assert rows["started_at"][names["limited2"]] == listed.started_at
        assert sum(seen.target == "/v0/gql" for seen in server.seen) == asked


def test_new_runs_and_reruns_appear(
    server: StoryServer, client: InngestAPI, names: dict[str, str], clock: Clock
) -> None:
    inb.search_runs(client, since=None)
    clock.forward(minutes=1)
    new = [client.rerun(names["order1"])]
    client.send("lab/tiny")
    rows = check_as_new(client)
    assert len(rows) == RUNS + 2
    assert new[0] in set(rows["run_id"])
    clock.forward(minutes=5)
    assert len(check_as_new(client)) == RUNS + 2


def test_a_run_that_shows_in_lists_only_later_is_not_missed(
    server: StoryServer, client: InngestAPI, clock: Clock
) -> None:
    inb.search_runs(client, since=None)
    late = copy_of(
        story().rows[0],
        int((clock.now - datetime(2026, 11, 22, 19, 24, tzinfo=UTC)) / timedelta(milliseconds=1)),
    )
    server.state.runs.put(late)  # scheduled more than a minute ago
    assert late.id in set(check_as_new(client)["run_id"])


def test_open_runs_in_all_of_the_history_are_looked_at_again(clock: Clock) -> None:
    with StoryServer(runs=RUNS, now=clock) as server, InngestAPI(server.url) as client:
        zombies = [row for row in server.state.runs.rows.values() if row.shift_ms][::3]
        for row in zombies:
            item = {
                k: v
                for k, v in row.shown(row.record.item).items()
                if k not in ("endedAt", "durationMs")
            }
            server.state.runs.put(row_of(_with(row.record, item | {"status": "RUNNING"})))
        inb.search_runs(client, since=None)
        for row in zombies[::2]:
            ended(server, row.id, clock.now - timedelta(hours=1))
        check_as_new(client)
        check_as_new(client)


def test_what_memory_has_no_room_for_is_fetched_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inngest_nb.api.reading._kept_file._MOST_PAGES", 40)
    with StoryServer(runs=600, now=clock) as server, InngestAPI(server.url) as client:
        for _ in range(2):
            rows, requests = requests_of(
                server, lambda: inb.search_runs(client, since=None, event_names=False)
            )
            assert list(rows["run_id"]) == [run.run_id for run in client.runs(limit=None)]
    assert requests > 5


def test_two_clients_share_a_file(server: StoryServer, tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "runs.db"
    with InngestAPI(server.url) as one, InngestAPI(server.url) as other:
        inb.search_runs(one, since=None, limit=100, cache=file)
        assert len(check_as_new(other, cache=file)) == RUNS
        clock.forward(hours=1)
        one.send("lab/tiny")
        assert len(check_as_new(one, cache=file)) == RUNS + 1
        clock.forward(hours=1)
        assert len(check_as_new(other, cache=file)) == RUNS + 1


# Another server


def test_a_server_that_has_started_from_nothing_is_noticed(clock: Clock) -> None:
    with StoryServer(runs=300, now=clock) as server, InngestAPI(server.url) as client:
        assert len(inb.search_runs(client, since=None)) == 300
        server.state.runs.rows.clear()
        server.state.runs.put(story().rows[0])
        assert len(check_as_new(client)) == 1
        assert len(check_as_new(client)) == 1


def test_an_empty_history_that_fills_from_elsewhere_is_read(clock: Clock) -> None:
    with StoryServer(runs=300, now=clock) as server, InngestAPI(server.url) as client:
        rows = dict(server.state.runs.rows)
        server.state.runs.rows.clear()
        server.state.runs._sorted.clear()
        assert inb.search_runs(client, since=None).empty
        for row in rows.values():
            server.state.runs.put(row)
        assert len(check_as_new(client)) == 300


# Files


@pytest.mark.parametrize("is_old", [False, True])
def test_names_and_beginnings_are_kept_too(
    server: StoryServer, tmp_path: Path, is_old: bool
) -> None:
    def questions() -> list[str]:
        seen = [each.target for each in server.seen]
        server.seen.clear()
        return [target for target in seen if target.startswith(("/v0/gql", "/v1/events"))]

    def search() -> tuple[pd.DataFrame, pd.DataFrame]:
        with InngestAPI(server.url) as client:
            canceled = inb.search_runs(client, since=None, status="canceled", cache=file)
            return canceled, inb.search_runs(client, since=None, cache=file)

    file = tmp_path / "runs.db"
    canceled, all_of_them = search()
    assert questions() == ["/v0/gql"] * 3  # the names of both, and the beginnings
    if is_old:  # as files were when no beginnings were kept
        with sqlite3.connect(file) as database:
            database.execute("DROP TABLE starts")
        database.close()
    canceled_again, again = search()
    assert questions() == ["/v0/gql"] * is_old
    pd.testing.assert_frame_equal(canceled_again, canceled)
    changing = ["duration"]  # of what is open
    pd.testing.assert_frame_equal(again.drop(columns=changing), all_of_them.drop(columns=changing))


def test_a_file_serves_later_sessions(server: StoryServer, tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    with InngestAPI(server.url) as client:
        first = inb.search_runs(client, since=None, cache=file)
    with InngestAPI(server.url) as client:
        again, requests = requests_of(
            server, lambda: inb.search_runs(client, since=None, cache=str(file))
        )
    assert requests <= 5
    shown = [name for name in first.columns if name != "duration"]
    pd.testing.assert_frame_equal(again[shown], first[shown])
    assert os.stat(file).st_mode & 0o077 == 0
    assert b"Authorization" not in file.read_bytes()


def _of_another_program(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()


def _of_a_later_version(file: Path) -> None:
    with StoryServer(now=Clock()) as server, InngestAPI(server.url) as client:
        inb.search_runs(client, since=None, cache=file)
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def _of_another_server(file: Path) -> None:
    with StoryServer(now=Clock()) as server, InngestAPI(server.url) as client:
        inb.search_runs(client, since=None, cache=file)


def _of_a_store(file: Path) -> None:
    inb.SqliteStore(file).close()


BAD = {
    "text": (lambda file: file.write_text("mine" * 5_000), "cannot be used .*not a database"),
    "another program's": (_of_another_program, "is a database of something else"),
    "a store's": (_of_a_store, "is a database of something else"),
    "a later version's": (_of_a_later_version, "was written by another version"),
    "another server's": (_of_another_server, "has the runs of http://127.0.0.1:.*, not of http"),
    "in no folder": (lambda file: file.parent.rmdir(), "cannot be opened .No such file"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=[*BAD])
def test_a_file_that_is_not_this_servers_is_refused_and_left_as_it_is(
    server: StoryServer, client: InngestAPI, tmp_path: Path, make: Any, message: str
) -> None:
    file = tmp_path / "mine" / "runs.db"
    file.parent.mkdir()
    make(file)
    before = file.read_bytes() if file.exists() else None
    with pytest.raises(StoreFileError, match=message) as refused:
        inb.search_runs(client, since=None, cache=file)
    assert "another file as cache=" in refused.value.__notes__[-1]
    assert (file.read_bytes() if file.exists() else None) == before
    assert server.seen == []


def test_a_file_is_refused_when_its_server_has_started_from_nothing(
    clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "runs.db"
    with StoryServer(runs=300, now=clock) as server, InngestAPI(server.url) as client:
        inb.search_runs(client, since=None, cache=file)
        kept = dict(server.state.runs.rows)
        server.state.runs.rows.clear()
        server.state.runs.put(story().rows[0])
        with pytest.raises(StoreFileError, match="does not know: it has lost its data"):
            inb.search_runs(client, since=None, cache=file)
        server.state.runs.rows.update(kept)
        server.state.runs.put(story().rows[0])
        rows, requests = requests_of(
            server, lambda: inb.search_runs(client, since=None, cache=file)
        )
    assert (len(rows), requests <= 5) == (300, True)


def test_a_damaged_file_is_told_and_not_shown(
    server: StoryServer, client: InngestAPI, tmp_path: Path
) -> None:
    file = tmp_path / "runs.db"
    inb.search_runs(client, since=None, cache=file)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE runs SET body = substr(body, 1, 40)")
    database.close()
    with pytest.raises(StoreFileError, match="runs.db cannot be used"):
        inb.search_runs(client, since=None, cache=file)


@pytest.mark.parametrize("cache", [True, 5, "", ["runs.db"]], ids=str)
def test_a_cache_that_is_no_path_is_refused(client: InngestAPI, cache: Any) -> None:
    with pytest.raises(ValueError, match="cache must be the path of a file, such as 'runs.db'"):
        inb.search_runs(client, cache=cache)
