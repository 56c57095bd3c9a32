"""`frame` and `history_frame`: one row a workflow, one row an event, with fixed dtypes."""

import gc
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from frame_states import NOON, after, go_states, history, state
from hostile_strings import HOSTILE_STRINGS
from hypothesis import given
from hypothesis import strategies as st
from small_servers import plain_server, reply, scripted_server

import inngest_nb as inb
from inngest_nb import (
    AsyncInngestStore,
    HistoryEvent,
    MemoryStore,
    SqliteStore,
    WorkflowState,
    samples,
)
from inngest_nb.errors import ListingUnsupportedError, NotAStateServerError

TIME, DURATION = "datetime64[us, UTC]", "timedelta64[us]"
FRAME = {
    "workflow_id": "str",
    "run_id": "str",
    "workflow": "str",
    "status": "category",
    "created_at": TIME,
    "updated_at": TIME,
    "ended_at": TIME,
    "duration": DURATION,
    "events": "Int64",
    "activities": "Int64",
    "retries": "Int64",
    "step": "str",
    "waiting_for": "category",
    "signal": "str",
    "error": "str",
    "parent_id": "str",
    "error_reading": "str",
}
HISTORY = {
    "workflow_id": "str",
    "run_id": "str",
    "workflow": "str",
    "status": "category",
    "event_id": "Int64",
    "type": "str",
    "at": TIME,
    "activity": "str",
    "signal": "str",
    "duration": DURATION,
    "error": "str",
}


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def fetched(rows: pd.DataFrame) -> datetime:
    return datetime.fromisoformat(rows.attrs["fetched_at"])


def one(workflow: WorkflowState) -> pd.Series:
    return inb.frame(workflow).iloc[0]


# Shape


@pytest.mark.parametrize("source", [[], go_states(), state()], ids=["none", "Go's", "one"])
def test_frames_have_the_same_columns_and_dtypes_for_any_states(source: object) -> None:
    assert dtypes(inb.frame(source)) == FRAME
    assert dtypes(inb.history_frame(source)) == HISTORY
    assert dtypes(inb.frame(source, payloads=True)) == FRAME | {
        "input": "object",
        "result": "object",
    }
    assert dtypes(inb.history_frame(source, payloads=True)) == HISTORY | {
        "input": "object",
        "result": "object",
        "payload": "object",
    }


def test_a_frame_has_a_row_for_each_state_in_their_order() -> None:
    states = go_states()
    assert list(inb.frame(states)["workflow_id"]) == [one.workflow_id for one in states]
    assert list(inb.frame(iter(states))["workflow_id"]) == [one.workflow_id for one in states]


def test_a_history_frame_has_a_row_for_each_event() -> None:
    states = go_states()
    rows = inb.history_frame(states, payloads=True)
    events = [(one.workflow_id, event) for one in states for event in one.history]
    assert list(rows["workflow_id"]) == [workflow_id for workflow_id, _ in events]
    assert list(rows["event_id"]) == [event.id for _, event in events]
    assert list(rows["payload"]) == [event.signal_payload for _, event in events]


def test_a_signal_a_timer_and_an_activity_stand_in_their_columns() -> None:
    events = history(
        ("signal_received", "", 1, {"signal_name": "approve", "signal_payload": {"by": "ann"}}),
        ("timer_fired", "", 2, {"duration": timedelta(seconds=1.5)}),
        ("activity_failed", "charge", 3, {"error": "card declined"}),
    )
    rows = inb.history_frame(state(history=events), payloads=True)
    assert list(rows["type"]) == ["signal_received", "timer_fired", "activity_failed"]
    assert rows["signal"].dropna().to_dict() == {0: "approve"}
    assert rows["duration"].dropna().to_dict() == {1: timedelta(seconds=1.5)}
    assert rows["activity"].dropna().to_dict() == {2: "charge"}
    assert rows["error"].dropna().to_dict() == {2: "card declined"}
    assert rows.loc[0, "payload"] == {"by": "ann"}
    assert list(rows["at"]) == [after(1), after(2), after(3)]


def test_what_is_not_set_is_missing() -> None:
    row = one(WorkflowState(workflow_id="x"))
    there = ["workflow_id", "workflow", "events", "activities", "retries"]
    assert row.drop(there).isna().all()
    event = inb.history_frame(WorkflowState(workflow_id="x", history=(HistoryEvent(),))).iloc[0]
    assert event.drop(["workflow_id", "workflow", "event_id"]).isna().all()


