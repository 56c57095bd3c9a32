"""`RunStore`: what the runs of the story are as states, and what cannot be done to them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from canned_server import Answer, Seen
from inngest_replay import SIGNING_KEY
from story_records import story
from story_server import StoryServer

from inngest_nb import (
    AppendingStore,
    AsyncInngestAPI,
    InngestAPI,
    RunStore,
    WorkflowState,
    WorkflowStore,
)
from inngest_nb.errors import (
    InngestAuthError,
    InngestConnectionError,
    InngestError,
    ReadOnlyStoreError,
)
from inngest_nb.store import HeadStore, Write, unreadable_in


@pytest.fixture
def runs(inngest: StoryServer) -> Iterator[RunStore]:
    with InngestAPI(inngest.url) as api:
        yield RunStore(api)


def test_it_is_a_store_that_lists_and_does_not_append(runs: RunStore) -> None:
    assert isinstance(runs, WorkflowStore)
    assert isinstance(runs, HeadStore)
    assert isinstance(runs, AppendingStore)
    assert not runs.can_append()


def test_what_would_write_says_what_to_do_instead(runs: RunStore, names: Any) -> None:
    state = runs.load(names["order1"])
    assert state is not None
    refused = [
        (lambda: runs.save(state), "api.rerun(run_id)"),
        (lambda: runs.save(state, force=True), "api.rerun(run_id)"),
        (lambda: runs.delete(state.workflow_id), "api.cancel(run_id)"),
        (lambda: runs.append_history([Write(state.workflow_id, b"{}", True)]), "api.send(name"),
    ]
    for write, instead in refused:
        with pytest.raises(ReadOnlyStoreError, match="can only be read") as refusal:
            write()
        assert instead in refusal.value.__notes__[0]
        assert refusal.value.workflow_id == state.workflow_id
        assert refusal.value.target == runs.api.base_url
    assert runs.load(state.workflow_id) == state


def test_a_loaded_run_has_all_its_digits(runs: RunStore, names: Any) -> None:
    fetched = {state.workflow_id: state for state in runs.fetch()}
    assert len(fetched) == 47
    apart = []
    for row in story().rows:
        loaded = runs.load(row.id)
        if loaded != fetched[row.id]:
            apart.append(row.id)
        assert loaded is not None
        assert loaded.result == (runs.api.run(row.id).output)
    # v2 alone cannot tell what these two returned.
    assert sorted(apart) == sorted([names["out_bigint"], names["out_dict-data"]])


def test_a_batch_has_all_its_events_as_input(runs: RunStore, names: Any) -> None:
    batch, alone = runs.load(names["batch2"]), runs.load(names["order1"])
    assert batch is not None
    assert alone is not None
    assert [event["data"]["i"] for event in batch.input] == [0, 1, 2]
    assert alone.input["name"] == "lab/order.placed"
    assert batch.history[0].input == batch.input
    assert batch.history[0].workflow == "nb-lab-batcher"


def test_heads_read_no_traces(runs: RunStore, inngest: StoryServer) -> None:
    asked = len(inngest.seen)
    assert len(runs.heads()) == 47
    assert len(runs.heads("failed", 2)) == 2
    assert not [seen for seen in inngest.seen[asked:] if "trace" in seen.target]


def test_the_newest_of_10_000_cost_no_more_than_the_newest_of_few() -> None:
    with StoryServer(runs=10_000) as many, InngestAPI(many.url) as api:
        runs = RunStore(api)
        newest = runs.newest(26)
        assert len([seen for seen in many.seen if "/runs" in seen.target]) == 1
        assert many.seconds < 0.15  # a list of everything would take 0.24
        assert [each.workflow_id for each in newest] == [
            each.workflow_id for each in runs.heads(limit=26)
        ]
        assert len(newest) == 26


def test_pages_are_all_runs_once_and_newest_news_all_that_changed(
    runs: RunStore, names: Any
) -> None:
    paged = [state for page in runs.pages() for state in page]
    assert sorted(state.workflow_id for state in paged) == sorted(row.id for row in story().rows)
    last = runs.newest(1)[0]
    assert last.workflow_id == names["fail_default"]
    assert last.updated_at is not None
    assert [state.workflow_id for state in runs.changed_since(last.updated_at)] == [
        last.workflow_id
    ]


class Troubled(StoryServer):
    """A server that has the story, and trouble with what a function finds an answer for."""

    def __init__(self, trouble: Callable[[Seen], Answer | None], **settings: Any) -> None:
        self._trouble = trouble
        super().__init__(**settings)

    def _answer(self, seen: Seen) -> Answer:
        return self._trouble(seen) or super()._answer(seen)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, (), b'{"errors":[{"code":"internal","message":"lost"}]}'),
        Answer(404, (), b'{"errors":[{"code":"not_found","message":"Trace not found"}]}'),
        Answer(200, (), b"{"),
    ],
)
def test_a_run_whose_trace_cannot_be_read_is_left_out_and_named(names: Any, answer: Answer) -> None:
    run_id = names["order1"]

    def trouble(seen: Seen) -> Answer | None:
        return answer if f"{run_id}/trace" in seen.target else None

    with Troubled(trouble) as server, InngestAPI(server.url) as api:
        fetched = RunStore(api).fetch()
        assert len(fetched) == 46
        assert [*unreadable_in(fetched)] == [run_id]


def test_a_key_that_is_refused_for_traces_leaves_out_nobody() -> None:
    refusal = Answer(401, (("content-type", "text/plain"),), b"Authentication failed")
    with Troubled(lambda seen: refusal if "/trace" in seen.target else None) as server:
        with InngestAPI(server.url) as api, pytest.raises(InngestAuthError):
            RunStore(api).fetch()


class OfAnyCase(StoryServer):
    """A server that takes ids in lower case for those in upper case."""

    def _answer(self, seen: Seen) -> Answer:
        return super()._answer(replace(seen, target=re.sub("/01[^/?]+", upper, seen.target)))


def upper(found: re.Match[str]) -> str:
    return found[0].upper()


def test_each_run_has_one_id(names: Any) -> None:
    with OfAnyCase() as server, InngestAPI(server.url) as api:
        assert api.run(names["order1"].lower()).run_id == names["order1"]
        assert RunStore(api).load(names["order1"].lower()) is None
        assert RunStore(api).load(names["order1"]) is not None


def test_what_was_read_before_the_server_went_is_kept(names: Any) -> None:
    newest, others = names["fail_default"], threading.Semaphore(0)

    def gone(seen: Seen) -> bool:
        if f"{newest}/trace" not in seen.target:
            if "/trace" in seen.target:
                others.release()
            return False
        for _ in range(10):  # the trace that was asked for first is the last to be waited for
            assert others.acquire(timeout=60)
        return True

    with StoryServer(lose=gone) as server, InngestAPI(server.url) as api:
        with pytest.raises(InngestConnectionError) as failure:
            RunStore(api).fetch()
        partial: Any = failure.value.partial
        assert 10 <= len(partial) < 47
        assert all(isinstance(state, WorkflowState) for state in partial)
        assert newest not in {state.workflow_id for state in partial}


def test_a_refused_key_is_said_and_never_shown(names: Any) -> None:
    key = "signkey-test-" + "ab" * 20
    with StoryServer("cloud") as server:
        with InngestAPI(server.url, signing_key=key) as api:
            runs = RunStore(api)
            for read in (runs.fetch, runs.heads, lambda: runs.load(names["order1"])):
                with pytest.raises(InngestAuthError) as refused:
                    read()
                assert key not in str(refused.value) + str(refused.value.__notes__) + repr(runs)
        with InngestAPI(server.url, signing_key=SIGNING_KEY) as api:
            assert len(RunStore(api).fetch(limit=3)) == 3


def test_it_has_an_api_of_its_own_or_leaves_open_what_it_was_given(
    inngest: StoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_API_BASE_URL", inngest.url)
    with RunStore() as own:
        assert len(own.heads(limit=2)) == 2
    own.close()
    with pytest.raises(InngestError, match="closed"):
        own.heads()
    with InngestAPI(inngest.url) as api:
        RunStore(api).close()
        assert api.apps()
        assert repr(RunStore(api)) == f"RunStore({inngest.url!r})"


def test_only_the_api_that_waits_will_do() -> None:
    for odd in (AsyncInngestAPI("http://127.0.0.1:1"), "http://127.0.0.1:8288", InngestAPI):
        with pytest.raises(TypeError, match="api must be an InngestAPI"):
            RunStore(odd)  # type: ignore[arg-type]
