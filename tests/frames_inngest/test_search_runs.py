"""`search_runs`: what its frame has, what it finds, and what it says of what is missing."""

from __future__ import annotations

import _thread
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from canned_server import Answer, CannedServer, Seen
from story_records import shifted_id, story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.errors import InngestConnectionError

TIME, DURATION = "datetime64[us, UTC]", "timedelta64[us]"
RUNS = {
    "run_id": "str",
    "app": "str",
    "function": "str",
    "status": "category",
    "inngest_status": "str",
    "queued_at": TIME,
    "started_at": TIME,
    "ended_at": TIME,
    "duration": DURATION,
    "event_name": "str",
    "event_id": "str",
    "is_batch": "bool",
    "cron": "str",
}
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def by_id(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.set_index("run_id")


# What the frame has


def test_the_story_is_47_runs_each_with_its_true_status(
    api: InngestAPI, names: dict[str, str]
) -> None:
    rows = inb.search_runs(api, since=None)
    assert (len(rows), rows["run_id"].nunique()) == (47, 47)
    assert dtypes(rows) == RUNS
    assert {row.id: row.status for row in story().rows} == by_id(rows)["inngest_status"].to_dict()
    assert rows["status"].value_counts().to_dict() == {
        "completed": 35,
        "canceled": 4,
        "failed": 3,
        "running": 3,
        "queued": 2,
    }
    assert by_id(rows)["status"][names["long_stays"]] == "running"
    assert list(rows["run_id"]) == [run.run_id for run in api.runs(limit=None)]


def test_every_run_ended_when_its_detail_says_and_lasted_as_long(api: InngestAPI) -> None:
    rows = inb.search_runs(api, since=None)
    assert (rows["status"] == "canceled").sum() == 4
    for row in rows.itertuples():
        detail = api.run(row.run_id, output=False)
        if detail.ended_at is None:
            assert pd.isna(row.ended_at)
            continue
        assert abs(row.ended_at - detail.ended_at) <= timedelta(milliseconds=1), row
        # Lists count from the scheduling, the detail from the first execution.
        waited = detail.started_at - row.started_at
        assert (waited == timedelta()) == (row.status == "canceled"), row
        assert abs(row.duration - waited - detail.duration) <= timedelta(milliseconds=2), row


def test_without_graphql_a_canceled_run_lasts_from_its_scheduling() -> None:
    with StoryServer(ui=False) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.search_runs(api, since=None, status="canceled")
        assert (len(rows), [*rows["event_name"].unique()]) == (4, ["lab/long"])
        listed = api.runs(status="canceled")
        inb.search_runs(api, since=None, outputs=True)
    assert list(rows["started_at"]) == [run.started_at for run in listed]
    assert list(rows["duration"]) == [run.ended_at - run.started_at for run in listed]
    # That it is off is asked once.
    assert sum(seen.target == "/v0/gql" for seen in inngest.seen) == 1


def test_the_columns_have_what_the_list_has(api: InngestAPI) -> None:
    rows = inb.search_runs(api, since=None, outputs=True)
    for row, run in zip(rows.itertuples(), api.runs(limit=None, output=True), strict=True):
        assert (row.run_id, row.app, row.function) == (run.run_id, run.app, run.function)
        assert (row.status, row.inngest_status) == (run.status, run.inngest_status)
        assert row.queued_at == run.queued_at
        assert row.ended_at == run.ended_at or (run.ended_at is None and pd.isna(row.ended_at))
        if run.status != "canceled":  # which begins when it was first executed
            took = run.duration or row.duration
            assert row.started_at == run.started_at
            assert abs(row.duration - took) < timedelta(milliseconds=1)
        assert (row.event_id, row.is_batch) == (run.event_ids[0], run.is_batch)
        assert row.output == run.output
        assert row.error == str(run.error) if run.error else pd.isna(row.error)


ODD = {
    "no times": ({}, "NaT", "NaT", "running"),
    "a time of another zone": (
        {"startedAt": "2026-11-22T21:22:39.5+02:00", "endedAt": "2026-11-22T19:22:40Z"},
        "2026-11-22 19:22:39.500000+00:00",
        "2026-11-22 19:22:40+00:00",
        "completed",
    ),
    "nanoseconds and a zone": (
        {"startedAt": "2026-11-22T21:22:39.123456789+02:00"},
        "2026-11-22 19:22:39.123456+00:00",
        "NaT",
        "running",
    ),
    "Go's zero time": ({"startedAt": "0001-01-01T00:00:00Z"}, "NaT", "NaT", "running"),
    "far away": (
        {"startedAt": "2026-11-22T19:22:39Z", "endedAt": "9999-12-31T23:59:59.999999999Z"},
        "2026-11-22 19:22:39+00:00",
        "9999-12-31 23:59:59.999999+00:00",
        "completed",
    ),
    "no time at all": ({"startedAt": "soon", "endedAt": "laterZ"}, "NaT", "NaT", "running"),
    "null": ({"app": None, "trigger": None, "startedAt": None}, "NaT", "NaT", "running"),
    "numbers": ({"function": {"id": 5}, "startedAt": 7}, "NaT", "NaT", "running"),
}


@pytest.mark.parametrize(("odd", "started", "ended", "status"), ODD.values(), ids=[*ODD])
def test_odd_entries_are_rows_like_others(odd: Any, started: str, ended: str, status: str) -> None:
    usual = {
        "id": "01M82BBSDM2RWR71WM2EZVHP9E",
        "status": "COMPLETED",
        "startedAt": "2026-11-22T19:22:41Z",
        "endedAt": "2026-11-22T19:22:42Z",
        "trigger": {"eventIds": []},
    }
    entry = {"id": "01M82BBSDM2RWR71WM2EZVHP9D", "status": "COMPLETED"} | odd
    body = json.dumps({"data": [usual, entry], "page": {"limit": 100}}).encode()
    headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")
    with CannedServer(lambda seen: Answer(200, headers, body)) as inngest:
        with InngestAPI(inngest.url) as api:
            rows = inb.search_runs(api)
    assert dtypes(rows) == RUNS
    assert str(rows["ended_at"][0]) == "2026-11-22 19:22:42+00:00"
    assert [str(rows["started_at"][1]), str(rows["ended_at"][1])] == [started, ended]
    assert rows["status"][1] == status


def test_what_has_not_ended_has_lasted_until_now(api: InngestAPI) -> None:
    rows = inb.search_runs(api, since=None, status=["running", "queued"])
    fetched = datetime.fromisoformat(rows.attrs["fetched_at"])
    assert (rows["duration"] == fetched - rows["started_at"]).all()
    assert rows["ended_at"].isna().all()


@pytest.mark.parametrize(
    "given",
    [
        {"app": "none"},
        {"function": "none"},
        {"event": "none"},
        {"data": {"none": 1}},
        {"since": LATER},
    ],
    ids=str,
)
def test_what_finds_nothing_has_the_same_columns(api: InngestAPI, given: Any) -> None:
    rows = inb.search_runs(api, **({"since": None} | given))
    assert (len(rows), dtypes(rows), rows.attrs["truncated"]) == (0, RUNS, False)
    assert repr(rows.wf).startswith("0 runs")


def test_outputs_are_python_values_and_errors_text(api: InngestAPI, names: dict[str, str]) -> None:
    rows = by_id(inb.search_runs(api, since=None, outputs=True))
    assert {*rows.columns} == {*RUNS, "output", "error"} - {"run_id"}
    assert rows["output"][names["order1"]] == api.run(names["order1"]).output
    assert rows["error"][names["fail_default"]] == "ValueError: boom: value out of range"
    assert inb.search_runs(api, app="none", outputs=True).dtypes.equals(
        rows.reset_index()[[*RUNS, "output", "error"]].dtypes
    )


def test_runs_have_the_name_of_their_event_unless_inngest_made_it(
    api: InngestAPI, names: dict[str, str]
) -> None:
    rows = by_id(inb.search_runs(api, since=None))
    known = {event["internal_id"]: event["name"] for event in story().events}
    for run_id, row in rows.iterrows():
        name = known.get(row["event_id"])
        assert row["event_name"] == name or (name is None and pd.isna(row["event_name"])), run_id
    assert rows["event_name"].isna().sum() == 3
    assert pd.isna(rows["event_name"][names["api_invoke"]])


def test_names_are_the_same_without_graphql(api: InngestAPI) -> None:
    with StoryServer(ui=False) as inngest, InngestAPI(inngest.url) as without:
        rows = inb.search_runs(without, since=None)
        asked = [urlsplit(seen.target).path for seen in inngest.seen]
    assert list(rows["event_name"].fillna("-")) == list(
        inb.search_runs(api, since=None)["event_name"].fillna("-")
    )
    assert asked.count("/v1/events") == 2


@pytest.mark.parametrize("ui", [True, False])
def test_a_name_is_found_among_many_events_of_one_moment(ui: bool) -> None:
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    with StoryServer(now=lambda: moment, ui=ui) as inngest, InngestAPI(inngest.url) as api:
        api.send_many({"name": "lab/tiny" if n == 60 else "x/y"} for n in range(120))
        rows = inb.search_runs(api, since=moment - timedelta(hours=1), until=LATER)
        assert list(rows["event_name"]) == ["lab/tiny"]


# Cuts are told


@pytest.mark.parametrize(
    ("given", "limit", "cut"),
    [
        ({}, 7, True),
        ({}, 46, True),
        ({}, 47, False),
        ({}, None, False),
        ({"data": {"i": 1}}, 2, True),
        ({"data": {"i": 1}}, 3, False),
        ({"error": "boom"}, 1, True),
        ({"error": "boom"}, 2, False),
    ],
    ids=str,
)
def test_a_cut_is_told_in_attrs_and_in_the_readable_table(
    api: InngestAPI, given: Any, limit: int | None, cut: bool
) -> None:
    rows = inb.search_runs(api, since=None, limit=limit, **given)
    assert rows.attrs["truncated"] is cut
    assert ("; older ones left out by limit=" in rows.wf._repr_html_()) is cut
    assert ("; older ones left out by limit=" in repr(rows.wf)) is cut
    assert len(rows) == (limit or 47)


def test_an_event_with_more_runs_than_the_server_shows_is_a_cut() -> None:
    event = {"internal_id": "01M82BBS9R4GVMW03Q690F6EC1", "name": "x/y", "data": {"n": 1}}
    run = {"id": "01M82BBSDM2RWR71WM2EZVHP9E", "status": "QUEUED"}

    def answer(seen: Seen) -> Answer:
        said = (
            {"data": [run], "page": {"hasMore": True, "cursor": "c"}}
            if seen.target.startswith("/api/v2/events/")
            else {"data": [event]}
        )
        headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")
        return Answer(200, headers, json.dumps(said).encode())

    with CannedServer(answer) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.search_runs(api, data={"n": 1})
    assert (len(rows), rows.attrs["truncated"]) == (1, True)
    assert "an event has more runs than the server shows" in rows.wf._repr_html_()


def test_the_attrs_can_be_written_as_json(inngest: StoryServer, api: InngestAPI) -> None:
    rows = inb.search_runs(
        api,
        data={"i": str, "user.id": 1},
        error=re.compile("x+"),
        since=LATER - timedelta(days=900),
        limit=5,
    )
    attrs = json.loads(json.dumps(rows.attrs))
    assert inngest.url in attrs["source"]
    said = attrs["filter"]
    assert said["data"] == {"i": "str", "user.id": 1}
    assert (said["error"], said["status"], said["limit"]) == ("x+", ["failed"], 5)
    assert said["since"] == "2024-07-15T00:00:00+00:00"


# What it finds


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"status": "failed"}, 3),
        ({"status": ["failed", "CANCELLED"]}, 7),
        ({"status": ("failed", "canceled")}, 7),
        ({"app": "nb-lab"}, 47),
        ({"function": "flaky"}, 2),
        ({"function": "nb-lab-flaky", "app": "nb-lab"}, 2),
        ({"function": "flaky", "status": "failed"}, 0),
        ({"event": "lab/flaky"}, 2),
        ({"event": "lab/long", "status": "canceled"}, 4),
        ({"event": "lab/long", "function": "nb-lab-long-job"}, 5),
        ({"event": "lab/long", "function": "flaky"}, 0),
        ({"event": "lab/long", "app": "other"}, 0),
        ({"error": "boom"}, 2),
        ({"error": "valueerror: BOOM"}, 1),
        ({"error": re.compile(r"boom: .* range$")}, 1),
        ({"error": re.compile(r"BOOM")}, 0),
        ({"error": "boom", "event": "lab/fail"}, 2),
        ({"error": "", "status": "failed"}, None),
    ],
    ids=str,
)
def test_arguments_narrow_what_is_found(api: InngestAPI, given: Any, found: int | None) -> None:
    if found is None:
        with pytest.raises(ValueError, match="error must be text"):
            inb.search_runs(api, since=None, **given)
    else:
        assert len(inb.search_runs(api, since=None, **given)) == found


