"""Every answer of `df.wf`, whatever was made of its frame: joined, cut, emptied, read from a file."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answer_frames import called, dtypes, ran
from frame_states import state
from hostile_strings import HOSTILE_STRINGS

import inngest_nb as inb
from inngest_nb import samples

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
STATES = list(samples.states(150, seed=2, now=NOW))
FRAMES = {"workflows": inb.frame(STATES), "activities": inb.activity_frame(STATES)}
FRAMES["workflows"]["signal"] = FRAMES["workflows"]["signal"].where(
    FRAMES["workflows"]["status"] != "running", "approve"
)

Ask = Callable[[pd.DataFrame], pd.DataFrame]
ASKED: dict[str, tuple[str, Ask]] = {
    "summary": ("workflows", lambda rows: rows.wf.summary()),
    "summary by": ("workflows", lambda rows: rows.wf.summary(by="workflow")),
    "summary by two": ("workflows", lambda rows: rows.wf.summary(by=["workflow", "waiting_for"])),
    "errors": ("workflows", lambda rows: rows.wf.errors()),
    "errors by": ("workflows", lambda rows: rows.wf.errors(by=["workflow", "step"])),
    "over time": ("workflows", lambda rows: rows.wf.over_time("6h")),
    "over time by": ("workflows", lambda rows: rows.wf.over_time("1d", by="workflow")),
    "rate": ("workflows", lambda rows: rows.wf.rate("6h")),
    "stuck": ("workflows", lambda rows: rows.wf.stuck()),
    "late": ("workflows", lambda rows: rows.wf.late({"order": "2s", "import": "30s"})),
    "late for all": ("workflows", lambda rows: rows.wf.late("1min")),
    "slowest": ("workflows", lambda rows: rows.wf.slowest()),
    "retries": ("workflows", lambda rows: rows.wf.retries()),
    "summary of activities": ("activities", lambda rows: rows.wf.summary(by="activity")),
    "over time of activities": ("activities", lambda rows: rows.wf.over_time("1d", by="activity")),
    "funnel": ("activities", lambda rows: rows.wf.funnel("order")),
    "slowest activities": ("activities", lambda rows: rows.wf.slowest()),
    "retried activities": ("activities", lambda rows: rows.wf.retries()),
}
ROWS = {"late", "late for all", "slowest"}  # answers that are rows of the frame
answered = pytest.mark.parametrize(("kind", "ask"), ASKED.values(), ids=ASKED)
counted = pytest.mark.parametrize(
    ("kind", "ask"),
    [asked for name, asked in ASKED.items() if name not in ROWS],
    ids=[name for name in ASKED if name not in ROWS],
)


def same(one: pd.DataFrame, other: pd.DataFrame, **how: Any) -> None:
    pd.testing.assert_frame_equal(one, other, check_freq=False, **how)


@answered
def test_an_answer_is_a_frame_with_the_attrs_and_changes_nothing(kind: str, ask: Ask) -> None:
    rows = FRAMES[kind].copy()
    before, attrs = rows.copy(deep=True), copy.deepcopy(rows.attrs)
    found = ask(rows)
    assert len(found) > 0
    assert found.attrs == attrs
    found.attrs["filter"] = None
    found.iloc[:, 0] = found.iloc[0, 0]
    same(rows, before)
    assert rows.attrs == attrs


@answered
def test_an_empty_frame_gives_the_same_columns(kind: str, ask: Ask) -> None:
    full, empty = ask(FRAMES[kind]), FRAMES[kind][:0]
    made = {"workflows": inb.frame, "activities": inb.activity_frame}[kind]([])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no workflow has the name that is asked for
        for none in (ask(empty), ask(made), ask(made[~made["workflow"].isna()])):
            assert dtypes(none) == dtypes(full)
            assert none.index.names == full.index.names
            assert none.empty or none["count"].sum() == 0
            for level in range(full.index.nlevels):
                type_of = [frame.index.get_level_values(level).dtype for frame in (none, full)]
                assert type_of[0] == type_of[1]


@counted
def test_a_frame_of_parts_or_with_more_columns_answers_the_same(kind: str, ask: Ask) -> None:
    rows = FRAMES[kind]
    expected = ask(rows)
    ids = rows[["workflow_id"]].drop_duplicates().assign(region="eu")
    made = {
        "merge": rows.merge(ids, on="workflow_id"),
        "query": rows.query("workflow_id != 'nobody'"),
        "set_index": rows.set_index("workflow_id"),
        "two levels": rows.set_index(["workflow_id", "workflow"]),
        "concat": pd.concat([rows[:70].copy(), rows[70:].copy()]),
        "twice the same index": rows.set_axis(np.zeros(len(rows), int)),
    }
    for how, changed in made.items():
        changed.attrs.update(rows.attrs)
        try:
            same(ask(changed), expected)
        except AssertionError as error:
            raise AssertionError(how) from error


@counted
def test_a_frame_from_a_file_answers_the_same(kind: str, ask: Ask, tmp_path: Path) -> None:
    FRAMES[kind].to_csv(tmp_path / "rows", index=False)
    again = pd.read_csv(tmp_path / "rows")
    again.attrs.update(FRAMES[kind].attrs)
    same(ask(again), ask(FRAMES[kind]))


if find_spec("pyarrow"):  # which CI installs for one of the Pythons

    @pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
    @counted
    def test_arrow_columns_answer_the_same(
        kind: str, ask: Ask, backend: Any, tmp_path: Path
    ) -> None:
        FRAMES[kind].to_parquet(tmp_path / "rows")
        again = pd.read_parquet(tmp_path / "rows", dtype_backend=backend)
        found = ask(again)
        same(found, ask(FRAMES[kind]))
        found.to_parquet(tmp_path / "answer")
        same(pd.read_parquet(tmp_path / "answer"), found.copy())


@answered
def test_where_everything_is_missing_nothing_breaks(kind: str, ask: Ask) -> None:
    rows = FRAMES[kind]
    nothing = rows.assign(
        **{
            name: pd.array([pd.NA] * len(rows), dtype=rows[name].dtype)
            for name in rows.columns
            if name not in ("workflow_id", "run_id", "workflow")
        }
    )
    found = ask(nothing)
    assert dtypes(found) == dtypes(ask(rows))
    for name in {"failed", "retried", "completed", "started"} & set(found.columns):
        assert found[name].sum() == 0


@answered
def test_a_row_that_could_not_be_read_disturbs_no_answer(kind: str, ask: Ask) -> None:
    rows = FRAMES[kind]
    unread = rows[:1].assign(
        **{
            name: pd.array([pd.NA], dtype=rows[name].dtype)
            for name in rows.columns
            if name not in ("workflow_id", "error_reading")
        },
        workflow_id="broken-1",
        error_reading="no JSON",
    )
    joined = pd.concat([rows.astype({"status": rows["status"].dtype}), unread])
    joined.attrs.update(rows.attrs)
    found, expected = ask(joined), ask(rows)
    keys = [name for name in ("workflow", "activity") if name in found.columns]
    if keys and "count" in found.columns:
        found = found.dropna(subset=keys)
    elif "count" in found.columns and found.index.names[0] is not None:
        found = found[~found.index.to_frame().isna().all(axis=1)]
    found, expected = (
        answer.drop(columns="error_reading", errors="ignore") for answer in (found, expected)
    )
    shares = [name for name in ("share",) if name in found.columns]  # of all rows, so of one more
    assert found.drop(columns=shares).astype(object).fillna("-").to_numpy().tolist() == (
        expected.drop(columns=shares).astype(object).fillna("-").to_numpy().tolist()
    )


@counted
@pytest.mark.parametrize("text", [*HOSTILE_STRINGS[:4], "a.b[0]", ""])
def test_hostile_names_are_only_names(kind: str, ask: Ask, text: str) -> None:
    states = [
        called("order-1", (text or "x", 0, 1, "failed", 2), status="failed").replace(error=text)
    ]
    states += [state(text or "x", "running", error=text), ran("order-2")]
    made = {"workflows": inb.frame, "activities": inb.activity_frame}[kind](states)
    made["workflow"] = made["workflow"].where(made["workflow"] != "order", "order")
    found = ask(made)
    assert dtypes(found) == dtypes(ask(FRAMES[kind]))


@answered
def test_a_column_that_was_left_out_is_named(kind: str, ask: Ask) -> None:
    word = {"workflows": "status", "activities": "outcome"}[kind]
    with pytest.raises(AttributeError, match="this needs columns that were left out: |by names"):
        ask(FRAMES[kind][["workflow_id", word]])
