"""`samples.fill` and `samples.states`: states that look like production."""

import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from small_servers import plain_server

import inngest_nb as inb
from inngest_nb import (
    AsyncInngestStore,
    InngestStore,
    MemoryStore,
    SqliteStore,
    StateServer,
    samples,
    wire,
)
from inngest_nb.errors import StoreFileError
from inngest_nb.history import waiting_for

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
MANY = list(samples.states(3_000, seed=1, now=NOW))


def test_the_same_arguments_give_the_same_documents() -> None:
    once = [wire.encode(state) for state in samples.states(200, seed=7, now=NOW)]
    again = [wire.encode(state) for state in samples.states(200, seed=7, now=NOW)]
    assert once == again
    assert once != [wire.encode(state) for state in samples.states(200, seed=8, now=NOW)]


def test_fill_saves_what_states_gives_and_says_how_many(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "s.db") as store:
        assert samples.fill(store, 50, seed=3, now=NOW) is store
        saved = {state.workflow_id: state for state in store.list()}
        assert saved == {s.workflow_id: s for s in samples.states(50, seed=3, now=NOW)}
        samples.fill(store, 50, seed=3, now=NOW)
        assert len(store.list()) == 50


def test_a_server_is_filled_by_hundreds_and_its_client_lists_them(
    state_server: StateServer,
) -> None:
    with InngestStore(state_server.url) as store:
        samples.fill(store, 300, seed=3, now=NOW)
        wanted = {s.workflow_id: s for s in samples.states(300, seed=3, now=NOW)}
        assert {s.workflow_id: s for s in store.list()} == wanted
        assert {s.workflow_id: s for s in store.fetch()} == wanted
        samples.fill(store, 300, seed=3, now=NOW)
        assert len(store.fetch()) == 300


def test_a_server_of_the_plain_contract_is_filled_one_by_one() -> None:
    with plain_server() as server, InngestStore(server.url) as store:
        samples.fill(store, 3, seed=3, now=NOW)
        assert [method for method, _, _ in server.seen] == ["GET", "PUT", "PUT", "PUT"]
        assert len(store.list()) == len(server.documents) == 3


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db")
    store.close()
    with pytest.raises(StoreFileError, match="closed"):
        samples.fill(store, 3)


def test_fill_of_nothing_saves_nothing() -> None:
    store = MemoryStore()
    assert samples.fill(store, 0).list() == []
    assert store.list() == []


def test_without_now_the_present_is_meant() -> None:
    before = datetime.now(UTC)
    newest = max(state.created_at for state in samples.states(200))
    assert before - timedelta(hours=2) < newest <= datetime.now(UTC)


def test_now_may_be_of_any_zone_but_not_of_none() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert list(samples.states(20, now=elsewhere)) == list(samples.states(20, now=NOW))
    with pytest.raises(ValueError, match="now needs a time zone"):
        list(samples.states(1, now=datetime(2026, 1, 1)))


def test_an_async_store_is_refused_before_anything_is_saved() -> None:
    with pytest.raises(TypeError, match=r"cannot await AsyncInngestStore\.save"):
        samples.fill(AsyncInngestStore("http://127.0.0.1:9"), 1)  # type: ignore[arg-type]


# What production looks like


def test_most_are_completed_and_every_status_is_there() -> None:
    statuses = Counter(state.status for state in MANY)
    assert set(statuses) == {"running", "completed", "failed", "canceled"}
    assert 0.7 < statuses["completed"] / len(MANY) < 0.9
    assert statuses["failed"] > statuses["canceled"] > 30
    assert statuses["running"] > 30


def test_there_are_several_kinds_of_workflows_with_readable_ids() -> None:
    kinds = Counter(state.workflow_id.rpartition("-")[0] for state in MANY)
    assert {"order", "approval", "import", "agent", "report", "report-zürich"} == set(kinds)
    orders = [s.workflow_id for s in MANY if s.workflow_id.startswith("order-")]
    assert orders[:2] == ["order-000001", "order-000002"]
    assert len({state.workflow_id for state in MANY}) == len(MANY)
    assert len({state.run_id for state in MANY}) == len(MANY)


def test_durations_are_skewed() -> None:
    frame = inb.frame(MANY, "completed")
    orders = frame["duration"][frame["workflow_id"].str.startswith("order-")].dt.total_seconds()
    assert 1 < orders.median() < 5
    assert orders.quantile(0.99) > 5 * orders.median()
    assert statistics.mean(orders) > orders.median()


def test_failures_fall_into_families_of_several_sizes() -> None:
    families = inb.frame(MANY).wf.errors()
    assert 8 <= len(families) <= 30
    assert families["count"].max() > 5 * families["count"].min()
    said = " / ".join(families["error"])
    for words in ("card declined", "timeout after 30 s", "HTTP 503 from supplier …", "validation"):
        assert words in said
    assert len({state.error for state in MANY if state.error}) > 3 * len(families)


