"""Invoking, canceling and rerunning, and the names that are not known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from canned_server import Seen
from story_server import StoryServer

from inngest_nb.api import Trigger
from inngest_nb.errors import InngestConnectionError, InngestNotFoundError, InngestRunEndedError


@pytest.fixture
def server() -> Iterator[StoryServer]:
    with StoryServer() as server:
        yield server


@pytest.fixture
def api(server: StoryServer, connect: Any) -> Any:
    return connect(server.url)


def test_a_function_is_invoked_with_its_data(api: Any, server: StoryServer) -> None:
    run = api.run(api.invoke("nb-lab", "square", {"n": 12}))
    assert (run.app, run.function, run.status) == ("nb-lab", "square", "queued")
    event = server.state.event[run.event_ids[0]]
    assert (event["name"], event["data"]) == ("inngest/function.invoked", {"n": 12})


def test_a_function_with_a_schedule_can_be_invoked_without_data(api: Any) -> None:
    assert api.run(api.invoke("nb-lab", "yearly")).function == "yearly"


def test_a_lost_invocation_is_repeated_only_with_a_key(connect: Any) -> None:
    lost: list[Seen] = []

    def first(seen: Seen) -> bool:
        lost.append(seen)
        return len(lost) == 1

    with StoryServer(lose=first) as server:
        run_id = connect(server.url).invoke("nb-lab", "square", idempotency_key="k")
        assert [
            run.run_id for run in connect(server.url).runs(function="square", status="queued")
        ] == [run_id]
    with StoryServer(lose=lambda seen: True) as server:
        with pytest.raises(InngestConnectionError, match="inngest invoke: no response"):
            connect(server.url).invoke("nb-lab", "square")
        assert len(server.seen) == 1


def test_a_read_is_repeated_once(connect: Any) -> None:
    lost: list[Seen] = []

    def first(seen: Seen) -> bool:
        lost.append(seen)
        return len(lost) == 1

    with StoryServer(lose=first) as server:
        assert len(connect(server.url).runs()) == 47
        assert len(server.seen) == 2
    with StoryServer(lose=lambda seen: True) as server:
        with pytest.raises(InngestConnectionError, match="inngest runs: no response"):
            connect(server.url).runs()
        assert len(server.seen) == 2


def test_a_running_run_is_canceled(api: Any, names: dict[str, str]) -> None:
    api.cancel(names["wait_pending"])
    assert api.run(names["wait_pending"]).status == "canceled"
    assert names["wait_pending"] in [run.run_id for run in api.runs(status="canceled")]
    with pytest.raises(InngestRunEndedError, match="already cancelled"):
        api.cancel(names["wait_pending"])


def test_a_lost_cancel_is_not_repeated_and_is_said_to_be_unknown(
    connect: Any, names: dict[str, str]
) -> None:
    with StoryServer(lose=lambda seen: seen.method == "POST") as server:
        api = connect(server.url)
        with pytest.raises(InngestConnectionError) as lost:
            api.cancel(names["long_stays"])
        assert "may or may not have done it" in lost.value.__notes__[0]
        assert api.run(names["long_stays"]).status == "canceled"  # settled by looking


def test_a_run_is_run_again_with_its_event(api: Any, names: dict[str, str]) -> None:
    original = api.run(names["order3"])
    again = api.run(api.rerun(names["order3"]))
    assert (again.function, again.event_ids) == (original.function, original.event_ids)
    assert (again.original_run_id, again.status) == (original.run_id, "queued")


@pytest.mark.parametrize("step", ["charge", "5ea9c348e59fe73a4b15cb287e33e4546dcef782"])
def test_a_run_is_run_again_from_a_step_with_other_input(
    api: Any, server: StoryServer, names: dict[str, str], step: str
) -> None:
    assert api.rerun(names["order3"], from_step=step, input=[{"amount": 10}])
    sent = json.loads(server.seen[-1].body)
    assert sent == {"fromStep": {"stepId": step, "input": [{"amount": 10}]}}
    assert api.rerun(names["order3"], from_step=step)
    assert json.loads(server.seen[-1].body) == {"fromStep": {"stepId": step}}


@pytest.mark.parametrize(
    ("call", "kind", "known"),
    [
        (lambda api, names: api.rerun(names["order1"], from_step="chrage"), "step", "charge"),
        (lambda api, names: api.invoke("nb-lab", "sqare"), "function", "square"),
        (lambda api, names: api.invoke("nb_lab", "square"), "app", "nb-lab"),
        (lambda api, names: api.function("nb-lab", "flakey"), "function", "flaky"),
        (lambda api, names: api.function("nb-lub", "flaky"), "app", "nb-lab"),
        (lambda api, names: api.functions("nb-labs"), "app", "nb-lab"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_known_ones(
    api: Any, names: dict[str, str], call: Any, kind: str, known: str
) -> None:
    with pytest.raises(InngestNotFoundError, match=f"the server has no {kind} '") as missing:
        call(api, names)
    assert missing.value.kind == kind
    assert missing.value.known[0] == known
    assert known in missing.value.__notes__[0]


def test_an_unknown_name_plays_no_tricks_in_a_message(api: Any) -> None:
    with pytest.raises(InngestNotFoundError) as missing:
        api.function("nb-lab", "\x1b[31m\u202efn")
    assert str(missing.value).isprintable()


def test_a_run_of_an_unknown_step_and_run_names_the_run(api: Any) -> None:
    with pytest.raises(InngestNotFoundError) as missing:
        api.rerun("01M82A54TCY12XB7AYZ9APCG5A", from_step="charge")
    assert missing.value.kind == "run"


def test_apps_and_functions_are_read_whole(api: Any) -> None:
    apps = api.apps()
    assert [(app.app_id, app.method, app.function_count) for app in apps] == [
        ("nb-lab", "SERVE", 21),
        ("nb-lab-connect", "CONNECT", 21),
    ]
    assert (apps[0].framework, apps[0].sdk, apps[1].framework) == ("fast_api", "py v0.5.19", None)
    functions = {each.function_id: each for each in api.functions("nb-lab")}
    assert len(functions) == 21
    assert functions["yearly"] == api.function("nb-lab", "yearly")
    assert functions["yearly"].triggers[0].kind == "CRON"
    assert (functions["hard-fail"].retries, functions["yearly"].retries) == (3, None)
    assert functions["batcher"].configuration["eventsBatch"] == {"maxSize": 3, "timeout": "5s"}
    assert len(api.functions()) == 21  # those of the other app were not recorded


@pytest.mark.parametrize(
    ("kind", "value", "name", "does_fit"),
    [
        ("EVENT", "shop/order.placed", "shop/order.placed", True),
        ("EVENT", "shop/order.placed", "shop/orderXplaced", False),
        ("EVENT", "shop/order.placed", "shop/order.placed.late", False),
        ("EVENT", "shop/*", "shop/order.placed", True),
        ("EVENT", "shop/order.*", "shop/order.placed", True),
        ("EVENT", "shop/order.*", "shop/invoice.sent", False),
        ("CRON", "0 0 * * *", "0 0 * * *", False),
    ],
)
def test_a_trigger_tells_which_events_it_waits_for(
    kind: str, value: str, name: str, does_fit: bool
) -> None:
    assert Trigger(kind, value).fits(name) is does_fit
