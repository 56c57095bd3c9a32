"""`watch_runs`: each change of a run is told once, whatever happens between two looks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from canned_server import Seen
from hostile_strings import HOSTILE_STRINGS
from manual_clock import ManualClock
from story_changes import end, hold, start
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestConnectionError
from inngest_nb.frames.inngest import RunWatch

TAGS = {"caption", "div", "style", "table", "tbody", "td", "th", "thead", "tr"}
TIME = "datetime64[us, UTC]"
COLUMNS = {
    "run_id": "str",
    "app": "str",
    "function": "str",
    "change": "category",
    "previous_status": "category",
    "status": "category",
    "inngest_status": "str",
    "queued_at": TIME,
    "started_at": TIME,
    "ended_at": TIME,
    "duration": "timedelta64[us]",
    "event_id": "str",
}


class Lab:
    """A server, its clock, and what its worker does."""

    def __init__(self, inngest: StoryServer, api: InngestAPI, clock: ManualClock) -> None:
        self.inngest, self.api, self.clock = inngest, api, clock

    def later(self, seconds: float = 2) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def queue(self, function: str = "square") -> str:
        return self.api.invoke("nb-lab", function, {"n": 2})

    def start(self, run_id: str) -> None:
        start(self.inngest, run_id, self.clock.now())

    def end(self, run_id: str, status: str = "COMPLETED") -> None:
        end(self.inngest, run_id, status, self.clock.now())


@pytest.fixture
def lab() -> Iterator[Lab]:
    clock = ManualClock()
    with StoryServer(now=clock.now) as inngest, InngestAPI(inngest.url) as api:
        yield Lab(inngest, api, clock)


def told(changes: pd.DataFrame) -> list[tuple[str, str, str | None, str]]:
    before = changes["previous_status"].astype(object)
    return [
        (row.run_id, str(row.change), None if pd.isna(was) else str(was), str(row.status))
        for row, was in zip(changes.itertuples(), before, strict=True)
    ]


def test_nothing_has_happened_yet(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api)
    for _ in range(3):
        changes = watch.poll()
        assert {name: str(dtype) for name, dtype in changes.dtypes.items()} == COLUMNS
        assert told(changes) == []
        lab.later()


def test_a_run_is_told_when_it_is_queued_begins_and_ends(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api)
    run = lab.queue()
    assert told(watch.poll()) == [(run, "new", None, "queued")]
    assert told(watch.poll()) == []
    lab.later()
    lab.start(run)
    assert told(watch.poll()) == [(run, "changed", "queued", "running")]
    for _ in range(2):
        lab.later(100)
        assert told(watch.poll()) == []
    lab.end(run, "FAILED")
    changes = watch.poll()
    assert told(changes) == [(run, "ended", "running", "failed")]
    assert changes["duration"][0].floor("s") == pd.Timedelta(seconds=202)
    assert told(watch.poll()) == []


def test_a_run_that_began_and_ended_between_two_looks_is_told(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api)
    run = lab.queue()
    lab.start(run)
    lab.end(run)
    lab.later(3600)
    assert told(watch.poll()) == [(run, "ended", None, "completed")]
    assert told(watch.poll()) == []


def test_a_run_that_shows_late_is_told_and_only_once(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api)
    run = lab.queue()
    rows = lab.inngest.state.runs
    hidden = rows.rows.pop(run)
    rows.put(next(iter(rows.rows.values())))  # sorts anew
    lab.later(5)
    assert told(watch.poll()) == []
    rows.put(hidden)
    seen = []
    for _ in range(8):
        seen += told(watch.poll())
        lab.later()
    assert seen == [(run, "new", None, "queued")]


def test_a_canceled_run_lasted_as_long_as_its_detail_says(lab: Lab, names: dict[str, str]) -> None:
    watch = inb.watch_runs(lab.api)
    lab.api.cancel(names["long_stays"])
    changes = watch.poll()
    detail = lab.api.run(names["long_stays"], output=False)
    (row,) = changes.itertuples()
    assert (row.status, row.started_at) == ("canceled", detail.started_at)
    assert abs(row.duration - detail.duration) <= timedelta(milliseconds=1)


def test_a_look_that_fails_at_graphql_is_made_up_for(names: dict[str, str]) -> None:
    failing = [True]
    lost = lambda seen: failing[0] and seen.target == "/v0/gql"  # noqa: E731
    clock = ManualClock()
    with StoryServer(now=clock.now, lose=lost) as inngest, InngestAPI(inngest.url) as api:
        watch = inb.watch_runs(api)
        api.cancel(names["long_stays"])
        with pytest.raises(InngestConnectionError):
            watch.poll()
        failing[0] = False
        assert told(watch.poll()) == [(names["long_stays"], "ended", "running", "canceled")]


def test_what_was_there_is_told_only_when_it_changes(lab: Lab, names: dict[str, str]) -> None:
    watch = inb.watch_runs(lab.api)
    lab.later()
    lab.start(names["limited0"])
    lab.end(names["limited1"])
    lab.api.cancel(names["long_stays"])
    # A run that did something, and runs on.
    lab.start(names["wait_pending"])
    assert sorted(told(watch.poll())) == sorted(
        [
            (names["limited0"], "changed", "queued", "running"),
            (names["limited1"], "ended", "running", "completed"),
            (names["long_stays"], "ended", "running", "canceled"),
        ]
    )


def test_a_canceled_run_is_told_once_although_lists_have_its_end_in_the_future(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api)
    run = lab.queue()
    lab.api.cancel(run)
    seen = []
    for _ in range(30):
        seen += told(watch.poll())
        lab.later(1)
    assert seen == [(run, "ended", None, "canceled")]


def test_a_run_that_is_over_stays_over_whatever_the_list_says_later(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api)
    run = lab.queue()
    lab.end(run)
    assert told(watch.poll()) == [(run, "ended", None, "completed")]
    row = lab.inngest.state.runs.rows[run]
    # As with a run that gets a score.
    item = {key: value for key, value in row.record.item.items() if key != "endedAt"}
    scored = replace(row.record, item=item | {"status": "RUNNING"})
    lab.inngest.state.runs.put(row._replace(status="RUNNING", record=scored))
    assert told(watch.poll()) == []
    assert told(watch.poll()) == []


def test_many_changes_take_several_pages(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api)
    runs = {lab.queue() for _ in range(230)}
    assert {row[0] for row in told(watch.poll())} == runs
    assert told(watch.poll()) == []


def test_a_run_that_comes_while_pages_are_read_is_told_by_the_next_look() -> None:
    clock = ManualClock()
    late: list[str] = []

    def meanwhile(seen: Seen) -> bool:
        if len(inngest.state.runs.rows) > 200 and "/runs?" in seen.target and not late:
            lab.later(5)
            late.append(inngest.state.invoke("square", {}, "")[0])
            lab.later(25)
        return False

    with (
        StoryServer(now=clock.now, lose=meanwhile) as inngest,
        InngestAPI(inngest.url) as api,
    ):
        lab = Lab(inngest, api, clock)
        watch = inb.watch_runs(api)
        for _ in range(230):
            lab.queue()
        assert len(watch.poll()) == 230
        assert told(watch.poll()) == [(late[0], "new", None, "queued")]


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_kept_in_the_frame_and_escaped_in_its_table(lab: Lab, text: str) -> None:
    watch = inb.watch_runs(lab.api)
    now = lab.clock.now().isoformat()
    run = {
        "id": "01M82C744GR8D1FTV363DG9ZZZ",
        "app": {"id": text},
        "function": {"id": text},
        "status": text,
        "startedAt": now,
        "endedAt": now,
        "trigger": {"eventIds": [text]},
    }
    hold(lab.inngest, [run])
    changes = watch.poll()
    assert (changes["app"][0], changes["inngest_status"][0]) == (text, text)
    assert str(changes["status"][0]) == text.lower()
    assert {*re.findall(r"<\s*(\w+)", changes.wf._repr_html_())} <= TAGS


@pytest.mark.parametrize("skew", [timedelta(days=-400), timedelta(days=400)])
def test_the_clock_of_the_server_counts(skew: timedelta) -> None:
    clock = ManualClock()
    clock.set(datetime.now(clock.now().tzinfo) + skew)
    with StoryServer(now=clock.now) as inngest, InngestAPI(inngest.url) as api:
        lab = Lab(inngest, api, clock)
        early = lab.queue()
        watch = inb.watch_runs(api)
        run = lab.queue()
        lab.end(early)
        assert sorted(told(watch.poll())) == sorted(
            [(run, "new", None, "queued"), (early, "ended", "queued", "completed")]
        )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"status": "failed"}, {"bad"}),
        ({"status": ["FAILED", "completed"]}, {"bad", "good"}),
        ({"app": "nb-lab", "function": "tiny"}, {"other"}),
        ({"function": "tiny"}, {"other"}),
        ({"app": "none"}, set()),
        ({}, {"bad", "good", "other"}),
    ],
)
def test_changes_are_narrowed(lab: Lab, given: Any, wanted: set[str]) -> None:
    watch = inb.watch_runs(lab.api, **given)
    runs = {"bad": lab.queue(), "good": lab.queue(), "other": lab.queue("tiny")}
    lab.end(runs["bad"], "FAILED")
    lab.end(runs["good"])
    changes = watch.poll()
    assert {row[0] for row in told(changes)} == {runs[name] for name in wanted}
    assert changes.attrs["filter"]["app"] == given.get("app")
    assert {name: str(dtype) for name, dtype in changes.dtypes.items()} == COLUMNS


def test_looks_are_cheap_however_long_the_history_is() -> None:
    clock = ManualClock()
    with StoryServer(runs=10_000, now=clock.now) as inngest, InngestAPI(inngest.url) as api:
        watch = inb.watch_runs(api)
        lab = Lab(inngest, api, clock)
        for _ in range(50):
            lab.queue()
        lab.later(60)
        assert len(watch.poll()) == 50
        before = len(inngest.seen), inngest.seconds
        for _ in range(10):
            watch.poll()
        assert len(inngest.seen) - before[0] == 10
        assert inngest.seconds - before[1] == pytest.approx(10 * 0.03)


def waiting(lab: Lab, *steps: Callable[[], object]) -> tuple[RunWatch, list[float]]:
    """Watch; each wait is as long as a step takes."""
    waits: list[float] = []
    todo = iter(steps)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        lab.later(seconds)
        next(todo)()

    said = {"status": None, "app": None, "function": None}
    return RunWatch(lab.api, said, 2.0, wait), waits


def test_the_loop_waits_for_the_next_change(lab: Lab) -> None:
    runs: list[str] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    def nothing() -> None:
        """The time just passes."""

    watch, waits = waiting(
        lab, nothing, lambda: runs.append(lab.queue()), nothing, interrupt,
        lambda: lab.end(runs[0]), nothing,
    )  # fmt: skip
    assert told(next(watch)) == [(runs[0], "new", None, "queued")]
    assert waits == [2.0, 2.0]
    with pytest.raises(KeyboardInterrupt):
        next(watch)
    assert told(next(watch)) == [(runs[0], "ended", "queued", "completed")]


def test_a_closed_watch_ends_the_loop(lab: Lab) -> None:
    watch, _ = waiting(lab, lab.queue)
    with watch:
        for changes in watch:
            assert len(changes) == 1
            watch.close()
    assert [*watch] == []
    assert len(lab.api.runs()) == 48  # the client is the caller's


def test_a_look_that_fails_loses_nothing() -> None:
    clock = ManualClock()
    away: list[Seen] = []

    def lose(seen: Seen) -> bool:
        return bool(away) and seen.method == "GET"

    with StoryServer(now=clock.now, lose=lose) as inngest, InngestAPI(inngest.url) as api:
        lab = Lab(inngest, api, clock)
        watch = inb.watch_runs(api)
        run = lab.queue()
        away.append(inngest.seen[-1])
        with pytest.raises(InngestConnectionError):
            watch.poll()
        lab.later(3600)
        away.clear()
        assert told(watch.poll()) == [(run, "new", None, "queued")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"status": "odd"}, "status must be one of queued, running"),
        ({"app": ""}, "app must be a name such as 'shop'"),
        ({"function": 5}, "function must be a name such as 'charge-card'"),
        ({"every": 0}, "every must be a number of seconds above 0, such as 2"),
        ({"every": timedelta(seconds=-1)}, "every must be a number of seconds above 0"),
        ({"every": "2s"}, "every must be a number of seconds above 0"),
        ({"every": float("nan")}, "every must be a number of seconds above 0"),
        ({"every": True}, "every must be a number of seconds above 0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(lab: Lab, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inb.watch_runs(lab.api, **given)
    assert lab.inngest.seen == []


def test_a_watch_says_what_it_watches(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api, status="failed", every=timedelta(minutes=1))
    assert repr(watch) == f"<RunWatch of {lab.inngest.url}, every 60 s, status=['failed']>"


def test_a_run_whose_duration_the_server_leaves_out_lasted_until_its_end(lab: Lab) -> None:
    watch = inb.watch_runs(lab.api)
    run_id = lab.queue()
    lab.start(run_id)
    lab.end(run_id)
    row = lab.inngest.state.runs.rows[run_id]
    item = {name: said for name, said in row.record.item.items() if name != "durationMs"}
    lab.inngest.state.runs.put(row._replace(record=replace(row.record, item=item)))
    lab.later(5)
    (told,) = watch.poll().itertuples()
    assert told.change == "ended"
    assert told.duration == told.ended_at - told.started_at