# Statuses


def test_statuses_are_the_known_words_and_then_unknown_ones() -> None:
    words = ["paused", "failed", "", "waiting", "asleep", "new", "paused"]
    rows = inb.frame([state(str(n), word) for n, word in enumerate(words)])
    assert list(rows["status"].cat.categories) == [
        "running",
        "completed",
        "failed",
        "canceled",
        "asleep",
        "new",
        "paused",
        "waiting",
    ]
    assert [word if pd.notna(word) else "" for word in rows["status"]] == words
    assert rows["status"].value_counts()["canceled"] == 0


# Times


@pytest.mark.parametrize(
    ("given_time", "shown"),
    [
        (datetime(1, 1, 2, tzinfo=UTC), "0001-01-02T00:00:00+00:00"),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), "9999-12-31T23:59:59.999999+00:00"),
        (
            datetime(2025, 7, 14, 14, 38, 7, tzinfo=timezone(timedelta(hours=5.5))),
            "2025-07-14T09:08:07+00:00",
        ),
        # In UTC these would be years that no single value can show.
        (
            datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-8))),
            "9999-12-31T23:59:59.999999+00:00",
        ),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=8))), "0001-01-01T00:00:00+00:00"),
    ],
)
def test_any_time_and_zone_fits_beside_an_ordinary_one(given_time: datetime, shown: str) -> None:
    events = (HistoryEvent(timestamp=given_time), HistoryEvent(timestamp=NOON))
    rows = inb.frame([state(created_at=given_time, updated_at=NOON, history=events)])
    assert rows.loc[0, "created_at"].isoformat() == shown
    assert inb.history_frame(state(history=events)).loc[0, "at"].isoformat() == shown
    assert repr(rows)
    assert rows.to_html()


@given(st.lists(st.none() | st.datetimes(timezones=st.timezones()), max_size=4))
def test_times_keep_their_microseconds(times: list[datetime | None]) -> None:
    states = [state(created_at=time) for time in times]
    shown = [None if pd.isna(time) else time for time in inb.frame(states)["created_at"]]
    assert shown == [in_utc(workflow.created_at) for workflow in states]


def in_utc(time: datetime | None) -> datetime | None:
    """Convert a time, to the nearest that a datetime can be in UTC."""
    try:
        return time and time.astimezone(UTC)
    except OverflowError:
        end = datetime.min if time.year == 1 else datetime.max
        return end.replace(tzinfo=UTC)


def test_nanoseconds_from_go_do_not_break_a_frame() -> None:
    rows = inb.frame(go_states()).set_index("workflow_id")
    assert rows.loc["go-nanos", "created_at"].isoformat() == "2025-07-14T09:08:07.123457+00:00"
    assert rows.loc["go-pandas-bounds", "created_at"].year == 1677
    assert rows.loc["go-zone", "updated_at"].isoformat() == "2025-07-14T09:08:07+00:00"


# Durations


def test_the_duration_of_a_running_workflow_is_the_time_so_far() -> None:
    rows = inb.frame(state(status="running", created_at=NOON, updated_at=after(5)))
    assert rows.loc[0, "duration"] == fetched(rows) - NOON


def test_the_duration_of_an_ended_workflow_goes_to_its_last_update() -> None:
    assert one(state(created_at=NOON, updated_at=after(5)))["duration"] == timedelta(seconds=5)


def test_the_history_says_when_it_ended_better_than_a_later_update() -> None:
    events = history(("workflow_failed", "", 3), ("workflow_completed", "", 7), ("", "", 9))
    mended = state(created_at=NOON, updated_at=after(9000), history=events)
    assert one(mended)["duration"] == timedelta(seconds=7)


def test_the_history_says_when_it_began_if_the_document_does_not() -> None:
    events = history(("workflow_started", "", 2))
    row = one(state(updated_at=after(5), history=events, first_saved_at=after(3)))
    assert row["duration"] == timedelta(seconds=3)
    assert row["created_at"] == after(2)


def test_a_workflow_without_a_known_start_has_no_duration() -> None:
    assert pd.isna(one(state(updated_at=NOON))["duration"])
    assert pd.isna(one(state(status="running", updated_at=NOON))["duration"])


def test_a_start_after_the_end_is_no_known_start() -> None:
    assert pd.isna(one(state(updated_at=NOON, first_saved_at=after(1)))["duration"])
    assert pd.isna(one(state(status="running", created_at=after(9**10)))["duration"])