def test_data_finds_the_run_of_an_event_that_was_sent_with_an_id_of_its_own(
    api: InngestAPI, names: dict[str, str]
) -> None:
    own = {event["internal_id"] for event in story().events if event["id"] != event["internal_id"]}
    rows = inb.search_runs(api, event="lab/tiny", data={"i": 1}, since=None)
    assert list(rows["run_id"]) == [names["dup_b"]]
    assert set(rows["event_id"]) <= own


@pytest.mark.parametrize("number", [1, 2, 3])
def test_data_of_any_event_of_a_batch_finds_its_run(
    api: InngestAPI, names: dict[str, str], number: int
) -> None:
    events = [event for event in story().events if event["name"] == "lab/batch"]
    (key,) = events[0]["data"]
    values = sorted(event["data"][key] for event in events)
    rows = inb.search_runs(api, event="lab/batch", data={key: values[number - 1]}, since=None)
    assert list(rows["run_id"]) == [names["batch0"]]
    assert list(rows["is_batch"]) == [True]
    assert list(rows["event_name"]) == ["lab/batch"]


def test_a_run_that_several_events_find_is_one_row(api: InngestAPI, names: dict[str, str]) -> None:
    assert list(inb.search_runs(api, event="lab/batch", since=None)["run_id"]) == [names["batch0"]]


DATA = {
    "user": {"id": "u7", "a.b": {"c": 1}},
    "items": 4,
    "list": [{"sku": "x"}, 2],
    "flag": True,
    "none": None,
}


@pytest.mark.parametrize(
    ("data", "is_found"),
    [
        ({"user.id": "u7"}, True),
        ({"user.id": "u7", "items": lambda n: n > 3}, True),
        ({"user.id": "u7", "items": lambda n: n > 4}, False),
        ({"user": {"id": "u7", "a.b": {"c": 1}}}, True),
        ({"user.a.b.c": 1}, True),
        ({"list.0.sku": "x"}, True),
        ({"list.1": 2.0}, True),
        ({"list.2": 2}, False),
        ({"list.x": 2}, False),
        ({"flag": 1}, False),
        ({"flag": True}, True),
        ({"none": None}, True),
        ({"missing": None}, False),
        ({"missing": lambda value: True}, False),
        ({"items.deeper": 4}, False),
    ],
)
def test_data_is_compared_by_paths(data: Any, is_found: bool) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        api.send("lab/tiny", DATA)
        rows = inb.search_runs(api, event="lab/tiny", data=data)
        assert (list(rows["status"]) == ["queued"]) is is_found
        assert len(inb.search_events(api, name="lab/tiny", data=data)) == is_found


def test_an_error_of_a_function_in_data_says_what_it_was_called_with(api: InngestAPI) -> None:
    with pytest.raises(TypeError) as failed:
        inb.search_runs(api, data={"i": lambda value: value > "a"}, since=None)
    assert "data['i'] was called with" in failed.value.__notes__[0]


def test_only_events_and_the_runs_of_those_that_match_are_read() -> None:
    with StoryServer(runs=1_000) as inngest, InngestAPI(inngest.url) as api:
        event_id = shifted_id(story().events[3]["internal_id"], -30_000)
        wanted = {event["internal_id"]: event for event in inngest.state.events}[event_id]
        rows = inb.search_runs(api, event=wanted["name"], data={"none": 0}, since=None)
        assert rows.empty
        assert {seen.target.partition("?")[0] for seen in inngest.seen} == {"/v1/events"}
        assert inngest.seconds == 0


# A stop in the middle


def test_interrupted_it_keeps_what_has_come() -> None:
    pages: list[float] = []

    def interrupt_at_the_third(seconds: float) -> None:
        pages.append(seconds)
        if len(pages) == 4:
            _thread.interrupt_main()

    with StoryServer(runs=900, charge=interrupt_at_the_third) as inngest:
        with InngestAPI(inngest.url) as api, pytest.raises(KeyboardInterrupt) as stopped:
            inb.search_runs(api, since=None)
    rows = stopped.value.partial  # type: ignore[attr-defined]
    assert 100 <= len(rows) <= 400
    assert (dtypes(rows), rows.attrs["truncated"]) == (RUNS, True)
    assert "interrupted before all were read" in repr(rows.wf)
    assert (
        f"{len(rows)} runs had been read: see this error's `partial`" in stopped.value.__notes__[-1]
    )


def test_when_the_server_stops_the_error_has_what_has_come() -> None:
    asked: list[Seen] = []

    def from_the_fifth(seen: Seen) -> bool:
        asked.append(seen)
        return len(asked) > 4

    with StoryServer(runs=900, lose=from_the_fifth) as inngest:
        with InngestAPI(inngest.url) as api, pytest.raises(InngestConnectionError) as stopped:
            inb.search_runs(api, since=None)
    rows = stopped.value.partial
    assert isinstance(rows, pd.DataFrame)
    assert 200 < len(rows) < 400
    assert "the server failed before all were read" in rows.wf._repr_html_()


class Terminal(io.StringIO):
    """A terminal, as far as a bar can tell."""

    def isatty(self) -> bool:
        return True


def test_what_takes_long_shows_how_far_it_has_come(
    api: InngestAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inngest_nb.progress._PATIENCE", 0)  # else a short one shows nothing
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    inb.search_runs(api, since=None)
    inb.search_events(api, since=None)
    assert "Reading runs: " in terminal.getvalue()
    assert "Reading events: " in terminal.getvalue()


# Arguments that make no sense

BAD = {
    "a vague time": ({"since": "yesterday-ish"}, "since must be how long ago, such as '24h'"),
    "a naive time": ({"until": datetime(2026, 1, 1)}, "until .*has no time zone"),
    "from after until": ({"since": "1h", "until": "2h"}, "since must be before until, for example"),
    "no limit at all": ({"limit": 0}, "limit must be a number above 0, such as 100"),
    "an unknown status": ({"status": "done"}, "status must be one of queued, running"),
    "a status that is none": ({"status": 5}, "status must be a word such as 'failed'"),
    "an empty app": ({"app": ""}, "app must be a name such as 'shop'"),
    "a function that is none": ({"function": 5}, "function must be a name such as 'charge-card'"),
    "an empty event": ({"event": ""}, "event must be a name such as 'shop/order.placed'"),
    "an event of Inngest's own": (
        {"event": "inngest/function.failed"},
        "event must be an event of yours, such as 'shop/order.placed'",
    ),
    "data without a path": ({"data": {}}, "data must map .* such as {'user.id': 'u7'"),
    "data that is no mapping": ({"data": ["x"]}, "data must map .* got .*'x'"),
    "a path that is no text": ({"data": {1: 2}}, "data must map"),
    "an error that is none": (
        {"error": 5},
        "error must be text or a compiled pattern .* 'timeout'",
    ),
    "a pattern of bytes": ({"error": re.compile(b"x")}, "error must be text or a compiled pattern"),
    "errors of what did not fail": (
        {"error": "x", "status": "completed"},
        "error= finds failed runs only: .* status='failed'",
    ),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=[*BAD])
def test_arguments_that_make_no_sense_are_refused_before_anything_is_asked(
    given: Any, message: str
) -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        with pytest.raises(ValueError, match=message):
            inb.search_runs(api, **given)
        assert inngest.seen == []


def test_a_client_that_cannot_wait_is_refused() -> None:
    with pytest.raises(TypeError, match="must be an InngestAPI, not the async client"):
        inb.search_runs(inb.AsyncInngestAPI("http://127.0.0.1:9"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="api must be an InngestAPI, such as .*, got str"):
        inb.search_runs("http://127.0.0.1:9")  # type: ignore[arg-type]


def test_without_a_client_the_environment_names_the_server(
    inngest: StoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_API_BASE_URL", inngest.url)
    assert len(inb.search_runs(since=None, limit=3)) == 3
