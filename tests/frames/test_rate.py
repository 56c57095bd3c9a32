"""`df.wf.rate()`: how many runs began in each span of time, and how many of them failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from frame_states import NOON, state
from insight_frames import MONDAY, run, runs

import inngest_nb as inb

HOUR = 3600
NAMES = ("runs", "completed", "failed", "canceled", "unfinished", "unknown")
COUNTS = dict.fromkeys(NAMES, "Int64")
RATES = COUNTS | {"failure_rate": "float64"}
MANY = [
    run("a", "completed", queued=0),
    run("b", "failed", queued=HOUR - 1),
    run("c", "canceled", queued=10),
    run("d", "running", queued=20),
    run("e", "queued", queued=3 * HOUR),
    run("f", "failed", queued=3 * HOUR + 1),
]


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def test_each_span_counts_the_runs_that_began_in_it_also_where_there_are_none() -> None:
    rates = runs(*reversed(MANY)).wf.rate("1h")
    assert list(rates.index) == [MONDAY + timedelta(hours=hour) for hour in range(4)]
    assert rates.drop(columns="failure_rate").to_numpy().tolist() == [
        [4, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [2, 0, 1, 0, 1, 0],
    ]
    assert dtypes(rates) == RATES
    assert (rates.index.name, str(rates.index.dtype)) == ("start", "datetime64[us, UTC]")


def test_what_has_not_ended_is_no_success() -> None:
    rates = runs(*MANY).wf.rate("1h")["failure_rate"]
    assert rates.fillna(-1).tolist() == [1 / 2, -1, -1, 1]


@pytest.mark.parametrize("every", ["15min", 900, timedelta(minutes=15), "900"])
def test_a_span_is_text_or_seconds_or_a_timedelta(every: Any) -> None:
    assert len(runs(*MANY).wf.rate(every)) == 13


def test_days_begin_at_midnight_in_utc_and_weeks_on_mondays() -> None:
    rows = runs(run("a", queued=-1), run("b", queued=8 * 24 * HOUR))
    assert list(rows.wf.rate("1d").index[:2]) == [MONDAY - timedelta(days=1), MONDAY]
    weeks = rows.wf.rate("1w")
    pd.testing.assert_frame_equal(weeks, rows.wf.rate("7d"))
    assert list(weeks.index) == [MONDAY + timedelta(days=7 * week) for week in (-1, 0, 1)]
    assert weeks["runs"].tolist() == [1, 0, 1]


def test_times_of_another_zone_are_counted_in_utc() -> None:
    rows = runs(*MANY)
    abroad = rows.assign(queued_at=rows["queued_at"].dt.tz_convert("Asia/Kathmandu"))
    pd.testing.assert_frame_equal(abroad.wf.rate(), rows.wf.rate())


def test_a_run_that_nobody_knows_the_beginning_of_is_left_out() -> None:
    rows = runs(*MANY)
    rows["queued_at"] = rows["queued_at"].where(rows["run_id"] != "b")
    assert rows.wf.rate("1h")["runs"].tolist() == [3, 0, 0, 2]


@pytest.mark.parametrize("word", ["paused", "waiting", "unfinished", ""])
def test_words_that_nobody_knows_are_neither_over_nor_unfinished(word: str) -> None:
    rates = runs(run("a", word), run("b", "failed")).wf.rate()
    assert rates.iloc[0].tolist() == [2, 0, 1, 0, 0, 1, 1.0]


def test_an_empty_frame_has_the_same_columns() -> None:
    none = runs().wf.rate("1h")
    assert (len(none), dtypes(none)) == (0, RATES)
    assert none.index.dtype == runs(*MANY).wf.rate("1h").index.dtype


def test_a_frame_from_a_file_gives_the_same(tmp_path: Path) -> None:
    runs(*MANY).to_csv(tmp_path / "runs", index=False)
    again = pd.read_csv(tmp_path / "runs")
    pd.testing.assert_frame_equal(again.wf.rate("1h"), runs(*MANY).wf.rate("1h"))


def test_workflows_have_a_rate_too() -> None:
    states = [state("a", "failed", created_at=NOON), state("b", "running", created_at=NOON)]
    rates = inb.frame(states).wf.rate("1h")
    assert (list(rates.index), rates["failure_rate"].tolist()) == ([NOON], [1])
    with pytest.raises(AttributeError, match=r"rate\(\) needs frame\(\) or search_runs"):
        inb.activity_frame(states).wf.rate("1h")


@pytest.mark.parametrize("every", ["soon", "", 0, -1, timedelta(), None])
def test_what_is_no_span_is_refused_with_an_example(every: Any) -> None:
    with pytest.raises(ValueError, match="every must be .* such as '"):
        runs(*MANY).wf.rate(every)


def test_more_spans_than_anybody_reads_are_refused() -> None:
    rows = runs(run("a"), run("b"))
    rows["queued_at"] = [MONDAY, datetime(2036, 1, 1, tzinfo=UTC)]
    with pytest.raises(
        ValueError, match="every must be longer, .*2026-11-23 to 2036-01-01 would be"
    ):
        rows.wf.rate("1s")


def test_a_column_that_was_left_out_is_named() -> None:
    with pytest.raises(AttributeError, match="left out: queued_at"):
        runs(*MANY).drop(columns="queued_at").wf.rate()
