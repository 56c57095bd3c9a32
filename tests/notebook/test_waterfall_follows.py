"""A waterfall of a run that is not over: the server is asked until the end, and no longer."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from canned_server import Seen
from msgspec.structs import replace
from story_records import story
from story_server import RETRYING, StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.api import Job, Step
from inngest_nb.notebook.waterfall import _following
from inngest_nb.notebook.waterfall._following import Following
from inngest_nb.notebook.waterfall._given import Given
from inngest_nb.notebook.waterfall._payloads import payloads_of
from inngest_nb.notebook.waterfall._picture import Picture, picture_of

WAITS = story().names["wait_pending"]
PATIENCE = 60


@pytest.fixture
def lost() -> list[str]:
    """Whose answers are lost, by parts of their paths."""
    return []


@pytest.fixture
def inngest(lost: list[str]) -> Iterator[StoryServer]:
    def lose(seen: Seen) -> bool:
        return any(part in seen.target for part in lost)

    with StoryServer(lose=lose) as server:
        yield server


@pytest.fixture
def api(inngest: StoryServer) -> Iterator[InngestAPI]:
    with InngestAPI(inngest.url) as api:
        yield api


class Followed:
    """A run that is followed without pauses, and its pictures as they come."""

    def __init__(self, run_id: str, api: InngestAPI) -> None:
        self.following = Following(Given(run_id), api.trace(run_id), None)
        self._pictures: queue.Queue[Picture] = queue.Queue()
        self.following.start(api, self._changed, shortest=0.001)

    def _changed(self) -> None:
        self._pictures.put(self.following.picture())

    def until(self, wanted: Callable[[Picture], bool]) -> Picture:
        """Return the first picture of a kind."""
        while not wanted(picture := self._pictures.get(timeout=PATIENCE)):
            pass
        return picture


@pytest.fixture
def followed(api: InngestAPI) -> Iterator[Followed]:
    followed = Followed(WAITS, api)
    yield followed
    followed.following.stop()
    assert followed.following.done.wait(PATIENCE)


def test_a_run_is_followed_to_its_end_and_no_further(
    followed: Followed, api: InngestAPI, inngest: StoryServer
) -> None:
    assert followed.until(lambda picture: True).status == "running"
    api.cancel(WAITS)
    last = followed.until(lambda picture: picture.status != "running")
    assert (last.status, last.note) == ("canceled", "")
    assert "◔" not in repr(last)
    assert last.chart.rows[0].word == "canceled"
    assert followed.following.done.wait(PATIENCE)
    asked = len(inngest.seen)
    assert followed.following.picture().status == "canceled"
    assert len(inngest.seen) == asked


def test_outputs_are_read_only_when_something_has_happened(
    followed: Followed, api: InngestAPI, inngest: StoryServer
) -> None:
    for _ in range(5):
        followed.until(lambda picture: True)
    api.cancel(WAITS)
    assert followed.following.done.wait(PATIENCE)
    traces = [
        seen.target for seen in inngest.seen if seen.target.partition("?")[0].endswith("/trace")
    ]
    assert len(traces) > 5
    assert len([target for target in traces if "includeOutput" in target]) == 2  # first and last


def test_a_server_that_does_not_answer_is_told_and_asked_again(
    followed: Followed, api: InngestAPI, lost: list[str]
) -> None:
    lost.append("/trace")
    picture = followed.until(lambda picture: bool(picture.note))
    assert picture.note.startswith("As of ")
    assert "; retrying: " in picture.note
    assert picture.status == "running"
    lost.clear()
    followed.until(lambda picture: not picture.note)


def test_what_is_followed_no_longer_says_so(followed: Followed) -> None:
    followed.following.stop()
    assert followed.until(lambda picture: bool(picture.note)).note == "No longer updated."


def test_a_run_that_the_server_forgot_is_followed_no_longer(
    followed: Followed, inngest: StoryServer
) -> None:
    with inngest.state.lock:
        del inngest.state.runs.rows[WAITS]
    note = followed.until(lambda picture: bool(picture.note)).note
    assert note.startswith(
        "No longer updated: InngestNotFoundError: inngest trace: the server has no run"
    )
    assert followed.following.done.wait(PATIENCE)


def test_a_run_in_which_nothing_happens_for_a_day_is_left_alone(
    api: InngestAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_following, "_GIVEN_UP", 0.0)
    followed = Followed(WAITS, api)
    note = followed.until(lambda picture: bool(picture.note)).note
    assert note == "No longer updated: nothing has happened for a day."


def test_a_page_that_asks_sees_the_run_up_to_its_end(api: InngestAPI) -> None:
    picture = inb.waterfall(WAITS, api)
    shown = picture._display_()  # marimo calls it
    assert "◐</span> running" in shown.html
    assert (shown.asks, shown.over) == (True, False)
    assert picture._display_() is shown
    api.cancel(WAITS)
    assert picture._following.done.wait(PATIENCE)
    assert "◐</span> running" in shown.html  # nobody has asked
    shown._handle_custom_msg({"kind": "look"}, [])
    assert "⊘</span> canceled" in shown.html
    assert shown.over
    shown.close()


def test_a_picture_of_a_run_that_is_over_does_not_move(api: InngestAPI) -> None:
    for run in (story().names["order1"], api.trace(WAITS)):
        assert type(inb.waterfall(run, api)) is not type(inb.waterfall(WAITS, api))
        assert not hasattr(inb.waterfall(run, api), "_ipython_display_")


def test_outside_of_a_kernel_an_open_run_is_drawn_once(api: InngestAPI) -> None:
    picture = inb.waterfall(WAITS, api)
    with pytest.raises(NotImplementedError):
        picture._ipython_display_()
    assert "◔ waiting" in repr(picture)


def remarks(api: InngestAPI, run_id: str, now: str, **jobs: Any) -> tuple[str, ...]:
    trace = api.trace(run_id)
    given = {"jobs": api.jobs(run_id)} | jobs
    when = datetime.fromisoformat(now).astimezone(UTC)
    return picture_of(Given(run_id), trace, payloads_of(trace), when, **given).chart.remarks


def test_what_the_server_will_do_next_is_said(api: InngestAPI) -> None:
    assert remarks(api, RETRYING, "2026-11-22T19:37:36Z") == (
        "Attempt 2 is due in 26.3 s, 2026-11-22 19:38:02 UTC.",
    )
    (wakes,) = remarks(api, story().names["long_stays"], "2026-11-22T19:22:50Z")
    assert wakes.startswith("Wakes in ")
    (waits,) = remarks(api, WAITS, "2026-11-22T19:22:50Z")
    assert waits.startswith("Stops waiting in ")
    (stuck,) = remarks(api, WAITS, "2026-11-22T19:22:50Z", jobs=[])
    assert "nothing left to do for this run: unless it just ended, it is stuck" in stuck
    assert remarks(api, WAITS, "2026-11-22T19:22:50Z", jobs=None) == ()


def test_a_retry_that_is_due_is_waited_for_where_it_is_known_which(api: InngestAPI) -> None:
    trace, jobs = api.trace(RETRYING), api.jobs(RETRYING)
    now = trace.steps[1].attempts[0].ended_at + timedelta(seconds=10)

    def row(jobs: list[Job], steps: tuple[Step, ...] = trace.steps) -> Any:
        run = replace(trace, steps=steps)
        rows = picture_of(Given(RETRYING), run, payloads_of(run), now, jobs=jobs).chart.rows
        return next(row for row in rows if row.name == "bad-step")

    assert row(jobs).outcome == "failed, 5 ms, 141 ms queued, 10 s before retries"
    (pause,) = (bar for bar in row(jobs).bars if bar.word == "pausing")
    assert pause.note == "10 s before attempt 2"
    assert pause.start + pause.width == pytest.approx(99.5)
    another = replace(trace.steps[1], step_id="b", name="other")
    for told in (row([]), row(jobs, (*trace.steps, another))):
        assert "pausing" not in {bar.word for bar in told.bars}
