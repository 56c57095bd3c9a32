"""The form that sends an event and follows its runs, used by the messages of a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from canned_server import Answer, CannedServer, Seen
from form_driver import Reading, all_html, click, every_widget, press, type_into, until, words
from hostile_strings import HOSTILE_STRINGS
from open_widgets import open_widgets
from story_server import EVENT_KEY, SIGNING_KEY, StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI
from inngest_nb.notebook.sending import _following

LAST_ORDER = {"order_id": "A6", "items": 6, "customer": "c0"}


@pytest.fixture
def inngest() -> Iterator[StoryServer]:
    with StoryServer() as server:
        yield server


@pytest.fixture
def api(inngest: StoryServer) -> Iterator[InngestAPI]:
    with InngestAPI(inngest.url) as api:
        yield api


def sent(server: StoryServer) -> list[Any]:
    """Return the events that the server was sent."""
    posts = [json.loads(seen.body) for seen in server.seen if seen.target.startswith("/e/")]
    return [event for batch in posts for event in batch]


def opened(api: InngestAPI, name: str | None = "lab/order.placed", **given: Any) -> Any:
    form = inb.send_form(api, name=name, **given)
    form.wait()
    return form


def test_the_events_of_the_servers_functions_are_offered(api: InngestAPI) -> None:
    form = opened(api, None)
    offered = list(form.name.options)
    assert "lab/order.placed" in offered
    assert "lab/nobody.listens" in offered  # which was sent lately
    assert offered.index("lab/wait") < offered.index("lab/nobody.listens")
    assert not [name for name in offered if name.startswith("inngest/")]
    assert words(form.starts) == ""


def test_it_begins_with_the_last_data_and_says_what_the_event_starts(api: InngestAPI) -> None:
    form = opened(api)
    assert json.loads(form.payload.text.value) == LAST_ORDER
    assert "Starts nb-lab/order-pipeline." in words(form.starts)
    assert "Begins with the data of the last one, received 2026-11-22" in words(form.starts)
    type_into(form, form.name, "lab/nobody.listens")
    assert "This event triggers no function on the server" in words(form.starts)
    type_into(form, form.name, "lab/never.sent")
    assert form.payload.text.value == ""
    assert "No event of this name has been sent yet" in words(form.starts)


def test_data_that_somebody_typed_or_gave_stays(api: InngestAPI) -> None:
    form = opened(api)
    type_into(form, form.payload.text, '{"mine": 1}')
    type_into(form, form.name, "lab/outputs")
    assert form.payload.text.value == '{"mine": 1}'
    form = opened(api, data={"given": [1, None]})
    assert json.loads(form.payload.text.value) == {"given": [1, None]}
    type_into(form, form.name, "lab/outputs")
    assert json.loads(form.payload.text.value) == {"given": [1, None]}


def test_an_event_is_sent_and_its_runs_are_shown_as_they_go_on(
    api: InngestAPI, inngest: StoryServer
) -> None:
    form = opened(api)
    type_into(form, form.payload.text, '{"order_id": "B1"}')
    heard: list[Any] = []
    form.on_write(lambda *told: heard.append(told))
    press(form, form.send)
    (event,) = sent(inngest)
    assert (event["name"], event["data"]) == ("lab/order.placed", {"order_id": "B1"})
    assert '✓ Event "lab/order.placed" sent It has the event_id' in words(form.outcome)
    assert heard == [(form.runs.event_id, None)]
    until(form.runs.area, "○ queued")
    assert "nb-lab/order-pipeline" in words(form.runs.area)
    assert "StatusFunctionTookRun" in words(form.runs.area)
    (run,) = api.event_runs(form.runs.event_id)
    assert run.run_id in words(form.runs.area)
    api.cancel(run.run_id)
    until(form.runs.area, "⊘ canceled")


def test_a_second_click_sends_nothing_until_one_asks_for_another(
    api: InngestAPI, inngest: StoryServer
) -> None:
    form = opened(api)
    button = form.send
    click(button)
    click(button)
    form.wait()
    assert len(sent(inngest)) == 1
    assert form.choices.children == (form.another,)
    assert form.name.disabled
    assert form.payload.text.disabled
    until(form.runs.area, "queued")
    press(form, form.another)
    assert words(form.outcome) == words(form.runs.area) == ""
    press(form, form.send)
    first, second = sent(inngest)
    assert first["data"] == second["data"]
    assert first["id"] != second["id"]


def test_a_click_on_data_that_was_not_seen_sends_nothing(
    api: InngestAPI, inngest: StoryServer
) -> None:
    form = opened(api)
    button = form.send
    type_into(form, form.name, "lab/outputs")  # by leaving the field for the button
    press(form, button)
    assert sent(inngest) == []
    assert "the data changed as you clicked: look at it" in words(form.trouble)
    press(form, form.send)
    assert [event["name"] for event in sent(inngest)] == ["lab/outputs"]


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("", "{}", "choose or type the name of the event first"),
        ("lab/tiny", "[1]", 'the data must be an object such as {"order_id": "A1"}'),
        ("lab/tiny", "{'n': 1}", "Data is not valid JSON (see the mark)"),
        ("inngest/mine", "{}", "reserved for the server"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_place(
    api: InngestAPI, inngest: StoryServer, name: str, data: str, complaint: str
) -> None:
    form = opened(api, None)
    type_into(form, form.name, name)
    type_into(form, form.payload.text, data)
    press(form, form.send)
    assert "Could not send the event" in words(form.trouble)
    assert complaint in words(form.trouble)
    assert sent(inngest) == []
    type_into(form, form.name, "lab/tiny")
    type_into(form, form.payload.text, "")
    press(form, form.send)
    assert words(form.trouble) == ""
    assert len(sent(inngest)) == 1


def test_after_a_lost_answer_a_second_try_starts_nothing_twice() -> None:
    lost: list[Seen] = []

    def the_first(seen: Seen) -> bool:
        if seen.target.startswith("/e/"):
            lost.append(seen)
        return seen.target.startswith("/e/") and len(lost) == 1

    with StoryServer(lose=the_first) as server, InngestAPI(server.url) as api:
        form = opened(api)
        before = len(server.state.runs.rows)
        press(form, form.send)
        assert "the event keeps its id, so its functions start only once" in words(form.trouble)
        press(form, form.send)
        assert '✓ Event "lab/order.placed" sent' in words(form.outcome)
        first, second = sent(server)
        assert first["id"] == second["id"]
        assert len(server.state.runs.rows) == before + 1
        until(form.runs.area, "queued")  # the run of the first event, which the second has none of
        form.close()


def test_after_a_lost_answer_other_data_is_another_event() -> None:
    with StoryServer(lose=lambda seen: seen.target.startswith("/e/")) as server:
        with InngestAPI(server.url) as api:
            form = opened(api)
            press(form, form.send)
            type_into(form, form.payload.text, '{"order_id": "B2"}')
            press(form, form.send)
            type_into(form, form.name, "lab/outputs")
            press(form, form.send)
            assert len({event["id"] for event in sent(server)}) == len(sent(server)) == 3


def test_a_server_that_is_away_is_said_in_place_and_read_once_it_is_there(
    inngest: StoryServer,
) -> None:
    away: list[bool] = [True]
    with StoryServer(lose=lambda seen: away[0]) as server, InngestAPI(server.url) as api:
        form = opened(api)
        assert "Could not read the server's events" in words(form.trouble)
        assert "no response from" in words(form.trouble)
        assert words(form.starts) == ""
        away.clear()
        away.append(False)
        type_into(form, form.name, "lab/outputs")
        assert "Starts nb-lab/outputs" in words(form.starts)
        assert "lab/tiny" in form.name.options


def test_runs_that_nobody_expects_are_not_waited_for_long(
    api: InngestAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_following, "_UNEXPECTED", 0.0)
    form = opened(api, "lab/nobody.listens")
    press(form, form.send)
    assert "No run; none is expected" in words(form.runs.area)
    until(form.runs.trouble, "No longer updated. See api.event_runs(")


def test_a_closed_form_leaves_no_widget_and_looks_no_more(api: InngestAPI) -> None:
    before = open_widgets()
    form = opened(api)
    press(form, form.send)
    runs = form.runs
    form.close()
    assert open_widgets() <= before
    assert runs._turn is None


# What a notebook keeps


def test_what_is_saved_reads_without_a_kernel_and_holds_no_key() -> None:
    with StoryServer("cloud") as server:
        with InngestAPI(server.url, SIGNING_KEY, EVENT_KEY) as api:
            form = opened(api)
            press(form, form.send)
            until(form.runs.area, "queued")
            form.runs._call_off()
            kept = form._repr_mimebundle_()
            shown = [each.get_state() for each in every_widget(form)]
            assert set(kept) >= {"text/html", "text/plain"}
            for part in ("Event lab/order.placed", "A6", "sent", "nb-lab/order-pipeline"):
                assert part in words(kept["text/html"])
            text = json.dumps([kept, shown], default=str) + repr(form)
            assert SIGNING_KEY.rpartition("-")[2] not in text
            assert EVENT_KEY not in text
            form.close()


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
def test_hostile_text_adds_no_tag(hostile: str) -> None:
    def shapes(text: str) -> list[Any]:
        run = {"id": text, "app": {"id": text}, "function": {"id": text}, "status": "FAILED"}
        run |= {"endedAt": "2026-11-22T19:22:40Z", "output": {"error": {"message": text or "x"}}}
        trigger = {"type": "EVENT", "value": text or "x", "condition": text or "x"}
        function = {"id": text, "app": {"id": text}, "triggers": [trigger]}
        said: dict[str, Any] = {
            "/api/v2/apps": [{"id": "shop"}],
            "/api/v2/apps/shop/functions": [function],
            "/v1/events": [{"internal_id": "0", "name": text, "data": {"text": text}}],
        }

        def answer(seen: Seen) -> Answer:
            path = seen.target.partition("?")[0]
            headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")
            if seen.method == "POST":
                body: Any = {"ids": ["01M82BBS9R4GVMW03Q690F6EC1"], "status": 200}
            else:
                body = {"data": said.get(path, [run])}
            return Answer(200, headers, json.dumps(body).encode())

        with CannedServer(answer) as server, InngestAPI(server.url) as api:
            form = opened(api, text or "x")
            type_into(form, form.payload.text, "{}")
            type_into(form, form.name, "shop/paid")
            press(form, form.send)
            until(form.runs.area, "failed")
            type_into(form, form.name, text or "x")
            htmls = [all_html(form), form._repr_mimebundle_()["text/html"]]
            form.close()
        return [Reading(html).shape for html in htmls]

    assert shapes(hostile) == shapes("x" * len(hostile))


def test_every_field_has_a_label_and_every_control_a_hook(api: InngestAPI) -> None:
    form = opened(api)
    fields = [each for each in every_widget(form) if "value" in each.keys]
    assert [
        each for each in fields if not each.description and "inb" not in each._dom_classes
    ] == []
    controls = [each for each in every_widget(form) if "description" in each.keys]
    assert all(any(name.startswith("inb-") for name in each._dom_classes) for each in controls)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"data": [1]}, ValueError, "data must be an object such as {'order_id': 'A1'}"),
        ({"data": {"a": object()}}, TypeError, r"at \$\.a"),
        (
            {"api": "http://127.0.0.1:9"},
            TypeError,
            "api must be an InngestAPI, such as .*, got str",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    api: InngestAPI, given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        inb.send_form(**{"api": api} | given)


def test_a_client_that_cannot_wait_is_refused() -> None:
    with pytest.raises(TypeError, match="must be an InngestAPI, not the async client"):
        inb.send_form(inb.AsyncInngestAPI("http://127.0.0.1:9"))  # type: ignore[arg-type]


def test_without_a_client_the_environment_names_the_server(
    inngest: StoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_BASE_URL", inngest.url)
    form = inb.send_form(name="lab/tiny")
    form.wait()
    assert "Starts nb-lab/tiny" in words(form.starts)


@pytest.mark.parametrize(("expected", "looks"), [(1, 1), (2, 2)])
def test_runs_are_followed_until_as_many_as_expected_have_ended(
    api: InngestAPI, expected: int, looks: int
) -> None:
    event_id = api.send("lab/tiny")
    api.cancel(api.event_runs(event_id)[0].run_id)
    due: list[Any] = []

    def later(work: Any, pause: float) -> Any:
        due.append(work)
        return lambda: None

    runs = _following.FollowedRuns(api, later, lambda doing, work, area: work())
    runs.follow(event_id, expected)
    due[0]()
    assert "canceled" in words(runs.area)
    assert len(due) == looks
