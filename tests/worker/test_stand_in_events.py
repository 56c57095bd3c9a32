"""The executor stand-in: events and their conditions, and runs that a step starts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from inngest_engine import Answer, InngestEngine
from inngest_engine_conditions import holds
from scripted_worker import ScriptedWorker, hashed, invoked, opcodes, raised, returned, waited

from inngest_nb import InngestAPI


async def one(step: str, body: dict[str, Any]) -> Answer:
    return returned(body["event"]["data"].get("n"))


@pytest.fixture
def inngest() -> Iterator[InngestEngine]:
    with InngestEngine(virtual=True) as engine:
        yield engine


@pytest.fixture
def api(inngest: InngestEngine) -> Iterator[InngestAPI]:
    with InngestAPI(inngest.url) as client:
        yield client


def test_an_event_that_is_sent_again_starts_its_functions_once(
    inngest: InngestEngine, api: InngestAPI
) -> None:
    ScriptedWorker(one=one).register(inngest)
    first, again = (api.send("lab/one", {"n": 1}, id="mine") for _ in range(2))
    inngest.ended(inngest.run_of(first))
    assert [event.event_id for event in api.events(name="lab/one")] == [again, first]
    assert [run.event_ids for run in api.runs()] == [(first,)]
    assert len(api.event_runs(first)) == 1
    assert len(api.event_runs(again)) == 0


def test_an_event_is_listed_a_little_later_than_runs_get_it() -> None:
    with InngestEngine(virtual=True, lag=0.2) as inngest, InngestAPI(inngest.url) as api:
        ScriptedWorker(one=one).register(inngest)
        with inngest.clock.hold():
            event_id = api.send("lab/one")
            inngest.ended(inngest.run_of(event_id))
            assert [*api.events()] == []
            later = threading.Event()
            inngest.later(0.2, later.set)
        assert later.wait(60)
        assert [event.event_id for event in api.events()] == [event_id]


DATA = {"data": {"id": "a-1", "n": 2, "ok": True, "in": {"x": None}}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, True),
        ("", True),
        ('event.data.id == "a-1"', True),
        ("event.data.id == 'a-1'", True),
        ('event.data.id == "\\u0061-1"', True),
        ("event.data.id != 'a-1'", False),
        ("event.data.n == 2 && event.data.ok == true", True),
        ("event.data.n == 3 || event.data.ok", True),
        ("(event.data.n == 3 || event.data.ok) && event.data.in.x == null", True),
        ("event.data.missing == null", False),
        ("event.data.id.deeper == 'a-1'", False),
        ("async.data.id == event.data.id", True),
        ("event.data.n", False),
    ],
)
def test_conditions_hold_as_cel_has_it(condition: str | None, expected: bool) -> None:
    assert holds(condition, event=DATA, **{"async": DATA}) is expected


@pytest.mark.parametrize("condition", ["event.data.n > 1", "size(event.data.id) == 3", "'a", "(1"])
def test_what_is_more_than_that_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match=r"cannot read|bracket"):
        holds(condition, event=DATA)


def test_a_wait_takes_the_event_that_fits(inngest: InngestEngine) -> None:
    async def picky(step: str, body: dict[str, Any]) -> Answer:
        if body["steps"]:
            return returned(body["steps"][hashed("w")]["data"])
        condition = "async.data.key == event.data.key"
        return opcodes(waited("w", "lab/go", "1h", condition))

    ScriptedWorker(picky=picky).register(inngest)
    with inngest.clock.hold():
        run = inngest.invoke("lab-picky", {"key": "a"})
        inngest.until(lambda: bool(inngest.requests) and bool(inngest.requests[0].answer))
        inngest.send("lab/go", {"key": "b"})
        inngest.send("lab/other", {"key": "a"})
        assert not run.is_over
        inngest.send("lab/go", {"key": "a", "n": 1})
        inngest.send("lab/go", {"key": "a", "n": 2})
    assert inngest.ended(run).output == {"key": "a", "n": 1}


# Runs that a step starts


def test_a_step_gets_the_error_of_the_function_that_it_invoked(inngest: InngestEngine) -> None:
    async def inner(step: str, body: dict[str, Any]) -> Answer:
        return raised("inner is broken", retry=False)

    async def outer(step: str, body: dict[str, Any]) -> Answer:
        if body["steps"]:
            return returned(body["steps"][hashed("call")]["error"]["message"])
        return opcodes(invoked("call", body["event"]["data"]["function"]))

    ScriptedWorker(inner=inner, outer=outer).register(inngest)
    runs = [inngest.invoke("lab-outer", {"function": name}) for name in ("inner", "nobody")]
    assert [inngest.ended(run).output for run in runs] == [
        "inner is broken",
        "could not find function with ID: lab-nobody",
    ]


def test_an_invoked_function_can_take_too_long(inngest: InngestEngine) -> None:
    async def inner(step: str, body: dict[str, Any]) -> Answer:
        return returned(1) if body["steps"] else opcodes(waited("w", "lab/never", "1h"))

    async def outer(step: str, body: dict[str, Any]) -> Answer:
        if body["steps"]:
            return returned(body["steps"][hashed("call")]["error"]["name"])
        return opcodes(invoked("call", "inner", timeout="1m"))

    ScriptedWorker(inner=inner, outer=outer).register(inngest)
    run = inngest.ended(inngest.invoke("lab-outer"))
    assert run.output == "InngestInvokeTimeout"
    assert run.ended_at is not None
    assert run.ended_at - run.queued_at == timedelta(minutes=1)
