"""Every view works on a bundle, and what would change it says why it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from explore_driver import choose, ids
from form_driver import press, type_into, words

import inngest_nb as inb
from inngest_nb import (
    Bundle,
    EventType,
    HistoryEvent,
    MemoryStore,
    ReadOnlyStoreError,
    WorkflowState,
    WorkflowStatus,
)
from inngest_nb.notebook.timeline import chart_markup
from inngest_nb.words import duration_text, time_text


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    path = tmp_path_factory.mktemp("views") / "incident.db"
    store = inb.samples.fill(MemoryStore(), 59)
    store.save(began_an_hour_ago())  # at some times of day, no sample is that young and running
    inb.export(store, path, redact=["input.customer"])
    before = path.read_bytes()
    with inb.open_bundle(path) as bundle:
        yield bundle
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def began_an_hour_ago() -> WorkflowState:
    then = datetime.now(UTC) - timedelta(hours=1)
    start = HistoryEvent(id=1, type=EventType.WORKFLOW_STARTED, timestamp=then)
    step = HistoryEvent(id=2, type=EventType.ACTIVITY_STARTED, activity_name="pack", timestamp=then)
    return WorkflowState(
        workflow_id="order-open",
        status=WorkflowStatus.RUNNING,
        history=(start, step),
        created_at=then,
        updated_at=then,
    )


@pytest.fixture
def failed(bundle: Bundle) -> str:
    return bundle.list("failed", 1)[0].workflow_id


def shown(view: Any) -> str:
    return str(view._repr_mimebundle_()["text/html"])


def test_frames_are_made_of_a_bundle(bundle: Bundle) -> None:
    rows = inb.frame(bundle, payloads=True)
    assert len(rows) == 60
    assert rows.attrs["source"] == repr(bundle)
    assert rows.attrs["listed"]
    assert len(inb.history_frame(bundle)) == bundle.info.events
    assert len(inb.activity_frame(bundle)) > 60
    assert set(inb.frame(bundle, status="failed")["status"]) == {"failed"}


def test_a_bundle_is_told_as_of_its_export_whenever_it_is_opened(bundle: Bundle) -> None:
    exported = bundle.info.exported_at
    a_day_before = (exported - timedelta(days=1)).isoformat()
    assert bundle.as_of == exported
    rows = inb.frame(bundle, since="24h")
    assert rows.attrs["fetched_at"] == exported.isoformat()
    assert rows.attrs["filter"]["since"] == a_day_before
    is_open = rows["status"] == "running"
    assert is_open.any()
    assert (rows["created_at"] + rows["duration"])[is_open].eq(exported).all()
    assert f"as of {time_text(exported)}" in repr(inb.overview(bundle))
    answer = inb.sql("select max(duration) as longest from workflows", bundle, since="24h")
    assert answer.attrs["filter"]["since"] == a_day_before
    assert answer["longest"].iloc[0] == rows["duration"].max()


@pytest.mark.parametrize(
    "query",
    [
        "select w.created_at as began, duration from workflows w where {}",
        "select w.created_at as began, duration, w.input from workflows w where {}",
        "select w.created_at as began, w.duration from workflows w, events e where {}",
        "select a.started_at as began, a.duration, a.input from activities a, workflows w where {}",
    ],
)
def test_sql_tells_of_a_bundle_as_of_its_export_whatever_is_read(
    bundle: Bundle, query: str
) -> None:
    is_open = "w.workflow_id = 'order-open'" + (
        " and a.workflow_id = w.workflow_id" if "a." in query else ""
    )
    rows = inb.sql(query.format(is_open), bundle)
    assert (rows["began"] + rows["duration"]).unique().tolist() == [bundle.as_of]
    assert rows.attrs["fetched_at"] == bundle.as_of.isoformat()


def test_an_explorer_tells_of_a_bundle_as_of_its_export(tmp_path: Path) -> None:
    store = MemoryStore()
    store.save(began_an_hour_ago().replace(created_at=datetime.now(UTC)))
    inb.export(store, tmp_path / "incident.db")
    with inb.open_bundle(tmp_path / "incident.db") as bundle:
        took = inb.frame(bundle)["duration"].iloc[0]
        explorer = inb.explore(bundle)
        explorer.wait()
        assert explorer.table.rows[0]["cells"][3] == f"{duration_text(took)} so far"
        assert f"as of {time_text(bundle.as_of)}" in words(explorer.remark)
        assert explorer.frame["duration"].tolist() == [took]
        choose(explorer, "order-open")
        explorer.detail.pass_time()
        drawn = chart_markup(bundle.list()[0], bundle.as_of)
        assert explorer.detail._parts["timeline"].markup == drawn
        assert explorer.frame.attrs["fetched_at"] == bundle.as_of.isoformat()
        limit = took.total_seconds() + 0.001
        type_into(explorer, explorer.search.text, f"where: duration < {limit}")
        assert ids(explorer) == ["order-open"]
        explorer.close()


def test_a_timeline_and_a_comparison_tell_of_a_bundle_as_of_its_export(tmp_path: Path) -> None:
    store = MemoryStore()
    store.save(began_an_hour_ago())
    inb.export(store, tmp_path / "incident.db")
    with inb.open_bundle(tmp_path / "incident.db") as bundle:
        took = inb.frame(bundle)["duration"].iloc[0]
        for given in ({"store": bundle}, {}):
            inb.use(None if given else bundle)
            drawn = inb.timeline("order-open", **given)
            assert drawn.picture.took == took
            compared = inb.compare("order-open", "order-open", **given).frame
            assert compared["duration_a"].iloc[0] == took
        inb.use(None)


def test_an_explorer_shows_a_bundle(bundle: Bundle) -> None:
    explorer = inb.explore(bundle)
    explorer.wait()
    assert ids(explorer)[0] == bundle.list(limit=1)[0].workflow_id
    assert "60 workflows" in shown(explorer)
    explorer.close()


def test_a_workflow_of_a_bundle_is_drawn_and_compared(bundle: Bundle, failed: str) -> None:
    other = bundle.list("completed", 1)[0].workflow_id
    assert failed in shown(inb.timeline(failed, store=bundle))
    assert failed in shown(inb.compare(failed, other, store=bundle))


def test_a_run_of_a_bundle_is_replayed_and_its_fork_cannot_be_saved_there(tmp_path: Path) -> None:
    store = MemoryStore()
    with inb.Executor(store) as executor:
        handle = executor.execute(inb.samples.order, id="order-1", input={"speed": 1_000})
        handle.result(timeout=60)
    inb.export(store, tmp_path / "incident.db")
    with inb.open_bundle(tmp_path / "incident.db") as bundle:
        view = inb.replay("order-1", inb.samples.order, store=bundle)
        assert "workflow_started" in words(view.moment_area)
        press(view, view.fork)
        assert "a bundle can only be read" in words(view.trouble)
        assert "import_bundle" in words(view.trouble)
        assert len(bundle.list()) == 1
        view.close()


def test_a_form_that_saves_says_what_to_do_instead(bundle: Bundle, failed: str) -> None:
    form = inb.save_form(bundle, failed)
    form.wait()
    type_into(form, form.fields.error, "mended by hand")
    press(form, form.review)
    press(form, form.save)
    assert isinstance(form.last_error, ReadOnlyStoreError)
    assert "a bundle can only be read" in shown(form)
    assert "import_bundle" in shown(form)
    form.close()


def test_nothing_runs_in_a_bundle(bundle: Bundle) -> None:
    with inb.Executor(bundle) as executor, pytest.raises(inb.InngestNbError) as raised:
        executor.execute(inb.samples.order, input={"order": 1}, id="new").result(timeout=60)
    assert "a bundle can only be read" in f"{raised.value} {raised.value.__cause__}"


def test_a_bundle_can_be_the_default_store(bundle: Bundle, failed: str) -> None:
    inb.use(bundle)
    try:
        assert failed in shown(inb.timeline(failed))
    finally:
        inb.use(None)
