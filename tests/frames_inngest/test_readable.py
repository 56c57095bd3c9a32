"""`df.wf` on runs and steps: its table plays no tricks, and its answers are about runs."""

from __future__ import annotations

import json
import re
from datetime import datetime

import pandas as pd
import pytest
from canned_server import Answer, CannedServer, Seen
from hostile_strings import HOSTILE_STRINGS

import inngest_nb as inb
from inngest_nb import InngestAPI

TAGS = {"style", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_escaped_in_the_table_and_kept_in_the_frame(text: str) -> None:
    run_id = "01M82BBSDM2RWR71WM2EZVHP9E"
    run = {
        "id": run_id,
        "app": {"id": text},
        "function": {"id": text},
        "status": text or "FAILED",
        "startedAt": "2026-11-22T19:22:39.5Z",
        "endedAt": "2026-11-22T19:22:40Z",
        "trigger": {"cronSchedule": text},
        "output": {"error": {"name": text, "message": text}},
    }
    step = {
        "name": text,
        "stepId": "a",
        "stepOp": text,
        "status": "FAILED",
        "output": {"message": text},
    }

    def answer(seen: Seen) -> Answer:
        trace = {"data": {"rootSpan": {"children": [step]}}}
        said = trace if seen.target.partition("?")[0].endswith("/trace") else {"data": [run]}
        headers = ("content-type", "application/json"), ("x-inngest-server-kind", "dev")
        return Answer(200, headers, json.dumps(said).encode())

    with CannedServer(answer) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.search_runs(api, outputs=True)
        steps = inb.trace_frame(run_id, api)
    assert list(rows["function"].fillna("")) == [text]
    assert list(steps["step"].fillna("")) == [text]
    for shown in (rows.wf._repr_html_(), steps.wf._repr_html_()):
        assert set(re.findall(r"<\s*(\w+)", shown)) <= TAGS
    assert len(repr(rows.wf).splitlines()) <= 8


def test_runs_answer_questions(api: InngestAPI, names: dict[str, str]) -> None:
    rows = inb.search_runs(api, since=None, outputs=True)
    assert list(rows.wf.running()["status"]) == ["running"] * 3
    errors = rows.wf.errors()
    assert errors["count"].sum() == len(rows.wf.failed()) == 3
    assert names["fail_default"] in set(errors["example"])
    assert rows.wf.summary()["count"].to_dict() == {
        "running": 3,
        "completed": 35,
        "failed": 3,
        "canceled": 4,
        "queued": 2,
    }


def test_steps_answer_questions(api: InngestAPI, names: dict[str, str]) -> None:
    steps = inb.trace_frame([names["order1"], names["fail_default"]], api)
    assert list(steps.wf.failed()["step"]) == ["Finalization", "bad-step"]
    assert steps.wf.durations()["count"]["charge"] == 1
    assert steps.wf.errors()["count"].sum() == 2


def test_a_frame_of_workflows_is_still_one(api: InngestAPI) -> None:
    store = inb.MemoryStore()
    inb.samples.fill(store, 5)
    assert "5 workflows, as of" in repr(inb.frame(store).wf)
    assert isinstance(inb.frame(store), pd.DataFrame)
    assert datetime.fromisoformat(inb.search_runs(api).attrs["fetched_at"]).tzinfo is not None
