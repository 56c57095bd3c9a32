"""One question, one answer: when a run began, ended and how long it took, alike in every view.

Each state is awkward in a way that made views disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from conftest import GO_DOCUMENTS
from explore_driver import choose
from form_driver import Reading, all_html
from overview_driver import Shown

import inngest_nb as inb
from inngest_nb import EventType, HistoryEvent, InngestStore, StateServer, WorkflowState, wire
from inngest_nb.history import is_finished
from inngest_nb.words import duration_text, time_text

# Half an hour more than whole hours: what is open reads the same until the test is done.
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2, hours=4, minutes=30)
SO_FAR = "2 d 4 h"


def at(**later: float) -> datetime:
    return BEGAN + timedelta(**later)


def happened(kind: str, seconds: float, activity: str = "", **more: Any) -> HistoryEvent:
    return HistoryEvent(
        id=round(seconds) + 1,
        type=EventType(kind),
        activity_name=activity,
        timestamp=at(seconds=seconds),
        **more,
    )


def events(end: str = "workflow_completed", seconds: float = 10) -> tuple[HistoryEvent, ...]:
    """An activity that took 3 s, one that is left open, and an end if there is one."""
    ended = (happened(end, seconds),) if end else ()
    return (
        happened("workflow_started", 0),
        happened("activity_started", 1, "pack"),
        happened("activity_completed", 4, "pack"),
        happened("activity_started", 5, "ship"),
        *ended,
    )


def run(status: str, history: tuple[HistoryEvent, ...] = (), **fields: Any) -> WorkflowState:
    given = {"created_at": BEGAN, "updated_at": at(seconds=10)} | fields
    return WorkflowState(
        workflow_id="order-1",
        run_id="run-1",
        status=status,  # type: ignore[arg-type]
        history=history,
        **given,
    )


# What every view has to say of each: when it began, and how long it took.
SAVED = "when its store first saw it"
AWKWARD: dict[str, tuple[WorkflowState, Any, str]] = {
    "mended three days later": (
        run("completed", events(), updated_at=at(days=3)), BEGAN, "10 s"),
    "canceled, and mended": (
        run("canceled", events("workflow_canceled"), updated_at=at(days=3)), BEGAN, "10 s"),
    "no CreatedAt": (run("completed", events(), created_at=None), BEGAN, "10 s"),
    "no history": (run("completed"), BEGAN, "10 s"),
    "neither CreatedAt nor history": (
        run("completed", created_at=None, updated_at=at(days=9000)), SAVED, None),
    "a status that nobody knows": (run("terminated", events("")), BEGAN, ""),
    "a status that nobody knows, of a run that ended": (
        run("terminated", events(), updated_at=at(days=3)), BEGAN, "10 s"),
    "a status that only steps have": (
        run("waiting", events(""), updated_at=at(hours=1)), BEGAN, ""),
    "no status": (run("", events("")), BEGAN, ""),
    "queued": (run("queued"), BEGAN, SO_FAR),
    "running": (run("running", events("")), BEGAN, SO_FAR),
    "running again after it failed": (
        run("running", events("workflow_failed")), BEGAN, SO_FAR),
    "the clock went back": (
        run("completed", events(seconds=-60), updated_at=at(days=3)), BEGAN, ""),
    "failed, and the clock went back": (
        run("failed", events("workflow_failed", -3600), updated_at=at(days=1)), BEGAN, ""),
    "saved before it began": (run("failed", updated_at=at(days=-8)), BEGAN, ""),
    "events out of order": (
        run("completed", events()[::-1], updated_at=at(days=3)), BEGAN, "10 s"),
    "Go's final save": (
        next(state for state in map(wire.decode, GO_DOCUMENTS)
             if state.created_at is None and state.status == "completed"), SAVED, ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InngestStore]:
    with (
        StateServer(tmp_path_factory.mktemp("truth") / "s.db", port=0) as server,
        InngestStore(base_url=server.url) as store,
    ):
        yield store


@pytest.fixture(params=AWKWARD)
def case(
    request: pytest.FixtureRequest, server: InngestStore
) -> Iterator[tuple[InngestStore, WorkflowState, str, str]]:
    """A store with one awkward workflow in it, that workflow, its begin and how long it took."""
    state, began, took = AWKWARD[request.param]
    server.save(state)
    (listed,) = server.fetch()
    if began == SAVED:
        began = listed.first_saved_at
        end = listed.updated_at
        took = duration_text(end - began) if end and end >= began else ""
    yield server, listed, time_text(began), took
    server.delete(state.workflow_id)


Case = tuple[InngestStore, WorkflowState, str, str]


def is_open(state: WorkflowState) -> bool:
    return state.status in ("running", "queued")


def ended_of(state: WorkflowState) -> str:
    """Give the end that the frame tells; "" where it tells none."""
    end = inb.frame(state).loc[0, "ended_at"]
    return "" if pd.isna(end) else time_text(end)


def spans(text: str) -> str:
    """Give the duration that follows "Took" or "So far" among the facts of a view."""
    found = re.search(r"(?:Took|So far) (-?[\d.]+ \w+(?: \d+ (?:h|min|s)\b)?)", text)
    return found[1] if found else ""


def time_in(text: str, fact: str) -> str:
    found = re.search(rf"{fact} ([\d-]+ [\d:]+ UTC|not set)", text)
    return found[1] if found else ""


def read(html: str) -> str:
    return " ".join(Reading(html).text.split())


def span(value: Any) -> str:
    return "" if pd.isna(value) else duration_text(value)


def test_the_frame_and_the_list_of_a_server_say_the_same(case: Case) -> None:
    store, listed, began, took = case
    for rows in (inb.frame(store), inb.frame(listed), inb.frame(store.load(listed.workflow_id))):
        assert time_text(rows.loc[0, "created_at"]) == began
        assert span(rows.loc[0, "duration"]) == took


def test_a_timeline_says_the_same_in_html_and_in_text(case: Case) -> None:
    _, listed, began, took = case
    bundle = inb.timeline(listed)._repr_mimebundle_()
    facts = read(bundle["text/html"])
    assert (time_in(facts, "Began"), spans(facts)) == (began, took)
    assert time_in(facts, "Ended") == ended_of(listed)
    headline = bundle["text/plain"].splitlines()[0]
    assert headline.partition(", ")[2].removesuffix(" so far") == took


LONG = "10000d"  # as long as all that is awkward here


def test_the_answers_of_a_frame_agree_on_whether_it_has_ended(case: Case) -> None:
    _, listed, _, took = case
    rows, status = inb.frame(listed), str(listed.status)
    still, ended = is_open(listed), bool(ended_of(listed))
    assert not (still and ended)
    rate = rows.wf.rate(LONG).drop(columns="failure_rate").sum()
    became = "unfinished" if still else status if is_finished(status) else "unknown"
    assert rate[rate > 0].to_dict() == {"runs": 1, became: 1}
    spans_of_time = rows.wf.over_time(LONG)
    counted = spans_of_time[["started", "ended", "failed"]].sum().tolist()
    assert counted == [1, ended, ended and status == "failed"]
    assert spans_of_time["in_flight"].iloc[-1] == still
    assert [span(each) for each in spans_of_time["p50"] if span(each)] == [took] * bool(
        ended and took
    )
    (group,) = rows.wf.summary(by="workflow_id").itertuples()
    assert (span(group.max), group.running) == ("" if still else took, status == "running")
    assert len(rows.wf.running()) == (status == "running")
    assert rows.wf.stuck(longer_than=0)["count"].sum() == still
    assert ("so far" in repr(rows.wf)) == still


def test_an_overview_agrees_on_whether_it_has_ended(case: Case) -> None:
    store, listed, _, _ = case
    still, ended = is_open(listed), bool(ended_of(listed))
    for source in (store, inb.frame(store)):
        shown = Shown(inb.overview(source, since=LONG))
        counts = {label: int(said.split()[0]) for label, said in shown.counts.items()}
        assert counts == {
            "Started": 1,
            "Ended": ended,
            "Failed": ended and listed.status == "failed",
            "Still open": still,
        }
        became = listed.status if is_finished(listed.status) else "with an unknown status"
        assert shown.tips()[0].endswith(f": 1 started: 1 {'still open' if still else became}")


def test_compare_says_the_same_in_html_and_as_a_frame(case: Case) -> None:
    _, listed, _, took = case
    comparison = inb.compare(listed, listed)
    assert span(comparison.frame.loc[0, "duration_a"]) == took
    html = read(comparison._repr_mimebundle_()["text/html"])
    assert (f"Both took {took}" in html) if took else ("Both took" not in html)


def test_the_table_and_the_detail_of_explore_say_the_same(case: Case) -> None:
    store, listed, began, took = case
    explorer = inb.explore(store)
    explorer.wait()
    assert explorer.table.rows[0]["cells"][3].removesuffix(" so far") == took
    choose(explorer, listed.workflow_id)
    says_the_same(read(all_html(explorer.detail)), listed, began, took)
    explorer.close()


@pytest.mark.parametrize("form", ["save_form", "signal_form"])
def test_the_head_of_a_form_says_the_same(case: Case, form: str) -> None:
    store, listed, began, took = case
    if form == "save_form":
        shown = inb.save_form(store, store.load(listed.workflow_id))
    else:
        shown = inb.signal_form(store, listed.workflow_id)
    shown.wait()
    says_the_same(read(all_html(shown)), listed, began, took)
    shown.close()


def says_the_same(text: str, state: WorkflowState, began: str, took: str) -> None:
    """Check the facts of a head, which leaves out how long an open run has taken: it grows."""
    assert time_in(text, "Began") == began
    assert spans(text) == ("" if is_open(state) else took)
    assert time_in(text, "Ended") == ended_of(state)


def activities(case: Case) -> dict[str, str]:
    rows = inb.activity_frame(case[0])
    return dict(zip(rows["activity"], map(span, rows["duration"]), strict=True))


def test_activities_took_as_long_in_every_view(case: Case) -> None:
    store, listed, _, _ = case
    known = activities(case)
    compared = inb.compare(listed, listed).frame.query("kind == 'activity'")
    assert known == dict(zip(compared["name"], map(span, compared["duration_a"]), strict=True))
    explorer = inb.explore(store)
    explorer.wait()
    choose(explorer, listed.workflow_id)
    pictures = [
        read(inb.timeline(listed)._repr_mimebundle_()["text/html"]),
        read(all_html(explorer.detail)),
    ]
    explorer.close()
    outcomes = dict(inb.activity_frame(store).set_index("activity")["outcome"])
    for picture in pictures:
        for name, took in known.items():
            assert f"{outcomes[name]}{', ' if took else ''}{took}" in " ".join(picture.split())


def test_a_replay_says_the_same_of_activities_at_its_last_event(case: Case) -> None:
    _, listed, _, _ = case
    if not listed.history:
        return
    view = inb.replay(listed, inb.samples.order)
    view.slider.value = len(view.moments)
    ended = activities(case)
    if view.then.status == listed.status:
        now = dict(zip(view.frame["activity"], map(span, view.frame["duration"]), strict=True))
        done = set(view.frame.query("outcome != 'running'")["activity"])
        assert {name: now[name] for name in done} == {name: ended[name] for name in done}
    view.close()


def test_a_failure_is_as_old_as_its_run_says_however_late_somebody_edits_it() -> None:
    edited = run("failed", events("workflow_failed"), error="boom", updated_at=at(days=2))
    later = run("failed", events("workflow_failed", 60), error="boom").replace(workflow_id="later")
    rows = inb.frame([edited, later])
    assert [*rows.wf.failed()["workflow_id"]] == ["later", edited.workflow_id]
    (group,) = rows.wf.errors().to_dict("records")
    assert (group["first_seen"], group["last_seen"]) == (at(seconds=10), at(seconds=60))
    assert group["example"] == "later"
    older = rows.drop(columns="ended_at")
    assert older.wf.errors()["last_seen"].loc[0] == at(days=2)
