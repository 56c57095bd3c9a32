"""`compare_periods`: what fails more, what takes longer, and how sure one can be of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from insight_frames import run, runs
from story_records import Row, copy_of, row_of, story
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI

DURATION = "timedelta64[us]"
COLUMNS = {
    "app": "str",
    "function": "str",
    "failures": "category",
    "durations": "category",
    "runs_before": "Int64",
    "runs_after": "Int64",
    "failure_rate_before": "float64",
    "failure_rate_after": "float64",
    "failure_rate_change": "float64",
    "failure_rate_low": "float64",
    "failure_rate_high": "float64",
    "p50_before": DURATION,
    "p50_after": DURATION,
    "p50_change": DURATION,
    "p50_low": DURATION,
    "p50_high": DURATION,
    "p95_before": DURATION,
    "p95_after": DURATION,
    "p95_change": DURATION,
}
VERDICTS = ["worse", "better", "no clear change", "too few runs"]


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def period(name: str, failed: int, completed: int, *took: float, **more: Any) -> pd.DataFrame:
    """So many runs, of which the completed ones took these seconds, again and again."""
    times = took or (1.0,)
    return runs(
        *(run(f"{name}-f{n}", "failed", **more) for n in range(failed)),
        *(run(f"{name}-c{n}", ended=times[n % len(times)], **more) for n in range(completed)),
    )


def verdicts(before: pd.DataFrame, after: pd.DataFrame, **more: Any) -> tuple[str, str]:
    (row,) = inb.compare_periods(before=before, after=after, **more).itertuples()
    return row.failures, row.durations


# What is compared


def test_rates_have_newcombes_interval() -> None:
    (row,) = inb.compare_periods(
        before=period("old", 48, 32), after=period("new", 56, 14)
    ).itertuples()
    assert (row.app, row.function, row.runs_before, row.runs_after) == ("shop", "pay", 80, 70)
    assert (row.failure_rate_before, row.failure_rate_after) == (0.6, 0.8)
    assert row.failure_rate_change == pytest.approx(0.2)
    # 56 of 70 against 48 of 80 are the first example of the paper.
    assert (row.failure_rate_low, row.failure_rate_high) == pytest.approx(
        (0.0524, 0.3339), abs=5e-5
    )
    assert row.failures == "worse"


def test_medians_have_an_interval_without_a_distribution_and_p95_none() -> None:
    old = (36, 44, 47, 42, 49, 39, 46, 31, 33, 48)
    new = (32, 39, 26, 35, 43, 27, 40, 37, 34, 29)
    (row,) = inb.compare_periods(
        before=period("old", 3, 10, *old), after=period("new", 0, 10, *new)
    ).itertuples()
    assert (row.p50_before, row.p50_after) == (timedelta(seconds=43), timedelta(seconds=34.5))
    told = [span.total_seconds() for span in (row.p50_change, row.p50_low, row.p50_high)]
    assert told == pytest.approx([-8.5, -16.95977, -0.04022524], abs=2e-5)
    assert row.durations == "better"
    assert row.p95_before == timedelta(seconds=48.55)
    assert row.p95_change == row.p95_after - row.p95_before


def test_what_has_not_ended_or_was_canceled_is_neither() -> None:
    others = runs(
        run("x", "running", ended=None), run("y", "queued"), run("z", "canceled", ended=99)
    )
    before, after = period("old", 2, 18), period("new", 2, 18)
    found = inb.compare_periods(
        before=pd.concat([before, others]), after=pd.concat([after, others])
    )
    pd.testing.assert_frame_equal(found, inb.compare_periods(before=before, after=after))


def test_a_run_that_is_in_both_counts_in_the_later_one() -> None:
    before = period("old", 0, 30)
    found = inb.compare_periods(before=before, after=before[:10])
    assert found[["runs_before", "runs_after"]].to_numpy().tolist() == [[20, 10]]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0, 100), (20, 80), "worse"),
        ((20, 80), (0, 100), "better"),
        ((5, 95), (6, 94), "no clear change"),
        ((0, 100), (0, 19), "too few runs"),
        ((0, 100), (0, 20), "no clear change"),
        ((0, 100), (5, 0), "worse"),
        ((0, 100), (4, 0), "too few runs"),
        ((0, 0), (5, 5), "too few runs"),
    ],
)
def test_a_verdict_needs_a_clear_change_or_enough_runs(
    before: tuple[int, int], after: tuple[int, int], expected: str
) -> None:
    assert verdicts(period("old", *before), period("new", *after))[0] == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((1, 2, 3), (4, 5, 6), "worse"),
        ((4, 5, 6), (1, 2, 3), "better"),
        ((1, 2, 3), (1, 2, 3.1), "no clear change"),
    ],
)
def test_longer_is_worse(before: Any, after: Any, expected: str) -> None:
    assert verdicts(period("old", 0, 30, *before), period("new", 0, 30, *after))[1] == expected


def test_confidence_decides_what_is_clear() -> None:
    before, after = period("old", 10, 90), period("new", 19, 81)
    assert verdicts(before, after)[0] == "no clear change"
    assert verdicts(before, after, confidence=0.8)[0] == "worse"


def test_what_fails_more_comes_first_and_functions_of_one_period_are_there() -> None:
    before = [period("a", 0, 90, function="same"), period("b", 0, 90, function="breaks")]
    after = [period("c", 0, 90, function="same"), period("d", 90, 0, function="breaks")]
    alone = period("e", 0, 90, function="new")
    found = inb.compare_periods(before=pd.concat(before), after=pd.concat([*after, alone]))
    assert found["function"].tolist() == ["breaks", "same", "new"]
    new = found.iloc[2]
    assert (new["failures"], new["runs_before"], new["runs_after"]) == ("too few runs", 0, 90)
    assert new[["failure_rate_before", "failure_rate_change", "p50_before"]].isna().all()
    assert new["failure_rate_after"] == 0


def test_no_runs_have_the_same_columns() -> None:
    none = inb.compare_periods(before=runs(), after=runs())
    some = inb.compare_periods(before=period("old", 1, 1), after=period("new", 1, 1))
    assert (len(none), dtypes(none)) == (0, COLUMNS)
    assert (len(some), dtypes(some)) == (1, COLUMNS)
    assert some["failures"].cat.categories.tolist() == VERDICTS


def test_frames_from_files_are_compared_too(tmp_path: Path) -> None:
    frames = {"before": period("old", 5, 30, 1, 2, 3), "after": period("new", 9, 30, 2, 3)}
    again = {}
    for name, frame in frames.items():
        frame.to_csv(tmp_path / name, index=False)
        again[name] = pd.read_csv(tmp_path / name)
    pd.testing.assert_frame_equal(inb.compare_periods(**again), inb.compare_periods(**frames))


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_only_text(text: str) -> None:
    named = period("a", 1, 1, app=text, function=text)
    found = inb.compare_periods(before=runs(), after=named, app=text, function=text)
    assert found.loc[0, ["app", "function"]].tolist() == [text, text]


# Reading them from a server

NOW = datetime.fromisoformat(story().rows[0].record.item["startedAt"]) + timedelta(minutes=1)
CHANGED = NOW - timedelta(minutes=10)
BEGAN = NOW - timedelta(minutes=30)


def failing(row: Row) -> Row:
    """The same run, failed as `hard-fail` did."""
    failed = next(each for each in story().rows if each.id == story().names["hardfail"]).record.item
    item = row.record.item | {"status": "FAILED", "output": failed["output"]}
    return copy_of(row_of(replace(row.record, item=item)), row.shift_ms)


@pytest.fixture(scope="module")
def busy() -> Iterator[StoryServer]:
    """The story again and again for half an hour; in the last ten minutes `outputs` fails."""
    with StoryServer(runs=2_500) as server:
        for row in [*server.state.runs.rows.values()]:
            name = row.record.item["function"]["id"]
            if name == "outputs" and row.start_ns >= CHANGED.timestamp() * 1e9:
                server.state.runs.put(failing(row))
        yield server


def test_the_function_that_began_to_fail_is_found(busy: StoryServer) -> None:
    with InngestAPI(busy.url) as api:
        found = inb.compare_periods(api, before=(BEGAN, CHANGED), after=CHANGED)
    worse = found[found["failures"] == "worse"]
    assert worse["function"].tolist() == ["outputs"]
    assert worse[["failure_rate_before", "failure_rate_after"]].to_numpy().tolist() == [[0, 1]]
    told = found.set_index("function").loc["order-pipeline"]
    assert (told["failures"], told["durations"]) == ("no clear change", "no clear change")
    assert found.attrs["filter"] == {
        "before": [BEGAN.isoformat(), CHANGED.isoformat()],
        "after": [CHANGED.isoformat(), None],
        "app": None,
        "function": None,
        "confidence": 0.95,
    }
    assert (found.attrs["truncated"], found.attrs["truncated_because"]) == (False, None)
    assert datetime.fromisoformat(found.attrs["fetched_at"]).tzinfo is UTC


def test_each_run_is_in_one_period(busy: StoryServer) -> None:
    with InngestAPI(busy.url) as api:
        found = inb.compare_periods(api, before=(BEGAN, CHANGED), after=CHANGED, function="outputs")
        rows = inb.search_runs(api, since=BEGAN, function="outputs")
    assert found["function"].tolist() == ["outputs"]
    assert found[["runs_before", "runs_after"]].sum(axis=None) == len(rows)


def test_a_frame_is_narrowed_by_what_narrows_a_search(busy: StoryServer) -> None:
    with InngestAPI(busy.url) as api:
        rows = inb.search_runs(api, since=BEGAN)
        for function in ("outputs", "nb-lab-outputs"):
            found = inb.compare_periods(api, before=rows, after=CHANGED, function=function)
            assert found["function"].tolist() == ["outputs"]
            assert found["runs_before"].item() > 0
        asked = len(busy.seen)
        with pytest.raises(ValueError, match="must have the column app to be narrowed by"):
            inb.compare_periods(api, before=rows.drop(columns="app"), after=CHANGED, app="nb-lab")
        assert len(busy.seen) == asked


def test_periods_that_are_so_long_ago_meet_at_one_moment(busy: StoryServer) -> None:
    asked = len(busy.seen)
    with InngestAPI(busy.url) as api:
        inb.compare_periods(api, before=("2d", "1h"), after="1h", app="nb-lab")
    queries = [parse_qs(urlsplit(seen.target).query) for seen in busy.seen[asked:]]
    lists = [query for query in queries if "from" in query or "until" in query]
    ends = {query["until"][0] for query in lists if "until" in query}
    starts = {query["from"][0] for query in lists if "until" not in query}
    assert starts
    assert starts <= ends


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"before": "7d"}, "before must have ended when after begins, for example before="),
        ({"before": ("7d", "1h"), "after": "1d"}, "before must have ended when after begins"),
        ({"before": ("7d", "1d"), "after": (None, "1h")}, "before must have ended"),
        ({"before": ("1d", "7d")}, r"before must begin before it ends, .* before=\('7d', '1d'\)"),
        ({"before": ("7d", "1d", "1h")}, "before must be .*got 3 ends"),
        ({"after": "yesterday-ish"}, "after must be how long ago, such as .*got 'yesterday-ish'"),
        ({"after": 7}, "after must be .*got int"),
        ({"after": None}, "before must have ended"),
        ({"confidence": 95}, "confidence must be between 0 and 1, such as 0.95, got 95"),
        ({"confidence": "high"}, "confidence must be between 0 and 1"),
        ({"app": ""}, "app must be a name such as 'shop'"),
    ],
)
def test_periods_that_make_no_sense_are_refused_before_anything_is_asked(
    api: InngestAPI, inngest: StoryServer, given: dict[str, Any], message: str
) -> None:
    asked = len(inngest.seen)
    with pytest.raises(ValueError, match=message):
        inb.compare_periods(api, **given)
    assert len(inngest.seen) == asked
