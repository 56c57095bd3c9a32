"""`frame` and its kin over a `RunStore`: the same answers as `search_runs` and `trace_frame`."""

from __future__ import annotations

from typing import Any

import pytest
from story_records import story

import inngest_nb as inb
from inngest_nb import InngestAPI, RunStore


@pytest.fixture
def runs(api: InngestAPI) -> RunStore:
    return RunStore(api)


def test_all_47_runs_have_the_statuses_and_times_of_search_runs(
    api: InngestAPI, runs: RunStore
) -> None:
    searched = inb.search_runs(api, since=None, outputs=True).set_index("run_id")
    rows = inb.frame(runs, payloads=True).set_index("workflow_id").loc[searched.index]
    assert len(rows) == 47
    assert list(rows["status"].astype(str)) == list(searched["status"].astype(str))
    assert list(rows["run_id"]) == list(searched.index)
    assert (rows["created_at"] == searched["started_at"]).all()
    over = searched["ended_at"].notna()
    assert over.sum() == 42
    assert (rows["updated_at"] == searched["ended_at"])[over].all()
    assert (rows["duration"] == searched["duration"])[over].all()
    assert list(rows["error"].fillna("")) == list(searched["error"].fillna(""))
    assert list(rows["result"].astype(str)) == list(searched["output"].astype(str))


def test_attrs_and_narrowing_are_those_of_any_store(api: InngestAPI, runs: RunStore) -> None:
    rows = inb.frame(runs, status="failed", limit=2)
    assert (len(rows), rows.attrs["truncated"], rows.attrs["listed"]) == (2, True, True)
    assert rows.attrs["source"] == repr(runs)
    assert set(rows["status"]) == {"failed"}
    with pytest.warns(UserWarning, match="no workflow has the status"):
        assert inb.frame(runs, status="faild").empty


def test_activities_are_the_steps_of_trace_frame(api: InngestAPI, runs: RunStore) -> None:
    rows, steps = inb.activity_frame(runs), inb.trace_frame([r.id for r in story().rows], api)
    works = steps[~steps["kind"].isin(["sleep", "wait"])]
    assert len(rows) == len(works)
    key = ["run_id", "activity", "started_at", "ended_at", "attempts", "outcome"]
    named = works.assign(
        activity=works["step"].where(works["kind"] != "function"), outcome=works["status"]
    )
    functions = inb.history_frame(runs)
    assert set(functions["workflow_id"]) == {row.id for row in story().rows}
    # A function is called by its own name.
    own = rows["activity"].where(rows["activity"].isin(set(named["activity"].dropna())))
    told = rows.assign(activity=own, attempts=rows["attempt_count"])
    plain = [frame[key].astype(str).sort_values(key).to_numpy().tolist() for frame in (told, named)]
    assert plain[0] == plain[1]


@pytest.mark.parametrize("payloads", [False, True])
def test_histories_have_signals_timers_and_payloads(runs: RunStore, payloads: bool) -> None:
    rows: Any = inb.history_frame(runs, payloads=payloads)
    counts = rows["type"].value_counts()
    assert counts["workflow_started"] == 47
    assert counts["signal_received"] == 1
    assert set(rows.loc[rows["type"] == "signal_received", "signal"]) == {"wait-for-approval"}
    assert counts["workflow_canceled"] == 4
