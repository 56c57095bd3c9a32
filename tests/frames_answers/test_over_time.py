"""`df.wf.over_time()`: what began, ended, failed and was in flight in each span of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answer_frames import called, dtypes, ran, read_at
from frame_states import NOON, after, history, state
from hypothesis import given, settings
from hypothesis import strategies as st
from insight_frames import MONDAY, run, runs

import inngest_nb as inb

HOUR = 3600
TYPES = {
    "started": "Int64",
    "ended": "Int64",
    "failed": "Int64",
    "failure_share": "float64",
    "in_flight": "Int64",
    "p50": "timedelta64[us]",
    "p90": "timedelta64[us]",
}
MANY = [
    ran("order-1", 0, 60),
    ran("order-2", 10, HOUR, "failed"),
    ran("order-3", 20, 2 * HOUR - 20),  # it ends as the third hour begins
    ran("import-1", 0, 5 * HOUR, "failed"),
    ran("import-2", 0, 60, "running"),
    ran("import-3", HOUR, None, "canceled"),  # nobody knows when it ended
]


def frame() -> pd.DataFrame:
    return read_at(inb.frame(MANY), after(6 * HOUR + 60))


def counts(found: pd.DataFrame) -> list[list[int]]:
    return found[["started", "ended", "failed", "in_flight"]].to_numpy().tolist()


def test_each_span_tells_what_began_and_ended_in_it_and_what_is_in_flight() -> None:
    found = frame().wf.over_time("1h")
    assert list(found.index) == [NOON + timedelta(hours=hour) for hour in range(7)]
    assert counts(found) == [
        [5, 1, 0, 4],
        [1, 1, 1, 3],
        [0, 1, 0, 2],
        [0, 0, 0, 2],
        [0, 0, 0, 2],
        [0, 1, 1, 1],
        [0, 0, 0, 1],
    ]
    assert found["failure_share"].fillna(-1).tolist() == [0, 1, 0, -1, -1, 1, -1]
    assert dtypes(found) == TYPES
    assert (found.index.name, str(found.index.dtype)) == ("start", "datetime64[us, UTC]")


def test_percentiles_are_of_what_ended_in_the_span() -> None:
    states = [ran(f"order-{n}", n, n) for n in range(1, 11)]
    found = inb.frame(states).wf.over_time("1h")
    assert found["p50"].tolist() == [timedelta(seconds=5.5)]
    assert found["p90"].tolist() == [timedelta(seconds=9.1)]
    assert frame().wf.over_time("1h")["p50"].isna().tolist() == [False] * 3 + [True] * 2 + [
        False,
        True,
    ]


def test_each_group_has_a_row_in_every_span_the_largest_first() -> None:
    rows = pd.concat([frame(), frame()[:1]], ignore_index=True)
    found = rows.wf.over_time("3h", by="workflow")
    assert found.index.names == ["start", "workflow"]
    assert [name for _, name in found.index] == ["order", "import"] * 3
    assert counts(found.xs("order", level="workflow")) == [[4, 4, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert counts(found.xs("import", level="workflow")) == [
        [3, 0, 0, 2],
        [0, 1, 1, 1],
        [0, 0, 0, 1],
    ]
    assert dtypes(found) == TYPES
    both = rows.wf.over_time("3h", by=["workflow", "status"])
    assert both.index.names == ["start", "workflow", "status"]
    assert len(both) == 3 * 5


def test_all_groups_together_are_what_there_is_without_groups() -> None:
    rows = inb.frame(inb.samples.states(300, seed=3, now=NOON))
    together = rows.wf.over_time("6h").drop(columns=["failure_share", "p50", "p90"])
    by = rows.wf.over_time("6h", by="workflow").groupby("start")[list(together.columns)].sum()
    pd.testing.assert_frame_equal(by, together, check_frame_type=False, check_freq=False)


def test_what_is_missing_is_a_group_of_its_own() -> None:
    found = frame().wf.over_time("12h", by="error")
    assert found.index.get_level_values("error").isna().tolist() == [True]


def test_activities_and_runs_are_told_by_their_own_ends() -> None:
    states = [called("order-1", ("charge", 0, 30), ("ship", HOUR, 30, "failed", 2))]
    activities = inb.activity_frame(states).wf.over_time("1h", by="activity")
    assert activities["ended"].tolist() == [1, 0, 0, 1]
    assert activities["failed"].tolist() == [0, 0, 0, 1]
    # A run is measured from its first attempt, and may have waited long before it.
    waited = runs(run("a", queued=0, ended=5 * HOUR, duration=timedelta(seconds=1)))
    found = waited.wf.over_time("1h")
    assert found["in_flight"].tolist() == [1, 1, 1, 1, 1, 0]
    assert found.index[0] == MONDAY
    with pytest.raises(AttributeError, match=r"over_time\(\) needs frame"):
        inb.history_frame(states).wf.over_time()


def test_weeks_begin_on_mondays_and_times_of_another_zone_are_counted_in_utc() -> None:
    weeks = frame().wf.over_time("1w")
    assert list(weeks.index) == [datetime(2025, 7, 14, tzinfo=UTC)]
    abroad = frame()
    abroad["created_at"] = abroad["created_at"].dt.tz_convert("Asia/Kathmandu")
    pd.testing.assert_frame_equal(abroad.wf.over_time(), frame().wf.over_time())


def test_a_clock_that_went_back_leaves_nothing_in_flight() -> None:
    rows = runs(run("a", queued=2 * HOUR, ended=0), run("b", queued=0, ended=2 * HOUR))
    assert rows.wf.over_time("1h")["in_flight"].tolist() == [1, 1, 0]


def test_a_frame_without_ends_tells_them_by_its_durations() -> None:
    without = frame().drop(columns="ended_at")
    pd.testing.assert_frame_equal(without.wf.over_time(), frame().wf.over_time())


def test_an_end_counts_also_where_nobody_knows_the_begin() -> None:
    ended = history(("workflow_failed", "", HOUR))
    rows = inb.frame([ran("order-1", 0, 60), state("order-2", "failed", history=ended)])
    assert counts(rows.wf.over_time("1h")) == [[1, 1, 0, 0], [0, 1, 1, 0]]


@pytest.mark.parametrize("every", ["soon", "", 0, -1, timedelta(), None])
def test_what_is_no_span_is_refused_with_an_example(every: Any) -> None:
    with pytest.raises(ValueError, match="every must be .* such as '"):
        frame().wf.over_time(every)


def test_more_rows_than_anybody_reads_are_refused() -> None:
    far = pd.concat([frame(), inb.frame([ran("old-1", -400 * 24 * HOUR)])])
    assert len(far.wf.over_time("10min")) > 50_000
    with pytest.raises(ValueError, match="2024-06-09 to 2025-07-14 .* for each of 3 groups"):
        far.wf.over_time("10min", by="workflow")


MOMENTS = st.integers(0, 12 * HOUR) | st.none()
STATUSES = st.sampled_from(["completed", "failed", "canceled", "running", "queued", "odd"])
DRAWN = st.lists(st.tuples(st.sampled_from("ab"), MOMENTS, MOMENTS, STATUSES), max_size=12)


@settings(max_examples=50)
@given(DRAWN, st.sampled_from([HOUR, 5 * HOUR, 25 * 60]))
def test_it_is_what_a_loop_over_spans_and_rows_finds(drawn: list[Any], every: int) -> None:
    states = [
        ran(f"{name}-{place}", began, took, status)
        for place, (name, began, took, status) in enumerate(drawn)
    ]
    rows = inb.frame(states)
    is_open = rows["status"].isin(["running", "queued"])
    so_far = after(24 * HOUR) - rows["created_at"]
    rows["duration"] = rows["duration"].where(~is_open, so_far)  # as if it had been read then
    found = rows.wf.over_time(every, by="workflow")
    known = rows[rows["created_at"].notna()]
    if known.empty:
        assert found.empty
        return
    last = (known["created_at"] + known["duration"].fillna(timedelta())).max()
    starts = found.index.get_level_values("start").unique()
    assert starts[0] <= known["created_at"].min()
    assert starts[-1] <= last < starts[-1] + timedelta(seconds=every)
    for (start, name), told in found.iterrows():
        end = start + timedelta(seconds=every)
        began, took, in_flight, words = 0, [], 0, []
        for row in rows[rows["workflow"] == name].itertuples():
            is_open = row.status in ("running", "queued")
            ended = None if is_open else row.created_at + row.duration
            began += start <= row.created_at < end
            if ended is not None and start <= ended < end:
                took.append(row.duration.total_seconds())
                words.append(row.status)
            is_known = is_open or not pd.isna(ended)
            in_flight += is_known and row.created_at < end and (ended is None or ended >= end)
        failed, results = words.count("failed"), words.count("failed") + words.count("completed")
        assert [told["started"], told["ended"], told["failed"]] == [began, len(words), failed]
        assert told["in_flight"] == in_flight
        assert told["failure_share"] == pytest.approx(
            failed / results if results else np.nan, nan_ok=True
        )
        for column, part in (("p50", 0.5), ("p90", 0.9)):
            if took:
                assert told[column].total_seconds() == pytest.approx(
                    np.quantile(took, part), abs=2e-6
                )
            else:
                assert pd.isna(told[column])
