"""What is asked of a store is found where its workflows are, as it would be found here."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_servers import plain_server

import inngest_nb as inb
from inngest_nb import InngestStore, MemoryStore, SqliteStore, StateServer, WorkflowState, samples
from inngest_nb.store.rows import write_of

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
PAYLOADS: list[Any] = [
    {"total": 12, "name": "Ada", "items": [{"price": 1.5}, {"price": 7}], "a.b": 1},
    {"total": 12345678901234567890123, "paid": True, "items": [], "a": {"b": 1}},
    {"total": 99.5, "name": None, "when": "2026-11-01T10:00:00+01:00"},
    {"total": "12", "name": "Grace <b>", "items": [1, None]},
    {"total": 2**63, "name": "x" * 9_000},
    [1, {"total": 3}],
    "text",
    None,
]


def states() -> list[WorkflowState]:
    """Sample workflows, with payloads of every kind."""
    chance = random.Random(7)
    made = list(samples.states(70, now=NOW))
    made[5:8] = [state.replace(updated_at=None) for state in made[5:8]]
    return [
        state.replace(input=chance.choice([*PAYLOADS, state.input]), result=chance.choice(PAYLOADS))
        for state in made
    ]


@contextlib.contextmanager
def memory(folder: Path) -> Iterator[Any]:
    with MemoryStore() as store:
        yield store


@contextlib.contextmanager
def file(folder: Path) -> Iterator[Any]:
    with SqliteStore(folder / "s.db") as store:
        yield store


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Any]:
    with StateServer(folder / "s.db", port=0) as there, InngestStore(there.url) as store:
        yield store


@contextlib.contextmanager
def compressed(folder: Path) -> Iterator[Any]:
    with StateServer(folder / "s.db", port=0) as there, httpx.Client() as client:
        with InngestStore(there.url, client=client) as store:
            yield store


@contextlib.contextmanager
def plain(folder: Path) -> Iterator[Any]:
    with plain_server() as there, InngestStore(there.url) as store:
        yield store


each_store = pytest.mark.parametrize("opened", [memory, file, server, compressed, plain])
each_that_searches = pytest.mark.parametrize("opened", [memory, file, server, compressed])

WHERES = [
    "input.total > 10",
    "input.total >= 12345678901234567890123 or input.total < 20",
    'input.name contains "a" and status != "running"',
    "result.paid != true",
    "input.items[].price > 1",
    'input["a.b"] = 1 or input.a.b = 1',
    "result is missing and retries > 0",
    'duration > "1min" and events >= 6',
    'workflow in ["order", "agent"] or waiting_for = "activity"',
    'updated_at > "2026-03-08" and not error is missing',
]
FIELDS = ["input.total", "result.items[].price", 'input["a.b"]', "input.when", "result[0]"]

searches = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["failed", ["running", "completed"], "canceled"]),
        "workflow": st.sampled_from(["order", ["agent", "import"], "nobody"]),
        "since": st.sampled_from([NOW - timedelta(days=2), "2026-03-07"]),
        "until": st.sampled_from([NOW - timedelta(days=1), "2026-03-10"]),
        "by": st.sampled_from(["updated", "created", "ended"]),
        "prefix": st.sampled_from(["order-", "agent-0000", "É"]),
        "text": st.sampled_from(["ORDER", "timeout after", "failed 0000"]),
        "error": st.sampled_from(["TIMEOUT", "declined"]),
        "longer_than": st.sampled_from(["2s", timedelta(minutes=1)]),
        "where": st.sampled_from(WHERES),
        "sort": st.sampled_from(["duration", "-retries", "workflow_id", "-created_at"]),
        "limit": st.integers(0, 9),
    },
)


@each_that_searches
def test_a_store_finds_what_is_found_among_its_states(
    opened: Callable[[Path], Any], tmp_path: Path
) -> None:
    with opened(tmp_path) as store:
        for state in states()[:50]:
            store.save(state)
        if isinstance(store, SqliteStore):
            store._table.index(at_least=1)  # so that some heads are kept, and others are not
        for state in states()[50:]:
            store.save(state)
        store.save(states()[3].replace(status="failed", error="timeout again"))
        store.delete(states()[4].workflow_id)
        here = store.fetch()

        @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
        @given(searches, st.lists(st.sampled_from(FIELDS), unique=True, max_size=3))
        def same(asked: dict[str, Any], fields: list[str]) -> None:
            there = inb.frame(store, fields=fields, **asked)
            expected = inb.frame(here, fields=fields, **asked)
            assert there.attrs["total"] == expected.attrs["total"]
            assert there.attrs["truncated"] == (len(there) < there.attrs["total"])
            is_open = expected["status"].isin(["running", "queued"])
            for rows in (there, expected):  # measured at two moments
                rows.loc[is_open.to_numpy(), "duration"] = pd.NaT
            pd.testing.assert_frame_equal(there, expected)

        same()


@each_store
def test_events_and_activities_are_those_of_the_states(
    opened: Callable[[Path], Any], tmp_path: Path
) -> None:
    with opened(tmp_path) as store:
        for state in states():
            store.save(state)
        asked = {"status": "failed", "where": "input.total > 10"}
        found = [state for state in states() if state.status == "failed"]
        with contextlib.ExitStack() as stack:
            if opened is plain:
                stack.enter_context(pytest.warns(UserWarning, match="cannot list"))
            for make in (inb.history_frame, inb.activity_frame):
                for payloads in (False, True):
                    there = make(store, payloads=payloads, **asked)
                    here = make(found, payloads=payloads, **asked)
                    key = ["workflow_id", "event_id"] if "event_id" in there else ["workflow_id"]
                    there, here = (
                        rows.sort_values(key, kind="stable", ignore_index=True)
                        for rows in (there, here)
                    )
                    pd.testing.assert_frame_equal(there, here)


def test_a_plain_server_is_searched_over_what_the_client_has(tmp_path: Path) -> None:
    with plain(tmp_path) as store:
        for state in states():
            store.save(state)
        with pytest.warns(UserWarning, match="cannot list what its server keeps"):
            rows = inb.frame(store, where="input.total > 10", fields=["input.total"], limit=3)
    assert rows.attrs["listed"] is False
    assert (len(rows), rows.attrs["truncated"]) == (3, True)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"where": "input.total >"}, r"where: expected a value after '>'(.|\n)*\^"),
    ({"where": "colour = 1"}, "colour"),
    ({"fields": ["output.x"]}, r"fields: (.|\n)*output"),
    ({"since": "yesterdayish"}, "since"),
    ({"by": "deleted"}, "by must be one of"),
    ({"sort": "durations"}, "did you mean 'duration'"),
    ({"longer_than": "soon"}, "longer_than"),
    ({"limit": -1}, "limit is 0 for all"),
    ({"until": NOW - timedelta(days=9), "since": NOW}, "since must be before until"),
]


@pytest.mark.parametrize(("asked", "words"), WRONG)
@each_store
def test_a_wrong_wish_is_refused_at_the_call(
    opened: Callable[[Path], Any], tmp_path: Path, asked: dict[str, Any], words: str
) -> None:
    with opened(tmp_path) as store, pytest.raises(ValueError, match=words):
        inb.frame(store, **asked)


def test_what_cannot_be_asked_is_told_with_what_can() -> None:
    for make in (inb.frame, inb.history_frame, inb.activity_frame):
        with pytest.raises(
            TypeError, match="^unknown argument colour; valid arguments: status, limit"
        ):
            make([], colour="red")


def test_a_time_that_is_not_set_lies_in_no_window(tmp_path: Path) -> None:
    with file(tmp_path) as store:
        for number in range(9):
            at = None if number < 3 else NOW
            store.save(WorkflowState(workflow_id=f"w-{number}", updated_at=at))
        store._table.index(at_least=1)
        for limit in (0, 2, 20):
            assert inb.frame(store, until=NOW, limit=limit).attrs["total"] == 6


@pytest.mark.parametrize("opened", [memory, file, server])
def test_a_prefix_may_have_any_character(opened: Callable[[Path], Any], tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for tenant in ("a", "b", "\u00e9", "\U0001f600"):
            store.save(WorkflowState(workflow_id=f"tenant\0{tenant}-1"))
        for number in range(60):  # so that heads are kept
            store.save(WorkflowState(workflow_id=f"w-{number}"))
        for limit in (0, 1, 9):
            for tenant in ("a", "\u00e9", "\U0001f600"):
                found = inb.frame(store, prefix=f"tenant\0{tenant}", limit=limit)
                assert list(found["workflow_id"]) == [f"tenant\0{tenant}-1"]
                assert found.attrs["total"] == 1
            assert inb.frame(store, prefix="tenant\0", limit=limit).attrs["total"] == 4


HOUR = timedelta(hours=1)
FIRST, LAST = (end.replace(tzinfo=UTC) for end in (datetime.min, datetime.max))


@pytest.mark.parametrize(
    ("began", "shown"),
    [
        (datetime(1, 1, 1, 0, 0, 1, tzinfo=timezone(timedelta(hours=14))), FIRST),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-8))), LAST),
    ],
)
@pytest.mark.parametrize("opened", [memory, file, server])
def test_a_time_beyond_the_calendar_is_found_as_it_is_shown(
    opened: Callable[[Path], Any], tmp_path: Path, began: datetime, shown: datetime
) -> None:
    with opened(tmp_path) as store:
        for number in range(60):  # so that heads are kept
            state = WorkflowState(workflow_id=f"w-{number:02}", created_at=NOW, updated_at=NOW)
            store.save(state.replace(created_at=began) if number == 7 else state)
        row = inb.frame(store).set_index("workflow_id").loc["w-07"]
        assert row["created_at"].isoformat() == shown.isoformat()
        assert len(inb.frame(store, where="created_at is missing")) == 0
        since = FIRST if shown is FIRST else LAST - HOUR
        asked: list[dict[str, Any]] = [
            {"where": f'created_at = "{shown.isoformat()}"'},
            {"since": since, "until": since + HOUR, "by": "created"},
            {"sort": "created_at" if shown is FIRST else "-created_at", "limit": 1},
        ]
        for each in asked:
            assert list(inb.frame(store, **each)["workflow_id"]) == ["w-07"], each


def test_states_need_not_be_text_that_can_be_written() -> None:
    odd = inb.HistoryEvent(id=1, type="activity_started", activity_name="\ud800", error="\ud800")
    state = WorkflowState(workflow_id="w-1", history=(odd,))
    assert list(inb.history_frame(state)["error"]) == ["\ud800"]
    assert list(inb.activity_frame(state)["activity"]) == ["\ud800"]


def test_a_search_ends_while_others_write(tmp_path: Path) -> None:
    """Whenever heads are kept, as many workflows have changed as are worth keeping more."""
    kept = []
    with SqliteStore(tmp_path / "s.db") as store:
        write = store._table._commits.now

        def write_more(works: Any) -> Any:
            kept.append(works)
            outcomes = write(works)
            write([write_of(WorkflowState(workflow_id=f"{len(kept)}-{n}")) for n in range(60)])
            return outcomes

        for number in range(60):
            store.save(WorkflowState(workflow_id=f"0-{number}"))
        store._table._commits.now = write_more  # type: ignore[method-assign]
        assert len(inb.frame(store)) == 120
    assert len(kept) == 1


def test_only_what_is_asked_for_travels(state_server: StateServer) -> None:
    received = 0

    def count(response: httpx.Response) -> None:
        nonlocal received
        received += len(response.read())

    with httpx.Client(event_hooks={"response": [count]}) as client:
        with InngestStore(state_server.url, client=client) as store:
            for number in range(60):
                store.save(
                    WorkflowState(workflow_id=f"w-{number}", input={"n": number, "x": "y" * 5_000})
                )
            received = 0
            rows = inb.frame(store, where="input.n = 7", fields=["input.n"])
            assert list(rows["input.n"]) == [7]
            assert received < 3_000
            assert len(inb.frame(store)) == 60
            assert received < 60 * 500


def test_a_file_that_cannot_be_written_to_is_searched_too(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with SqliteStore(path) as store:
        for state in states():
            store.save(state)
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM heads").fetchone() == (0,)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.chmod(0o400)
    with SqliteStore(path) as store:
        rows = inb.frame(store, status="failed", fields=["input.total"])
    assert set(rows["status"]) == {"failed"}
    assert len(rows) == sum(state.status == "failed" for state in states())
