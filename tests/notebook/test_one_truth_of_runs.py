"""One question, one answer, of a real Inngest's runs: status, begin and duration in every view.

Each run is awkward in a way that made views disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
import pytest
from form_driver import press, until, words
from story_lists import RunList
from story_records import Json, Record, nanoseconds, row_of, time_text
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI, RunStore
from inngest_nb.history import OPEN
from inngest_nb.words import duration_text, status_text

# Half an hour more than whole hours: what is open reads the same until the test is done.
NOW = datetime.now(UTC).replace(microsecond=400)
BEGAN = NOW - timedelta(days=2, hours=4, minutes=30)
SO_FAR = "2 d 4 h"
RUN = "01M82BBSDM2RWR71WM2EZVHP9E"
ZERO = "0001-01-01T00:00:00Z"  # of Go


def at(seconds: float) -> str:
    return time_text(BEGAN + timedelta(seconds=seconds))


# What the server says of each; its status in our words, and how long it took.
AWKWARD: dict[str, tuple[Json, str, str]] = {
    "told in whole milliseconds": (
        {"status": "COMPLETED", "endedAt": at(0.8405), "durationMs": "840"}, "completed", "840 ms"),
    "told otherwise than its times": (
        {"status": "COMPLETED", "endedAt": at(10), "durationMs": "7000"}, "completed", "10 s"),
    "ended as it began, so 0 is left out": (
        {"status": "COMPLETED", "endedAt": at(0)}, "completed", "0 ms"),
    "no duration is told": ({"status": "FAILED", "endedAt": at(10)}, "failed", "10 s"),
    "the clock went back": (
        {"status": "COMPLETED", "endedAt": at(-10), "durationMs": "0"}, "completed", ""),
    "canceled, and its end less ten seconds is before its begin": (
        {"status": "CANCELLED", "endedAt": at(9), "durationMs": "9000"}, "canceled", ""),
    "said to be completed, with Go's zero time for its end": (
        {"status": "COMPLETED", "endedAt": ZERO}, "running", SO_FAR),
    "said to be completed, with what is no time for its end": (
        {"status": "COMPLETED", "endedAt": ""}, "running", SO_FAR),
    "running, with Go's zero time for its end": (
        {"status": "RUNNING", "endedAt": ZERO}, "running", SO_FAR),
    "a status that nobody knows, of a run that ended": (
        {"status": "SKIPPED", "endedAt": at(10), "durationMs": "10000"}, "skipped", "10 s"),
    "queued": ({"status": "QUEUED"}, "queued", SO_FAR),
}  # fmt: skip


class Case(NamedTuple):
    """A server, what it will say of the run, and what views are to make of that."""

    inngest: StoryServer
    api: InngestAPI
    said: Json
    status: str
    took: str

    def happen(self, event_id: str) -> None:
        """Let the server have the run, of an event."""
        # Lists alone show the end of a canceled run ten seconds late.
        put(self.inngest, event_id, self.said, ended=at(-1) if self.status == "canceled" else "")


def put(inngest: StoryServer, event_id: str, said: Json, *spans: Json, ended: str = "") -> None:
    """Give a server a run in which something has just happened, and its steps."""
    item = {
        "id": RUN,
        "app": {"id": "nb-lab"},
        "function": {"id": "square", "name": "Square"},
        "queuedAt": at(0),
        "startedAt": at(0),
        "trigger": {"eventIds": [event_id]},
        **said,
    }
    detail = item | ({"endedAt": ended} if ended else {})
    root = {name: told for name, told in detail.items() if name.endswith(("At", "Ms"))}
    root |= {"name": "Run", "children": [*spans]}
    root["status"] = "WAITING" if item["status"] == "QUEUED" else item["status"]
    row = row_of(Record(item, detail, {"rootSpan": root}, {}, [], (event_id,)))
    row = row._replace(end_ns=nanoseconds(time_text(datetime.now(UTC))))
    with inngest.state.lock:
        inngest.state.runs.put(row)
        inngest.state.index(row)


@pytest.fixture
def inngest() -> Iterator[StoryServer]:
    """A server that knows nothing of the run yet, nor of any other."""
    with StoryServer(ui=False) as inngest:
        inngest.state.runs = RunList([])
        yield inngest


@pytest.fixture
def api(inngest: StoryServer) -> Iterator[InngestAPI]:
    with InngestAPI(inngest.url) as api:
        yield api


@pytest.fixture(params=AWKWARD)
def case(request: pytest.FixtureRequest, inngest: StoryServer, api: InngestAPI) -> Case:
    return Case(inngest, api, *AWKWARD[request.param])


@pytest.fixture
def there(case: Case) -> Case:
    """A server that has the run."""
    case.happen(case.api.send("lab/nobody.listens", {}))
    return case


def row_in(frame: pd.DataFrame) -> tuple[str, datetime, str]:
    """Return the status, the begin and the duration of the only row of a frame."""
    (row,) = frame.to_dict("records")
    began = row["created_at"] if "created_at" in row else row["started_at"]
    return str(row["status"]), began, span(row["duration"])


def span(value: Any) -> str:
    return "" if pd.isna(value) else duration_text(value)


def test_frames_say_the_same(case: Case) -> None:
    watch = inb.watch_runs(case.api)
    case.happen(case.api.send("lab/nobody.listens", {}))
    watched, searched = watch.poll(), inb.search_runs(case.api, since=None)
    runs = RunStore(case.api)
    frames = [searched, watched, inb.frame(runs), inb.frame(runs.load(RUN))]
    assert [row_in(frame) for frame in frames] == [(case.status, BEGAN, case.took)] * 4
    is_open = case.status in OPEN
    assert watched.loc[0, "change"] == ("new" if is_open else "ended")
    assert is_open == pd.isna(searched.loc[0, "ended_at"])
    if not is_open:
        to_the_microsecond = {str(frame.loc[0, "duration"]) for frame in frames}
        assert len(to_the_microsecond) == 1


def test_a_waterfall_says_the_same_in_its_head_and_in_its_row(there: Case) -> None:
    head, facts, *rows = repr(inb.waterfall(RUN, there.api)).splitlines()
    assert head == f"{RUN}: {status_text(there.status)}"
    told = re.search(r"(?:took|so far) (.*)", facts)
    assert (told[1] if told else "") == there.took
    (row,) = (row for row in rows if row.startswith("  run "))
    said = filter(None, [status_text(there.status), there.took])
    assert row.rpartition("|")[2].strip().removesuffix(" so far") == ", ".join(said)


def test_a_timeline_and_the_table_of_explore_say_the_same(there: Case) -> None:
    first = repr(inb.timeline(RunStore(there.api).load(RUN))).splitlines()[0]
    assert status_text(there.status) in first
    assert first.partition(", ")[2].removesuffix(" so far") == there.took
    explorer = inb.explore(there.api)
    explorer.wait()
    (row,) = explorer.table.rows
    assert row["cells"][3].removesuffix(" so far") == there.took
    explorer.close()


def test_the_form_that_sent_its_event_says_the_same_once_it_is_over(case: Case) -> None:
    form = inb.send_form(case.api, name="lab/square")
    press(form, form.send)
    case.happen(form.runs.event_id)
    until(form.runs.area, RUN)
    said = words(form.runs.area)
    form.close()
    took = "" if case.status in OPEN else case.took
    assert " ".join(f"{status_text(case.status)} nb-lab/square {took} {RUN}".split()) in said


# Steps


def step(name: str, status: str = "COMPLETED", error: str = "", **more: Any) -> Json:
    """Say of a step what the server says; the function itself has no id."""
    span = {"name": name, "status": status, "queuedAt": at(1), "startedAt": at(1)}
    span |= {} if status == "RUNNING" else {"endedAt": at(2)}
    span |= {} if name == "Finalization" else {"stepId": f"id-{name}", "stepOp": "RUN"}
    return span | ({"output": {"message": error}} if error else {}) | more


@pytest.mark.parametrize("status", ["CANCELLED", "FAILED"])
def test_what_was_open_when_the_run_ended_has_one_outcome(
    inngest: StoryServer, api: InngestAPI, status: str
) -> None:
    late = 20 if status == "CANCELLED" else 10
    said = {"status": status, "endedAt": at(late)}
    put(inngest, RUN, said, step("charge", "RUNNING"), ended=at(10))
    (told,) = inb.trace_frame(RUN, api).to_dict("records")
    (activity,) = inb.activity_frame(RunStore(api)).to_dict("records")
    outcome = "canceled" if status == "CANCELLED" else "abandoned"
    assert (told["status"], span(told["duration"])) == (outcome, "9 s")
    assert activity["outcome"] == outcome
    picture = repr(inb.waterfall(RUN, api))
    assert f"{status_text(outcome)}, 9 s" in picture


def test_a_run_that_ended_is_over_in_its_history_whatever_its_status(
    inngest: StoryServer, api: InngestAPI
) -> None:
    said = {"status": "SKIPPED", "endedAt": at(10)}
    put(inngest, RUN, said, step("charge", "RUNNING"))
    (told,) = inb.trace_frame(RUN, api).to_dict("records")
    assert (told["status"], span(told["duration"])) == ("abandoned", "9 s")
    assert "abandoned, 9 s" in repr(inb.waterfall(RUN, api))
    assert [*inb.activity_frame(RunStore(api))["outcome"]] == ["abandoned"]
    last = inb.history_frame(RunStore(api)).iloc[-1]
    # Neither a success nor a failure.
    assert (last["type"], last["at"]) == ("workflow_canceled", BEGAN + timedelta(seconds=10))


CAUSES = {
    "no function is told": (
        [step("one", "FAILED", "boom 1x"), step("two", "FAILED", "bang")], "two", "bang"),
    "its error was caught": (
        [step("one", "FAILED", "boom"), step("Finalization", "FAILED", "gave up")],
        "Finalization", "gave up"),
    "the later one was caught": (
        [step("one", "FAILED", "boom"), step("two", "FAILED", "bang"),
         step("Finalization", "FAILED", "boom")], "one", "boom"),
    "the function tells no error": (
        [step("one", "FAILED", "boom"), step("Finalization", "FAILED")], "one", "boom"),
    "no errors are told": (
        [step("one", "FAILED"), step("two", "FAILED"), step("Finalization", "FAILED")], "two", ""),
}  # fmt: skip


@pytest.mark.parametrize(("spans", "name", "error"), CAUSES.values(), ids=CAUSES)
def test_a_run_failed_in_one_step(
    inngest: StoryServer, api: InngestAPI, spans: list[Json], name: str, error: str
) -> None:
    put(inngest, RUN, {"status": "FAILED", "endedAt": at(10)}, *spans)
    traces = inb.trace_frame(RUN, api)
    (group,) = inb.search_runs(api, since=None).wf.failures(traces=traces).to_dict("records")
    assert (group["step"], group["error"] if error else "") == (name, error)
    line = repr(inb.waterfall(RUN, api)).splitlines()[2]
    what = "The function" if name == "Finalization" else f"The step {name}"
    assert line.startswith(f"{what} failed: {error}")


def test_steps_and_their_attempts_are_counted_alike(inngest: StoryServer, api: InngestAPI) -> None:
    failed = step("Attempt 0", "FAILED", "boom")
    spans = [
        step("once"),
        step("twice", children=[failed, step("Attempt 1")]),
        step("call", stepOp="INVOKE"),
        step("no times", startedAt=None),
        step("Finalization"),
    ]
    put(inngest, RUN, {"status": "COMPLETED", "endedAt": at(10)}, *spans)
    steps, activities = inb.trace_frame(RUN, api), inb.activity_frame(RunStore(api))
    counted = steps.replace("Finalization", "square").set_index("step")["attempts"].to_dict()
    assert counted == {"once": 1, "twice": 2, "call": 1, "no times": 1, "square": 1}
    assert counted == activities.set_index("activity")["attempt_count"].to_dict()


def test_what_is_not_tried_has_no_attempts(inngest: StoryServer, api: InngestAPI) -> None:
    spans = [
        step("nap", stepOp="SLEEP"),
        step("wait", stepOp="WAIT_FOR_EVENT"),
        step("next", "QUEUED", startedAt=None, endedAt=None),
    ]
    put(inngest, RUN, {"status": "RUNNING"}, *spans)
    assert list(inb.trace_frame(RUN, api)["attempts"]) == [0, 0, 0]
    assert len(inb.activity_frame(RunStore(api))) == 0