def test_the_first_save_stands_in_for_a_missing_created_at(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        before = datetime.now(UTC)
        store.save(state("by go", updated_at=NOON.replace(year=9000)))
        store.save(state("ours", created_at=NOON, updated_at=after(1)))
        rows = inb.frame(store).set_index("workflow_id")
    assert rows.attrs["created_at_estimated"] == 1
    assert before <= rows.loc["by go", "created_at"] <= fetched(rows)
    assert rows.loc["by go", "duration"].days > 365 * 6000
    assert rows.loc["ours", "created_at"] == NOON


# Counts


def test_attempts_beyond_the_first_are_retries() -> None:
    events = history(
        ("workflow_started", "", 0),
        ("activity_started", "charge", 1),
        ("activity_failed", "charge", 2),
        ("activity_started", "charge", 3),
        ("activity_completed", "charge", 4),
        ("activity_started", "ship", 5),
    )
    row = one(state(history=events))
    assert (row["events"], row["activities"], row["retries"]) == (6, 2, 1)


def test_an_event_id_beyond_64_bits_is_missing_and_breaks_nothing() -> None:
    rows = inb.history_frame(state(history=(HistoryEvent(id=2**70), HistoryEvent(id=2**63 - 1))))
    assert rows["event_id"].isna().tolist() == [True, False]
    assert rows.loc[1, "event_id"] == 2**63 - 1


# Payloads and hostile text


@pytest.mark.parametrize(
    "payload",
    [None, 2**63 + 1, 10**40, 0.1, True, "text", [], [1, 2], {"a.b": 1, "a": {"b": 2}}, [[1], [2]]],
)
def test_payloads_stay_the_objects_they_are(payload: object) -> None:
    rows = inb.frame([state(input=payload, result=None), state(input=None)], payloads=True)
    assert type(rows.loc[0, "input"]) is type(payload)
    assert rows.loc[0, "input"] == payload
    assert rows.loc[0, "result"] is None
    events = (HistoryEvent(input=payload, result=payload, signal_payload=payload),)
    event = inb.history_frame(state(history=events), payloads=True).iloc[0]
    assert [event["input"], event["result"], event["payload"]] == [payload] * 3


HOSTILE = [
    *HOSTILE_STRINGS,
    "nul\0 and \x1b[31m",
    "line\nbreak\u2028",
    "=1+1",
    "🧑‍🚀 \u202edrawkcab",
    "a" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str) -> None:
    event = HistoryEvent(activity_name=text, signal_name=text, error=text, type=text)  # type: ignore[arg-type]
    workflow = WorkflowState(
        workflow_id=text,
        run_id=text,
        status=text,  # type: ignore[arg-type]
        error=text,
        input=text,
        history=(event,),
    )
    rows = inb.frame(workflow, payloads=True)
    assert rows.loc[0, ["workflow_id", "run_id", "status", "error", "input"]].tolist() == [text] * 5
    assert rows["input"].dtype == object
    events = inb.history_frame(workflow)
    assert events.loc[0, ["type", "activity", "signal", "error"]].tolist() == [text] * 4
    shown = rows.to_html() + events.to_html() + inb.frame(workflow).wf.summary().to_html()
    assert not re.search("<(script|img|svg|iframe|a )", shown)


# Sources


def test_attrs_of_states_say_that_nobody_was_asked() -> None:
    before = datetime.now(UTC)
    attrs = inb.frame(go_states(), "running", limit=2).attrs
    assert before <= datetime.fromisoformat(attrs.pop("fetched_at")) <= datetime.now(UTC)
    assert attrs == {
        "source": None,
        "filter": None,
        "truncated": False,
        "total": 21,
        "listed": True,
        "unreadable": {},
        "last_change": None,
        "created_at_estimated": 0,
    }


@pytest.mark.parametrize("make", [inb.frame, inb.history_frame, inb.activity_frame])
def test_the_garbage_collector_is_left_as_it_was(make: Callable[..., pd.DataFrame]) -> None:
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            make(go_states())
            with pytest.raises(TypeError):
                make([None])
            assert gc.isenabled() == enabled
        finally:
            gc.enable()


@pytest.mark.parametrize("make", [inb.frame, inb.history_frame, inb.activity_frame])
def test_status_and_limit_choose_among_states(make: Callable[..., pd.DataFrame]) -> None:
    states = [state("a", "failed"), state("b"), state("c", "failed"), state("d", "failed")]
    events = history(("activity_started", "charge", 0))
    chosen = make([one.replace(history=events) for one in states], "failed", 2)
    assert list(chosen["workflow_id"]) == ["a", "c"]


@pytest.mark.parametrize("make", [inb.frame, inb.history_frame, inb.activity_frame])
def test_attrs_of_a_store_say_where_when_and_what(make: Callable[..., pd.DataFrame]) -> None:
    store = MemoryStore()
    for name in "abc":
        store.save(state(name, "failed", updated_at=NOON))
    store.save(state("d", updated_at=NOON))
    cut = make(store, status=inb.WorkflowStatus.FAILED, limit=2).attrs
    assert cut["source"] == "MemoryStore()"
    assert cut["filter"] == {"status": "failed", "limit": 2}
    assert type(cut["filter"]["status"]) is str
    assert cut["truncated"] is True
    assert make(store, status="failed", limit=3).attrs["truncated"] is False
    whole = make(store).attrs
    assert whole["filter"] == {"status": None, "limit": 0}
    assert whole["truncated"] is False


def test_a_limit_shows_the_newest() -> None:
    store = MemoryStore()
    for name, seconds in (("old", 0), ("new", 9), ("middle", 5)):
        store.save(state(name, updated_at=after(seconds)))
    assert list(inb.frame(store, limit=2)["workflow_id"]) == ["new", "middle"]


def test_attrs_survive_what_one_does_with_a_frame() -> None:
    store = MemoryStore()
    store.save(state(updated_at=NOON))
    rows = inb.frame(store)
    for made in (rows.query("events == 0"), rows.merge(rows[["run_id"]]), pd.concat([rows, rows])):
        assert made.attrs == rows.attrs


def test_a_server_is_asked_for_what_others_saved(tmp_path: Path) -> None:
    with inb.local(tmp_path / "s.db", event_key="planted-key") as store:
        with inb.InngestStore(store.base_url, "planted-key") as other:
            other.save(state("by another", created_at=NOON, updated_at=after(1)))
        assert store.list() == []
        rows = inb.frame(store)
    assert list(rows["workflow_id"]) == ["by another"]
    assert "planted-key" not in repr(rows.attrs)


class PlainServerStore(MemoryStore):
    """A client of a server that cannot list: `fetch` says so."""

    def fetch(self, status: str | None = None, limit: int = 0) -> list[WorkflowState]:
        raise ListingUnsupportedError("no listing here")


class ThirdPartyStore:
    """A store of someone else, with the contract's four verbs and a telling repr."""

    def __init__(self) -> None:
        self._states: dict[str, WorkflowState] = {}

    def __repr__(self) -> str:
        return "ThirdPartyStore(password='hunter2')"

    def save(self, workflow: WorkflowState) -> None:
        self._states[workflow.workflow_id] = workflow

    def load(self, workflow_id: str) -> WorkflowState | None:
        return self._states.get(workflow_id)

    def delete(self, workflow_id: str) -> None:
        self._states.pop(workflow_id, None)

    def list(self, status: str | None = None, limit: int = 0) -> list[WorkflowState]:
        found = [one for one in self._states.values() if status in (None, one.status)]
        return found[:limit] if limit else found


@pytest.mark.filterwarnings("ignore:PlainServerStore")
@pytest.mark.parametrize("kind", [PlainServerStore, ThirdPartyStore])
def test_a_store_that_cannot_be_asked_gives_what_it_has_at_hand(kind: type) -> None:
    store = kind()
    for name in "ab":
        store.save(state(name, "failed", updated_at=NOON))
    rows = inb.frame(store, "failed", limit=1)
    assert len(rows) == 1
    assert rows.attrs["truncated"] is True
    assert rows.attrs["source"] == f"{kind.__name__}()"  # its own repr may tell secrets


async def async_states() -> list[WorkflowState]:
    return []


@pytest.mark.parametrize("make", [inb.frame, inb.history_frame, inb.activity_frame])
def test_an_async_store_is_refused_with_the_cure(make: Callable[..., pd.DataFrame]) -> None:
    for source in (AsyncInngestStore("http://127.0.0.1:9"), async_states()):
        with pytest.raises(TypeError, match=re.escape("frame(await store.fetch())")):
            make(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "load\\(\\) gives None"),
        ("order-1", "got str"),
        (7, "got int"),
        (MemoryStore, "got the class MemoryStore"),
        ([state(), None], "item 1 of this list is NoneType"),
        ({"order-1": state()}, "item 0 of this dict is str"),
    ],
)
def test_what_is_neither_store_nor_states_is_refused(source: object, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        inb.frame(source)  # type: ignore[arg-type]


def test_a_bad_filter_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 0 for all or a positive number, got -1"):
        inb.frame([], limit=-1)
    with pytest.raises(ValueError, match="got None"):
        inb.frame([], limit=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="status must be a word"):
        inb.frame([], status=3)  # type: ignore[arg-type]


# What is missing is said


@pytest.mark.parametrize("make", [inb.frame, inb.history_frame, inb.activity_frame])
def test_a_server_that_cannot_list_is_warned_of(make: Callable[..., pd.DataFrame]) -> None:
    with plain_server() as server, inb.InngestStore(base_url=server.url) as store:
        store.save(state(updated_at=NOON))
        with pytest.warns(UserWarning, match="cannot list what its server keeps") as warned:
            rows = make(store)
    assert rows.attrs["listed"] is False
    assert warned[0].filename == __file__
    assert make(MemoryStore()).attrs["listed"] is True


def test_a_web_page_is_no_empty_store() -> None:
    page = reply(
        200,
        b"\n<!doctype html><title>Welcome</title>",
        Content_Type="text/html",
        Connection="close",
    )
    with scripted_server(page) as server, inb.InngestStore(base_url=server.url) as store:
        with pytest.raises(NotAStateServerError, match="responded with a web page"):
            inb.frame(store)


@pytest.mark.parametrize("make", [inb.frame, inb.history_frame, inb.activity_frame])
def test_a_misspelt_status_names_those_that_are_there(make: Callable[..., pd.DataFrame]) -> None:
    store = MemoryStore()
    for number, word in enumerate(("failed", "paused\u202e", "")):
        store.save(state(str(number), word, updated_at=NOON))
    for source in (store, store.list()):
        words = r"no workflow has the status 'faild'; statuses found: failed, paused\\u202e$"
        with pytest.warns(UserWarning, match=words) as warned:
            assert make(source, status="faild").empty
        assert warned[0].filename == __file__
        assert make(source, status="running").empty  # a known status that nothing has


@pytest.mark.parametrize("limit", [np.int64(2), np.uint8(2)])
def test_a_limit_is_any_whole_number(limit: Any) -> None:
    rows = inb.frame([state(name) for name in "abc"], limit=limit)
    assert len(rows) == 2
    store = MemoryStore()
    store.save(state())
    assert json.loads(json.dumps(inb.frame(store, limit=limit).attrs))["filter"]["limit"] == 2
    with pytest.raises(ValueError, match="limit is 0 for all"):
        inb.frame([], limit=2.5)  # type: ignore[arg-type]


# Elsewhere


def test_frames_load_no_widgets() -> None:
    script = "import sys, inngest_nb.frames; print({'ipywidgets', 'IPython'} & sys.modules.keys())"
    assert in_python(script) == "set()\n"


def test_a_frame_comes_back_from_a_pickle_with_its_attrs(tmp_path: Path) -> None:
    rows = inb.frame(samples.fill(MemoryStore(), 40), limit=30)
    rows.to_pickle(tmp_path / "rows")
    again = pd.read_pickle(tmp_path / "rows")  # noqa: S301  # it was just written
    pd.testing.assert_frame_equal(again, rows)
    assert again.attrs == rows.attrs == json.loads(json.dumps(rows.attrs))


def test_a_frame_from_a_csv_file_answers_the_same(tmp_path: Path) -> None:
    rows = inb.frame(samples.fill(MemoryStore(), 60))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    again = pd.read_csv(tmp_path / "rows.csv")
    for ask in ("summary", "durations"):
        answer = getattr(rows.wf, ask)()
        pd.testing.assert_frame_equal(getattr(again.wf, ask)(), answer, check_names=False)
    assert list(again.wf.running("1h")["workflow_id"]) == list(rows.wf.running("1h")["workflow_id"])
    assert list(again.wf.errors()["error"]) == list(rows.wf.errors()["error"])


def test_attrs_are_kept_by_concat_of_rows_that_were_fetched_together() -> None:
    store = samples.fill(MemoryStore(), 20)
    rows = inb.frame(store)
    assert pd.concat([rows.head(3), rows.tail(3)]).attrs == rows.attrs
    assert rows.merge(rows[["run_id"]]).attrs == rows.attrs
    assert pd.concat([rows, inb.frame(store)]).attrs == {}  # as the docstring says


def in_python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout
