"""Each thing that the real server says otherwise than it means, from a recording or the story."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from manual_clock import ManualClock
from story_records import Json, exchanges, story
from story_server import RETRYING, StoryServer

from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._failures import Request, refused
from inngest_nb.api.basics._quirks import Trouble
from inngest_nb.api.basics._settings import Settings
from inngest_nb.api.calls._runs import run_of
from inngest_nb.errors import (
    InngestNotFoundError,
    InngestRunEndedError,
    InngestStatusError,
    InngestUnavailableError,
)

SAID = {asked.name: asked.response for asked in exchanges()}


@pytest.mark.parametrize(
    ("name", "trouble"),
    [
        (
            "v1-run-unknown",
            Trouble(500, "", "Unable to load function run: 01M82A54TCY12XB7AYZ9APCG5A"),
        ),
        ("v1-event-get-unknown", Trouble(404, "", "Event not found")),
        ("v1-events-list-bad-cursor", Trouble(400, "", "Invalid cursor query parameter")),
        ("v1-run-cancel-bad-id-400", Trouble(400, "", "Invalid run ID: zzz")),
        ("v2-run-detail-unknown-404", Trouble(404, "not_found", "Run not found")),
        (
            "v2-runs-list-limit-101-400",
            Trouble(400, "invalid_field_format", "Limit cannot exceed 100"),
        ),
        ("e-no-name-400", Trouble(400, "", "event name is empty")),
        ("selfhosted-e-wrong-key-401", Trouble(401, "", "Event key not found")),
        ("v1-runs-list-404", Trouble(404, "", "404 page not found")),
        ("selfhosted-v2-runs-none-401", Trouble(401, "", "Authentication failed")),
        (
            "gql-run-unknown",
            Trouble(200, "", "error retrieving run: sql: no rows in result set"),
        ),
        (
            "gql-unknown-field-422",
            Trouble(422, "", 'Cannot query field "nope" on type "Query".'),
        ),
    ],
)
def test_errors_come_in_several_shapes_some_under_status_200(name: str, trouble: Trouble) -> None:
    assert _quirks.trouble(SAID[name]["status"], SAID[name]["body"]) == trouble


@pytest.mark.parametrize("name", [name for name, said in SAID.items() if said["status"] == 200])
def test_no_good_answer_passes_for_an_error(name: str) -> None:
    body = SAID[name]["body"]
    wrong = isinstance(body, dict) and (body.get("status", 200) >= 400 or "errors" in body)
    assert (_quirks.trouble(200, body) is not None) == wrong


def test_what_is_empty_is_left_out(api: Any) -> None:
    empty = SAID["v2-runs-list-unknown-app-empty"]["body"]
    assert empty.keys() == {"metadata", "page"}
    assert empty["page"].keys() == {"limit"}
    assert api.runs(app="none") == []
    assert api.events("no/such.event") == []
    running = api.runs(status="running")[0]
    assert (running.ended_at, running.duration, running.is_batch) == (None, None, False)


def test_whole_numbers_may_be_text() -> None:
    assert as_listed("order1")["durationMs"] == "4183"
    assert run_of(as_listed("order1"), listed=True).duration == timedelta(milliseconds=4183)
    assert _quirks.duration("840") == _quirks.duration(840) == timedelta(milliseconds=840)
    assert [_quirks.duration(odd) for odd in (None, "", "x", True, 10**30)] == [None] * 5


def test_times_have_any_number_of_digits() -> None:
    assert _quirks.time("2026-11-22T19:22:39.41Z") == datetime(
        2026, 11, 22, 19, 22, 39, 410_000, UTC
    )
    assert _quirks.time("2026-11-22T19:22:42Z") == datetime(2026, 11, 22, 19, 22, 42, tzinfo=UTC)
    nine = _quirks.time("2026-11-22T19:22:43.752654719Z")
    assert nine == datetime(2026, 11, 22, 19, 22, 43, 752_654, UTC)
    assert _quirks.time("2026-11-22T20:22:42+01:00") == datetime(
        2026, 11, 22, 19, 22, 42, tzinfo=UTC
    )
    assert [_quirks.time(odd) for odd in ("0001-01-01T00:00:00Z", "soon", None, 5)] == [None] * 4


def test_a_sleeping_run_that_is_said_to_be_completed_is_running(
    api: Any, names: dict[str, str]
) -> None:
    sleeping = api.run(names["long_stays"])
    assert (sleeping.status, sleeping.inngest_status) == ("running", "COMPLETED")
    assert (sleeping.is_over, sleeping.output) == (False, None)
    assert api.runs(status="running")[0].run_id == sleeping.run_id


def test_a_run_between_two_attempts_that_is_said_to_be_completed_is_running() -> None:
    said = SAID["v2-run-detail-retry-pending"]["body"]["data"]
    assert (said["status"], run_of(said, listed=False).status) == ("COMPLETED", "running")


@pytest.mark.parametrize("name", ["long_by-event", "long_by-v1", "long_by-v2", "long_by-gql"])
def test_a_canceled_run_ends_in_lists_when_it_did(
    api: Any, names: dict[str, str], name: str
) -> None:
    (listed,) = [run for run in api.runs(status="canceled") if run.run_id == names[name]]
    run = api.run(names[name])
    assert abs(listed.ended_at - run.ended_at) < timedelta(milliseconds=1)
    # Both count from their own start, and these differ by the time in the queue.
    assert listed.duration - run.duration == pytest.approx(
        run.started_at - listed.started_at, abs=timedelta(milliseconds=2)
    )
    assert (run.output, run.error) == (None, None)


def test_the_output_of_a_last_step_is_not_that_of_a_canceled_or_running_run(api: Any) -> None:
    runs = api.runs(status=["canceled", "running"], output=True)
    assert {run.output for run in runs} == {None}
    assert any("output" in row.record.item for row in story().rows if row.status == "CANCELLED")


OUTPUTS = {
    "out_none": None,
    "out_str": "hello",
    "out_int": 42,
    "out_list": [1, "two", None],
    "out_bigint": 1152921504606846977,
    "out_nested": {"a": {"b": [1, {"c": None}]}, "data": {"x": 1}},
    "out_dict-data": {"data": 5},
    "out_unicode": "žluťoučký 🚀",
}


@pytest.mark.parametrize(("name", "output"), OUTPUTS.items())
def test_an_output_is_what_the_function_returned(
    api: Any, names: dict[str, str], name: str, output: object
) -> None:
    assert api.run(names[name]).output == output
    without = api.run(names[name], output=False)
    assert (without.output, without.status) == (None, "completed")


@pytest.mark.parametrize("name", ["out_str", "out_int", "out_list", "out_nested", "out_none"])
def test_in_lists_outputs_are_unwrapped_too(api: Any, names: dict[str, str], name: str) -> None:
    runs = {run.run_id: run for run in api.runs(function="outputs", output=True)}
    assert runs[names[name]].output == OUTPUTS[name]


def test_a_null_that_v1_repeats_does_not_hide_an_output() -> None:
    assert _quirks.exact_output({"data": 5}, {"output": None}) == 5
    assert _quirks.exact_output({"sum": 14}, {}) == {"sum": 14}
    assert _quirks.exact_output({"data": 5}, {"output": {"data": 5}}) == {"data": 5}
    assert _quirks.exact_output({"data": 10.0}, {"output": 11}) == 11


def test_an_error_is_the_same_in_lists_and_alone(api: Any) -> None:
    failed = api.runs(status="failed", output=True)
    assert len(failed) == 3
    for listed in failed:
        assert listed.error == api.run(listed.run_id).error
        assert listed.output is None
        assert listed.error.stack.startswith("Traceback")
    assert {str(run.error) for run in failed} == {
        "RetryAfterError: quick boom",
        "ValueError: boom: value out of range",
        "NonRetriableError: bad input, will not retry",
    }


def test_the_error_of_too_many_steps_is_a_level_deeper() -> None:
    told = {
        "error": "function has too many steps",
        "name": "InngestErrFunctionOverflowed",
        "message": "1001",
    }
    for output in {"error": told}, {"error": {"error": told}}:
        error = _quirks.error_of(output)
        assert error is not None
        assert (error.name, error.message) == ("InngestErrFunctionOverflowed", "1001")
    nothing: list[Any] = [None, {}, {"error": None}, ""]
    assert [_quirks.error_of(output) for output in nothing] == [None] * 4


def test_a_queued_run_is_not_said_to_run(api: Any, names: dict[str, str]) -> None:
    assert api.run(names["limited0"]).status == "queued"
    assert api.trace(names["limited0"]).status == "queued"


def test_a_rerun_names_its_original(api: Any, names: dict[str, str]) -> None:
    assert api.run(names["rerun_order2"]).original_run_id == names["order2"]
    assert api.run(names["order1"]).original_run_id is None


def test_what_v1_says_just_after_the_end_hides_no_output(
    connect: Any, names: dict[str, str]
) -> None:
    clock = ManualClock()
    with StoryServer(now=clock.now) as inngest:
        rows, key = inngest.state.runs, names["out_dict-data"]
        whole = rows.rows[key]
        v1 = whole.record.v1 | {"output": None}
        rows.put(whole._replace(record=replace(whole.record, v1=v1)))
        api = connect(inngest.url)
        assert api.run(key).output == 5
        rows.put(whole)
        assert api.run(key).output == 5  # v1 repeats itself
        clock.set(clock.now() + timedelta(seconds=3))
        assert api.run(key).output == {"data": 5}


@pytest.mark.parametrize(("ids", "found"), [([""], []), (["01A", ""], ["01A"]), (None, [])])
def test_an_empty_id_stands_for_no_event(ids: Any, found: list[str]) -> None:
    assert _quirks.accepted_ids({"ids": ids, "status": 200}) == found
    assert _quirks.accepted_ids("nothing") == []


def test_a_repeated_invocation_is_answered_with_the_first_run(connect: Any) -> None:
    with StoryServer() as inngest:
        api = connect(inngest.url)
        first = api.invoke("nb-lab", "square", {"n": 3}, idempotency_key="k-1")
        assert api.invoke("nb-lab", "square", {"n": 3}, idempotency_key="k-1") == first
        assert api.invoke("nb-lab", "square", {"n": 3}) != first


def test_v1_may_repeat_what_it_said_and_v2_does_not(connect: Any, names: dict[str, str]) -> None:
    clock = ManualClock()
    with StoryServer(now=clock.now) as inngest:
        api = connect(inngest.url)
        run = names["long_stays"]
        assert (api.run(run).status, len(api.jobs(run))) == ("running", 1)
        api.cancel(run)
        assert (api.run(run).status, len(api.jobs(run))) == ("canceled", 1)
        clock.set(clock.now() + timedelta(seconds=5))
        assert api.jobs(run) == []


def test_what_the_open_source_server_lacks_is_no_mere_failure() -> None:
    said = SAID["v2-insights-tables-501"]
    trouble = _quirks.trouble(said["status"], said["body"])
    assert trouble is not None
    settings = Settings(None, None, None, None, allow_insecure=False)
    error = refused(settings, Request("tables", "GET", "/api/v2/insights/tables"), trouble)
    assert isinstance(error, InngestUnavailableError)
    assert str(error) == "inngest tables: the open-source server does not offer this call"
    assert error.status == 501


@pytest.mark.parametrize(
    ("name", "code"), [("order1", "run_already_ended"), ("long_by-v2", "run_already_cancelled")]
)
def test_a_run_that_is_over_is_not_canceled(
    api: Any, names: dict[str, str], name: str, code: str
) -> None:
    with pytest.raises(InngestRunEndedError, match="nothing was changed") as refused:
        api.cancel(names[name])
    assert (refused.value.code, refused.value.status) == (code, 409)


def test_a_retrying_run_has_a_job_that_tells_when(api: Any) -> None:
    (job,) = api.jobs(RETRYING)
    assert (job.kind, job.attempt) == ("edge", 1)
    assert job.at == datetime(2026, 11, 22, 19, 38, 2, 281_000, UTC)


def as_listed(name: str) -> Json:
    (row,) = [row for row in story().rows if row.id == story().names[name]]
    return row.record.item


def test_an_unknown_status_word_is_kept() -> None:
    run = run_of(as_listed("order1") | {"status": "PAUSED"}, listed=True)
    assert (run.status, run.inngest_status) == ("paused", "PAUSED")


def test_odd_entries_of_a_list_are_read_as_far_as_they_go() -> None:
    run = run_of(
        {"id": "x", "app": None, "trigger": [], "durationMs": {}, "output": 5}, listed=True
    )
    assert (run.run_id, run.app, run.duration, run.event_ids) == ("x", "", None, ())


def test_an_unknown_run_has_a_status_of_its_own_in_each_version(api: Any) -> None:
    unknown = "01M82A54TCY12XB7AYZ9APCG5A"
    for call in (api.run, api.trace, api.cancel, api.rerun):
        with pytest.raises(InngestNotFoundError) as missing:
            call(unknown)
        assert (missing.value.kind, missing.value.name) == ("run", unknown)
    assert issubclass(InngestNotFoundError, InngestStatusError)
