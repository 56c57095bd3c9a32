"""`follow_runs`: a table of the newest runs that changes in place, and stays when it is stopped."""

from __future__ import annotations

import html
import os
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from queue import Empty
from typing import Any

import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from live_kernel import live_kernel
from manual_clock import ManualClock
from story_changes import end, hold
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI

# By its door it goes on for ever; here each wait is as long as what the test does in it.
from inngest_nb.notebook.following import _Following, _picture, _Terminal

TAGS = {"caption", "div", "style", "table", "tbody", "td", "th", "thead", "tr"}
WANTED = {"status": None, "app": None, "function": None}
Shown = list[tuple[pd.DataFrame, str]]


@pytest.fixture
def inngest() -> Iterator[StoryServer]:
    with StoryServer() as server:
        yield server


@pytest.fixture
def api(inngest: StoryServer) -> Iterator[InngestAPI]:
    with InngestAPI(inngest.url) as api:
        yield api


def followed(
    api: InngestAPI, rows: int, *steps: Callable[[], object], **given: Any
) -> tuple[Shown, list[float]]:
    """Follow runs; in each wait a step is done, after the last one the cell is interrupted."""
    shown: Shown = []
    waits: list[float] = []
    todo = iter(steps)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        step = next(todo, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    since = datetime(2026, 11, 1, tzinfo=UTC)
    following = _Following(api, WANTED | given, since, rows, 2.0, lambda *what: shown.append(what))
    following.run(wait)
    return shown, waits


def test_the_newest_runs_are_shown_as_they_change(inngest: StoryServer, api: InngestAPI) -> None:
    runs: list[str] = []
    shown, waits = followed(
        api,
        5,
        lambda: runs.append(api.invoke("nb-lab", "square", {"n": 2})),
        lambda: end(inngest, runs[0], "FAILED"),
    )
    tables = [table for table, _ in shown]
    assert [len(table) for table in tables] == [5, 5, 5, 5]
    assert waits == [2.0, 2.0, 2.0]
    assert runs[0] not in set(tables[0]["run_id"])
    tops = [(table["run_id"][0], table["status"][0]) for table in tables[1:]]
    assert tops == [(runs[0], "queued"), (runs[0], "failed"), (runs[0], "failed")]
    assert list(tables[1]["run_id"][1:]) == list(tables[0]["run_id"][:4])
    notes = [note for _, note in shown]
    assert set(notes[:3]) == {"Live, every 2 s. Interrupt the cell to stop."}
    assert notes[3].startswith("Stopped at ")


def test_a_look_costs_no_more_than_what_it_shows() -> None:
    with StoryServer(runs=10_000) as inngest, InngestAPI(inngest.url) as api:
        costs: list[float] = []
        followed(api, 20, *[lambda: costs.append(inngest.seconds)] * 4)
    assert costs[0] > 0.1
    assert [after - before for before, after in pairwise(costs)] == (
        pytest.approx([0.03] * 3, abs=0.002)
    )


def test_where_fewer_runs_are_left_older_ones_are_shown(
    inngest: StoryServer, api: InngestAPI
) -> None:
    first = api.runs(status="running")[0].run_id
    shown, _ = followed(api, 2, lambda: end(inngest, first), lambda: None, status=["running"])
    assert [len(table) for table, _ in shown] == [2, 1, 2, 2]
    assert first not in set(shown[-1][0]["run_id"])


def test_a_server_that_is_away_is_waited_for() -> None:
    away: list[bool] = []
    with (
        StoryServer(lose=lambda seen: bool(away)) as inngest,
        InngestAPI(inngest.url) as api,
    ):
        shown, _ = followed(api, 3, lambda: away.append(True), away.clear)
    assert [len(table) for table, _ in shown] == [3] * 4
    assert shown[1][1].startswith(
        "Waiting for the server, which does not answer: inngest runs: no response"
    )
    assert shown[2][1].startswith("Live")


def test_another_error_ends_it() -> None:
    with StoryServer("cloud") as inngest, InngestAPI(inngest.url) as keyless:
        with pytest.raises(inb.InngestAuthError):
            followed(keyless, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": 0}, "rows must be a number from 1 to 20"),
        ({"rows": 21}, "rows must be a number from 1 to 20"),
        ({"rows": True}, "rows must be a number from 1 to 20"),
        ({"every": 0}, "every must be a number of seconds above 0"),
        ({"since": None}, "since must be how long ago"),
        ({"since": "soon"}, "since must be how long ago"),
        ({"status": "odd"}, "status must be one of"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    inngest: StoryServer, api: InngestAPI, given: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        inb.follow_runs(api, **given)
    assert inngest.seen == []


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_escaped_in_the_table_and_below_it(
    inngest: StoryServer, api: InngestAPI, text: str
) -> None:
    run = {
        "id": "01M82C744GR8D1FTV363DG9ZZZ",
        "app": {"id": text},
        "function": {"id": text, "name": text},
        "status": text,
        "startedAt": "2026-11-22T19:30:00Z",
        "endedAt": "2026-11-22T19:30:01Z",
        "trigger": {"eventIds": [text], "cronSchedule": text},
    }
    hold(inngest, [run])
    found = inb.search_runs(api, since=None, limit=1)
    assert found["function"][0] == text
    picture = _picture(found, text)
    shown = picture["text/html"].replace("<br>", "")
    assert {*re.findall(r"<\s*(\w+)", shown)} <= TAGS
    assert html.unescape(shown).count(text[:20]) >= 4  # app, function, cron and the note
    assert all(line.isprintable() for line in picture["text/plain"].splitlines())


def test_a_terminal_prints_the_table_when_runs_have_changed(
    inngest: StoryServer, api: InngestAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = _Terminal()
    found = inb.search_runs(api, since=None, limit=3)
    terminal.show(found, "Live")
    terminal.show(inb.search_runs(api, since=None, limit=3), "Live")
    assert capsys.readouterr().out.count("3 runs") == 1
    api.invoke("nb-lab", "square")
    terminal.show(inb.search_runs(api, since=None, limit=3), "Live")
    assert capsys.readouterr().out.count("3 runs") == 1


def test_in_a_cell_one_table_changes_in_place_and_stays_when_interrupted() -> None:
    clock = ManualClock()
    clock.set(datetime.now(UTC) - timedelta(minutes=1))
    with (
        StoryServer(now=clock.now) as inngest,
        InngestAPI(inngest.url) as api,
        live_kernel() as kernel,
    ):
        api.send("lab/tiny", {"i": 1})
        kernel.run(f"import os, signal, inngest_nb as inb\napi = inb.InngestAPI({inngest.url!r})")
        pid = int(kernel.run("print(os.getpid())"))
        kernel.client.execute("inb.follow_runs(api, every=0.05)")
        shown: list[dict[str, Any]] = []
        interrupted = False
        while True:
            try:
                message = kernel.client.get_iopub_msg(timeout=60)
            except Empty:
                pytest.fail("the kernel went quiet")
            assert message["msg_type"] != "error", message["content"]
            if message["msg_type"] in ("display_data", "update_display_data"):
                shown.append(message)
                if len(shown) == 3:
                    api.send("lab/tiny", {"i": 2})
                if "2 runs" in message["content"]["data"]["text/plain"] and not interrupted:
                    interrupted = True
                    os.kill(pid, signal.SIGINT)
            elif message["content"].get("execution_state") == "idle":
                break
    kinds = [message["msg_type"] for message in shown]
    assert kinds == ["display_data"] + ["update_display_data"] * (len(kinds) - 1)
    assert len({message["content"]["transient"]["display_id"] for message in shown}) == 1
    assert "1 run, as of" in shown[0]["content"]["data"]["text/plain"]
    last = shown[-1]["content"]["data"]
    assert "Stopped at" in last["text/html"]
    assert last["text/html"].count('class="inb-row"') == 2
    assert len(last["text/html"]) < 20_000