def test_open_runs_wait_for_activities_for_approvals_and_for_timers() -> None:
    found = {state.workflow_id: waiting_for(state) for state in MANY}
    kinds = Counter(waiting.kind for waiting in found.values() if waiting)
    assert kinds.keys() == {"activity", "signal", "timer"}
    assert all(waiting_for(state) for state in MANY if state.status == "running")
    for name, waiting in found.items():
        if waiting and waiting.kind == "signal":
            assert (name.split("-")[0], waiting.names) == ("approval", ("decision",))
        elif waiting and waiting.kind == "timer":
            assert waiting.until is not None
            assert NOW < waiting.until < NOW + timedelta(hours=1)


def test_some_runs_are_stuck_for_hours_or_days() -> None:
    open_runs = [state for state in MANY if state.status == "running"]
    idle = [NOW - state.updated_at for state in open_runs]
    assert sum(time > timedelta(hours=3) for time in idle) > 20
    assert sum(time > timedelta(days=2) for time in idle) > 5
    assert sum(time < timedelta(minutes=10) for time in idle) > 5


def test_a_supplier_was_down_for_some_hours_two_days_ago() -> None:
    activities = inb.activity_frame(MANY).query("activity == 'reserve_stock'")
    hours = activities["started_at"].dt.strftime("%d %H")
    down = hours.isin(["08 13", "08 14"])
    failed, retried = activities["outcome"] == "failed", activities["attempt_count"] > 1
    assert failed[down].mean() > 0.5 > 10 * failed[~down].mean()
    assert retried[down].mean() > 0.7 > 7 * retried[~down].mean()


def test_there_are_retries_signals_timers_and_cancellations() -> None:
    frame = inb.frame(MANY)
    assert frame.query("status == 'completed'")["retries"].gt(0).sum() > 50
    types = set(inb.history_frame(MANY)["type"])
    assert types == {str(word) for word in inb.EventType if word}


def test_activities_of_an_import_run_at_the_same_time() -> None:
    activities = inb.activity_frame(MANY).query("activity == 'load_batch'")
    imports = activities.groupby("workflow_id")
    assert imports["started_at"].max().lt(imports["ended_at"].min()).mean() > 0.9
    for state in MANY:
        batches = [event for event in state.history if event.activity_name == "load_batch"]
        starts = [event.timestamp for event in batches if not event.duration]
        for end in (event for event in batches if event.duration):
            gaps = [abs(end.timestamp - end.duration - start) for start in starts]
            assert min(gaps) < timedelta(milliseconds=1)


def test_they_spread_over_the_last_days() -> None:
    days = Counter(state.created_at.date() for state in MANY)
    assert len(days) == 6
    hours = Counter(state.created_at.hour for state in MANY)
    assert hours[14] > 2 * hours[2]


def test_there_are_names_and_numbers_that_careless_tools_break_on() -> None:
    documents = b"\n".join(map(wire.encode, MANY)).decode()
    for text in ("山田 太郎", "محمد علي", "O'Neill", "🚲", "<none>"):
        assert text in documents
    checksums = [s.result["checksum"] for s in MANY if s.result and "checksum" in s.result]
    assert max(checksums) > 2**64


# Histories


@pytest.mark.parametrize("place", range(0, len(MANY), 97))
def test_a_history_obeys_the_contract(place: int) -> None:
    state = MANY[place]
    events = state.history
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert events[0].type == "workflow_started"
    assert events[0].input == state.input
    times = [event.timestamp for event in events]
    assert times == sorted(times)
    assert (state.created_at, state.updated_at) == (times[0], times[-1])
    assert times[-1] <= NOW
    assert wire.decode(wire.encode(state)) == state


def test_the_last_event_agrees_with_the_status() -> None:
    for state in MANY:
        last = state.history[-1]
        if state.status == "running":
            assert not last.type.startswith("workflow_") or len(state.history) == 1
            assert (state.result, state.error) == (None, "")
        else:
            assert last.type == f"workflow_{state.status}"
            assert (last.result, last.error) == (state.result, state.error)


def test_ends_of_activities_record_how_long_they_took() -> None:
    for state in MANY:
        for event in state.history:
            ended = event.type in ("activity_completed", "activity_failed", "timer_fired")
            assert bool(event.duration) == ended


def test_no_activity_is_left_without_its_start() -> None:
    activities = inb.activity_frame(MANY)
    assert activities["started_at"].notna().all()
    assert set(activities["outcome"]) <= {"running", "completed", "failed", "canceled"}
