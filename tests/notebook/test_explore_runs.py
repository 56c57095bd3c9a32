"""explore over a real Inngest server: its runs are found, looked at, canceled and rerun."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from explore_driver import NEWEST, ask, choose, ids, press, state_of, type_into
from form_driver import words
from hostile_strings import HOSTILE_STRINGS
from open_widgets import open_widgets
from story_records import story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI, RunStore
from inngest_nb import explore as make_explorer
from inngest_nb.errors import InngestError
from inngest_nb.notebook.explore import Explore
from inngest_nb.notebook.explore._catalog import Query, entry_of, find
from inngest_nb.notebook.explore._run_feed import RunFeed  # what each look asks of a server
from inngest_nb.notebook.explore._subject import RUNS
from inngest_nb.notebook.explore._table import Table
from inngest_nb.store import Head

NAMES = dict(story().names)


@pytest.fixture
def inngest() -> Iterator[StoryServer]:
    """A server with the story, for one test, which may change it."""
    with StoryServer() as server:
        yield server


@pytest.fixture
def api(inngest: StoryServer) -> Iterator[InngestAPI]:
    with InngestAPI(inngest.url) as api:
        yield api


@pytest.fixture
def explorer(api: InngestAPI) -> Iterator[Explore]:
    made = make_explorer(api)
    made.wait()
    yield made
    made.close()


def buttons(explorer: Any) -> list[str]:
    """The buttons that are shown for the selected run, but for the one that sends an event."""
    editing = explorer.editing
    rows = (*editing._buttons.children, *editing._answers.children)
    return [one.description for one in rows if one is not editing.send]


def test_the_first_page_has_the_runs_that_changed_last(explorer: Explore) -> None:
    assert explorer.title == "Runs"
    assert ids(explorer)[:2] == [NAMES["fail_default"], NAMES["rerun_order2"]]
    assert "1-25 of 47 runs, newest first" in words(explorer.remark)
    assert [heading for _, heading in explorer.table.columns] == [
        "Status",
        "Function",
        "Updated",
        "Took",
        "Run",
        "Error",
    ]
    assert explorer.table.rows[0]["cells"] == [
        "failed",
        "nb-lab-always-fails",
        "2026-11-22 19:22:58 UTC",
        "19.1 s",
        NAMES["fail_default"],
        "ValueError: boom: value out of range",
    ]
    assert explorer.last_error is None


def test_a_run_store_is_explored_as_its_api_is(api: InngestAPI) -> None:
    explorer = make_explorer(RunStore(api))
    explorer.wait()
    assert "of 47 runs" in words(explorer.remark)
    explorer.close()
    assert api.apps(), "the client is not the explorer's"


def test_functions_statuses_and_errors_are_found(explorer: Explore) -> None:
    for text, count in (("flaky", 2), ("FAILED boom", 2), (NAMES["sleep"][-8:], 1), ("xyz", 0)):
        type_into(explorer, explorer.search.text, text)
        assert explorer.table.page["total"] == count, text
    assert "No run matches" in words(explorer.remark)
    type_into(explorer, explorer.search.text, "")
    assert explorer.search.chip("queued").description == "○ queued  2"
    type_into(explorer, explorer.search.chip("canceled"), True)
    assert explorer.table.page["total"] == 4
    ask(explorer, kind="sort", by="function")
    assert "by function, A\u2013Z" in words(explorer.remark)


def test_a_chosen_run_shows_what_it_did(explorer: Explore) -> None:
    choose(explorer, NAMES["fail_default"])
    assert explorer.selected is not None
    assert explorer.selected.workflow_id == NAMES["fail_default"]
    told = words(explorer.detail)
    for part in ("nb-lab-always-fails", "bad-step", "2 attempts", "boom: value out of range"):
        assert part in told
    assert buttons(explorer) == ["Rerun…"]


def test_the_frame_has_the_traces_of_what_is_filtered(explorer: Explore) -> None:
    type_into(explorer, explorer.search.text, "flaky")
    rows = explorer.frame
    assert list(rows["workflow_id"]) == ids(explorer)
    assert list(rows["retries"]) == [2, 2]
    assert rows.attrs["source"] == repr(explorer._store)
    assert rows.attrs["filter"]["text"] == "flaky"


def test_a_run_is_canceled_after_a_question(explorer: Explore, api: InngestAPI) -> None:
    run_id = NAMES["long_stays"]
    choose(explorer, run_id)
    assert buttons(explorer) == ["Cancel run…", "Rerun…"]
    press(explorer, explorer.editing.cancel)
    asked = words(explorer.editing.question)
    assert "Cancel nb-lab-long-job" in asked
    assert run_id in asked
    assert api.run(run_id).status == "running", "nothing is done before the answer"
    press(explorer, explorer.editing.leave)
    assert words(explorer.editing.question) == ""
    press(explorer, explorer.editing.confirm_cancel)
    assert api.run(run_id).status == "running", "nothing was asked"

    press(explorer, explorer.editing.cancel)
    press(explorer, explorer.editing.confirm_cancel)
    assert api.run(run_id).status == "canceled"
    assert f"Canceled nb-lab-long-job {run_id}" in words(explorer.editing.outcome)
    assert ids(explorer)[0] == run_id
    assert explorer.table.rows[0]["cells"][0] == "canceled"
    assert buttons(explorer) == ["Rerun…"]


def test_a_run_that_ended_meanwhile_says_so(explorer: Explore, api: InngestAPI) -> None:
    choose(explorer, NAMES["long_stays"])
    press(explorer, explorer.editing.cancel)
    api.cancel(NAMES["long_stays"])
    press(explorer, explorer.editing.confirm_cancel)
    assert "Could not cancel the run" in words(explorer.editing.trouble)
    assert "already" in words(explorer.editing.trouble)
    assert words(explorer.editing.outcome) == ""
    assert explorer.selected is not None
    assert explorer.selected.status == "canceled", "what it has become is shown"


def test_a_cancel_whose_answer_was_lost_is_looked_up() -> None:
    lost = threading.Event()
    with (
        StoryServer(lose=lambda seen: lost.is_set() and seen.target.endswith("/cancel")) as server,
        InngestAPI(server.url) as api,
    ):
        explorer = make_explorer(api)
        choose(explorer, NAMES["long_stays"])
        press(explorer, explorer.editing.cancel)
        lost.set()
        press(explorer, explorer.editing.confirm_cancel)
        assert "Canceled" in words(explorer.editing.outcome)
        assert words(explorer.editing.trouble) == ""
        explorer.close()


@pytest.mark.parametrize("lost", ["what it has become", "everything"])
def test_what_was_done_is_told_also_where_the_run_cannot_be_read_again(lost: str) -> None:
    away = threading.Event()
    everything = lost == "everything"
    with (
        StoryServer(
            lose=lambda seen: away.is_set() and (everything or seen.method == "GET")
        ) as server,
        InngestAPI(server.url) as api,
    ):
        explorer = make_explorer(api)
        choose(explorer, NAMES["long_stays"])
        press(explorer, explorer.editing.cancel)
        away.set()
        press(explorer, explorer.editing.confirm_cancel)
        outcome, trouble = explorer.editing.outcome, explorer.editing.trouble
        assert ("Canceled" in words(outcome)) == (not everything)
        assert ("may or may not have done it" in words(trouble)) == everything
        assert "inngest run:" not in words(trouble)
        explorer.close()


def test_a_question_is_about_the_run_it_named(explorer: Explore, api: InngestAPI) -> None:
    choose(explorer, NAMES["long_stays"])
    press(explorer, explorer.editing.cancel)
    choose(explorer, NAMES["wait_pending"])
    assert words(explorer.editing.question) == ""
    press(explorer, explorer.editing.confirm_cancel)
    statuses = [api.run(NAMES[name]).status for name in ("long_stays", "wait_pending")]
    assert statuses == ["running", "running"]


@pytest.mark.parametrize("step", ["", "charge"])
def test_a_rerun_is_started_from_the_beginning_or_from_a_step(
    explorer: Explore, inngest: StoryServer, step: str
) -> None:
    choose(explorer, NAMES["order1"])
    press(explorer, explorer.editing.rerun)
    steps = [value for _, value in explorer.editing.from_step.options]
    assert steps == ["", "validate", "price", "reserve", "charge", "email"]
    explorer.editing.from_step.set_state({"index": steps.index(step)})
    before = len(inngest.state.runs.rows)
    press(explorer, explorer.editing.confirm_rerun)
    assert len(inngest.state.runs.rows) == before + 1
    (posted,) = [seen for seen in inngest.seen if seen.target.endswith("/rerun")]
    assert (b"charge" in posted.body) == bool(step)
    assert explorer.selected is not None
    new = explorer.selected.workflow_id
    assert explorer.selected.status == "queued"
    told = words(explorer.editing.outcome)
    assert f"Started run {new}" in told
    assert f"repeats {NAMES['order1']}" in told
    assert ids(explorer)[0] == new


def test_a_batch_is_not_rerun(explorer: Explore, inngest: StoryServer) -> None:
    choose(explorer, NAMES["batch2"])
    press(explorer, explorer.editing.rerun)
    assert "It was triggered by a batch of 3 events" in words(explorer.editing.question)
    assert buttons(explorer) == ["Rerun…", "Dismiss"]
    press(explorer, explorer.editing.confirm_rerun)
    assert not [
        seen for seen in inngest.seen if seen.method == "POST" and "/gql" not in seen.target
    ]


def test_an_event_is_sent_from_a_form_that_begins_with_that_of_the_run(
    explorer: Explore, inngest: StoryServer
) -> None:
    pytest.importorskip("inngest_nb.notebook.sending", reason="there is no form that sends events")
    choose(explorer, NAMES["flaky1"])
    assert explorer.editing.send in explorer.editing._buttons.children
    press(explorer, explorer.editing.send)
    form = explorer.editing.send_form
    assert form.name.value == "lab/flaky"
    assert '"k": 1' in form.payload.text.value
    assert buttons(explorer) == ["Rerun…", "Close form"]
    assert not [
        seen for seen in inngest.seen if seen.method == "POST" and "/gql" not in seen.target
    ], "nothing is sent yet"
    press(explorer, explorer.editing.close_form)
    assert explorer.editing.send in explorer.editing._buttons.children
    assert form.comm is None
    explorer.close()


def test_what_happens_elsewhere_comes_with_the_next_look(
    explorer: Explore, api: InngestAPI
) -> None:
    api.cancel(NAMES["wait_pending"])
    new = api.rerun(NAMES["order1"])
    ask(explorer, kind="look")
    assert set(ids(explorer)[:2]) == {NAMES["wait_pending"], new}
    assert "of 48 runs" in words(explorer.remark)


def test_a_look_costs_one_request_and_finds_no_news(api: InngestAPI, inngest: StoryServer) -> None:
    feed = RunFeed(RunStore(api), lambda: None)
    feed.begin()
    feed.read_all()
    asked, news = len(inngest.seen), feed.news
    feed.look()
    assert (len(inngest.seen) - asked, feed.news) == (1, news)
    assert len(feed.entries()) == 47


def test_a_run_that_was_loaded_is_the_same_entry_as_one_that_was_listed(api: InngestAPI) -> None:
    store = RunStore(api)
    feed = RunFeed(store, lambda: None)
    feed.begin()
    feed.read_all()
    listed = feed.entries()
    for entry in listed:
        state = store.load(entry.head.workflow_id)
        assert state is not None
        feed.put(state)
    assert feed.entries() == listed


def test_another_server_in_the_place_of_the_first_is_noticed(api: InngestAPI) -> None:
    feed = RunFeed(RunStore(api), lambda: None)
    feed.begin()
    feed.read_all()
    with StoryServer(runs=5) as other, InngestAPI(other.url) as there:
        feed._runs = RunStore(there)
        feed.look()
    assert len(feed.entries()) == 5


def test_a_long_read_shows_what_has_come_and_is_done_again_where_it_was_cut() -> None:
    dead = threading.Event()
    with (
        StoryServer(runs=3_000, lose=lambda seen: dead.is_set()) as server,
        InngestAPI(server.url) as api,
    ):
        grown: list[int] = []

        def grew() -> None:
            grown.append(len(feed.entries()))
            if len(grown) == 3:
                dead.set()

        feed = RunFeed(RunStore(api), grew)
        feed._pause = 0  # each page is told of
        feed.begin()
        assert (len(feed.entries()), feed.whole) == (26, False)
        with pytest.raises(InngestError):
            feed.read_all()
        assert not feed.whole
        assert 26 < grown[0] < grown[2] < 3_000
        dead.clear()
        feed.look()
        assert (feed.whole, len(feed.entries())) == (True, 3_000)


def test_rows_that_are_the_same_are_not_sent_for_each_page_that_comes_behind_them() -> None:
    heads = (Head.of(state_of(number)) for number in range(2_000))
    entries = sorted(map(entry_of, heads), key=lambda entry: entry.order)
    table = Table(RUNS)
    pages, sent = [], []
    table.observe(lambda change: sent.append(change["name"]), ("rows", "page", "now"))
    for count in (100, 200, 299, 2_000):
        table.show(find(entries[:count], Query(), NEWEST), Query(), NEWEST, grows=True)
        pages.append(table.page)
    assert pages[0] is pages[1] is pages[2] is not pages[3]
    assert (len(table.rows), sorted(sent)) == (25, ["now", "page", "page", "rows"])
    table.show(find(entries[:1_999], Query(), NEWEST), Query(), NEWEST)
    assert (table.page["total"], sent.count("rows")) == (1_999, 1)


def test_until_all_are_read_the_page_says_how_many_there_are_so_far() -> None:
    hold, held = threading.Event(), threading.Event()

    def slow(seconds: float) -> None:
        if pages[0] > 8:
            held.set()
            assert hold.wait(20)
        pages[0] += 1

    pages = [0]
    with StoryServer(runs=3_000, charge=slow) as server, InngestAPI(server.url) as api:
        explorer = make_explorer(api)
        assert held.wait(20)
        asked_again: list[float] = []
        explorer.table.looked = lambda pause: asked_again.append(pause.total_seconds())
        explorer._asked({"kind": "look"})
        assert asked_again == [10]  # the end of the reading is told at once
        explorer._redraw()
        so_far = words(explorer.remark)
        assert "runs read so far, newest first" in so_far
        assert "The rest is still being read" in so_far
        explorer.search.text.set_state({"value": "flaky"})
        assert "found among" in words(explorer.remark)
        assert explorer.search.chip("completed").description.endswith("+")
        hold.set()
        explorer.wait()
        assert "found in 3,000 runs, newest first" in words(explorer.remark)
        type_into(explorer, explorer.search.text, "")
        assert (explorer.table.page["total"], explorer.table.page["last"]) == (3_000, 119)
        explorer.close()


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_names_are_escaped_in_questions_and_answers(explorer: Explore, text: str) -> None:
    choose(explorer, NAMES["long_stays"])
    state = explorer.selected
    assert state is not None
    first = state.history[0].replace(workflow=text)
    odd = state.replace(history=(first, *state.history[1:]), error=text)
    explorer.detail.show(odd)
    explorer.editing.show(odd)
    press(explorer, explorer.editing.cancel)
    press(explorer, explorer.editing.rerun)
    for area in (explorer.editing.question, *explorer.detail._parts.values()):
        assert "<script" not in area.value
        assert "<img" not in area.value


def test_a_key_is_nowhere_in_what_a_notebook_keeps() -> None:
    from inngest_replay import SIGNING_KEY

    with StoryServer("cloud") as server, InngestAPI(server.url, signing_key=SIGNING_KEY) as api:
        explorer = make_explorer(api)
        explorer.wait()
        kept = repr(explorer._repr_mimebundle_()) + repr(explorer) + words(explorer)
        assert SIGNING_KEY.rpartition("-")[2] not in kept
        assert "Runs" in kept
        explorer.close()


def test_close_closes_every_widget_and_ends_the_reading() -> None:
    before, held, go_on = open_widgets(), threading.Event(), threading.Event()
    pages = 0

    def slow(seconds: float) -> None:
        nonlocal pages
        pages += 1
        if pages > 6:
            held.set()
            assert go_on.wait(20)

    with StoryServer(runs=3_000, charge=slow) as server, InngestAPI(server.url) as api:
        explorer = make_explorer(api)
        assert held.wait(20)
        explorer.close()
        go_on.set()
        explorer.wait()
        assert open_widgets() - before == set()
        assert explorer._feed.entries() == []
        assert explorer.selected is None
        asked = pages
        explorer.wait()
        assert pages == asked < 12, "nothing is read for nobody"


def test_a_server_that_is_away_or_wants_a_key_says_so_and_comes_back() -> None:
    away = threading.Event()
    away.set()
    with (
        StoryServer(lose=lambda seen: away.is_set()) as server,
        InngestAPI(server.url) as api,
    ):
        explorer = make_explorer(api)
        assert "Could not read the store" in words(explorer.trouble)
        assert "Nothing read yet" in words(explorer.remark)
        away.clear()
        ask(explorer, kind="look")
        assert words(explorer.trouble) == ""
        assert "of 47 runs" in words(explorer.remark)
        explorer.close()
    with StoryServer("cloud") as server, InngestAPI(server.url) as api:
        explorer = make_explorer(api)
        assert "INNGEST_SIGNING_KEY" in words(explorer.trouble)
        explorer.close()


def test_a_form_that_saves_says_what_to_do_instead(api: InngestAPI) -> None:
    form = inb.save_form(RunStore(api), NAMES["fail_default"])
    form.wait()
    type_into(form, form.fields.error, "mended by hand")
    press(form, form.review)
    press(form, form.save)
    assert "can only be read" in str(form.last_error)
    assert "api.rerun(run_id)" in str(getattr(form.last_error, "__notes__", ""))
    form.close()
