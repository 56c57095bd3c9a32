"""`archive` when the server fails, somebody interrupts or kills it, or writes at the same time."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from archived import FILES, MIDDLE, WHOLE, ids, numbers
from canned_server import Seen
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestConnectionError


def story_row(run_id: str) -> dict[str, Any]:
    return next(row.record.item for row in story().rows if row.id == run_id)


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
    assert (then.added, numbers(then)) == (17, WHOLE)
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
        assert numbers(inb.archive(api, path, older_than=None)) == WHOLE


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
        with pytest.raises(FileExistsError, match="another process changed it in the meantime"):
            inb.archive(api, path, older_than=MIDDLE)
    assert numbers(other[0]) == WHOLE
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
        with pytest.raises(ValueError, match="does not exist: write it with archive"):
            inb.sql("from runs", path)
    else:
        assert (ids(path), ids(path, "select run_id as id from steps")) == before
    assert numbers(inb.archive(api, path, older_than=None)) == WHOLE
    assert len(ids(path)) == 47
