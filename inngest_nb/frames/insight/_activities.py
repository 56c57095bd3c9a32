"""What the activities of many runs tell: how far runs get, what is slow, what is retried."""

from __future__ import annotations

from collections import Counter
from heapq import heapify, heappop, heappush
from typing import Any

import pandas as pd

from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.insight._steps import spread
from inngest_nb.frames.insight._typed import (
    as_spans,
    as_utc,
    flat,
    grouped,
    ids_of,
    text_keys,
    warn_of_others,
)

_KEYS = ("workflow", "activity")


def slowest_activities(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return how long the activities took that completed or failed, the slowest first."""
    table = _table(rows, "outcome", "duration", *_KEYS)
    ended = table[table["outcome"].isin(columns.RESULT_WORDS).astype(bool)]
    ended = ended.assign(**text_keys(ended, *_KEYS))
    return spread(ended, as_spans(ended["duration"]), _KEYS, "run").head(most)


def retried_activities(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how often each activity was retried, and how often that helped."""
    table = _table(rows, "outcome", "attempt_count", *_KEYS)
    attempts = pd.to_numeric(table["attempt_count"]).astype("Int64")
    groups, counts = _retried(table, attempts > 1, attempts, table["outcome"], _KEYS)
    return _most_retried(counts, attempts=groups["number"].max())


def retried_workflows(rows: pd.DataFrame, word: str) -> pd.DataFrame:
    """Return in how many runs of each workflow an activity was retried."""
    table = _table(rows, word, "retries", "workflow")
    retries = pd.to_numeric(table["retries"]).astype("Int64")
    groups, counts = _retried(table, retries > 0, retries, table[word], ("workflow",))
    return _most_retried(counts, retries=groups["number"].sum())


def funnel(rows: pd.DataFrame, workflow: str, runs: pd.DataFrame | None) -> pd.DataFrame:
    """Return how many runs of a workflow reached each activity, in the order of the code."""
    table = _table(rows, "outcome", "attempt_count", "started_at", "duration", *_KEYS)
    names = table["workflow"].astype("str")
    mine = table[names == workflow]
    known = pd.Series(mine["run"].unique())
    if runs is not None:
        if not isinstance(runs, pd.DataFrame):
            raise ValueError(f"runs must be a frame of runs, such as frame(), got {_kind(runs)}")
        others = _table(runs, "workflow")
        its_names = others["workflow"].astype("str")
        known = pd.concat([known, others.loc[its_names == workflow, "run"]]).drop_duplicates()
        names = pd.concat([names, its_names])
    if len(rows):
        warn_of_others([workflow], names, "workflow")
    word = mine["outcome"]
    attempts = pd.to_numeric(mine["attempt_count"]).fillna(1)
    calls = pd.DataFrame(
        {
            "run": mine["run"],
            "activity": mine["activity"].astype("str"),
            "completed": (word == "completed").fillna(False).astype(bool),
            "failed": (word == "failed").fillna(False).astype(bool),
            "retried": (attempts > 1).astype(bool),
            "took": as_spans(mine["duration"]).where(columns.has_ended(mine, columns.ACTIVITIES)),
            "started_at": as_utc(mine["started_at"]),
        }
    )
    # An activity that a run calls several times is reached once, and completed if all calls are.
    each = calls.groupby(["activity", "run"], sort=False, dropna=False).agg(
        completed=("completed", "all"), failed=("failed", "any"), retried=("retried", "any")
    )
    found = each.groupby("activity", sort=False, dropna=False)
    sums = found[["completed", "failed", "retried"]].sum().astype("Int64")
    reached = found.size().astype("Int64")
    took = calls.groupby("activity", sort=False, dropna=False)["took"]
    answer = pd.DataFrame(
        {
            "reached": reached,
            "share": reached.astype("float64") / max(len(known), 1),
            **sums,
            "p50": took.quantile(0.5),
        }
    )
    return answer.reindex(_in_order(calls)).reset_index(names="activity")


def _in_order(calls: pd.DataFrame) -> pd.Index[Any]:
    """Return the activities in the order in which the code has them, as far as runs show it.

    An activity comes after those whose first start is directly before its own in a run. Where runs
    contradict one another, as those of a loop or of calls side by side do, more runs count more.
    Where they tell nothing, the median of the place among the first starts of a run decides, then
    the name. So neither repeated calls nor steps that some runs skip move an activity. Those of
    which no start is known come last.
    """
    firsts = (
        calls.dropna(subset=["started_at"])
        .sort_values("started_at", kind="stable")
        .drop_duplicates(["run", "activity"])
        .sort_values("run", kind="stable")
    )
    place = firsts.groupby("run", dropna=False).cumcount().rename("place")
    medians = place.groupby(firsts["activity"], dropna=False).median().reset_index()
    medians = medians.merge(calls[["activity"]].drop_duplicates(), "right", on="activity")
    names = pd.Index(medians.sort_values(["place", "activity"])["activity"])
    number = names.get_indexer(pd.Index(firsts["activity"]))
    follows = place.to_numpy()[1:] > 0
    pairs = Counter(zip(number[:-1][follows], number[1:][follows], strict=True))
    after: dict[int, list[tuple[int, int]]] = {}
    too_early = [0] * len(names)  # in how many runs more it would come too early than too late
    for (one, other), times in pairs.items():
        if (more := times - pairs[other, one]) > 0:
            after.setdefault(one, []).append((other, more))
            too_early[other] += more
    order: list[int] = []
    waiting = [(early, place) for place, early in enumerate(too_early)]
    heapify(waiting)
    placed = set()
    while waiting:
        _, first = heappop(waiting)
        if first not in placed:
            placed.add(first)
            order.append(first)
            for other, more in after.get(first, ()):
                too_early[other] -= more
                heappush(waiting, (too_early[other], other))
    placed_names: pd.Index[Any] = names[order]
    return placed_names


def _table(rows: pd.DataFrame, *needed: str) -> pd.DataFrame:
    """Return rows with a column of text, `run`, that names the run of each."""
    return flat(rows, *needed).assign(run=ids_of(rows).astype("str").reset_index(drop=True))


def _retried(
    table: pd.DataFrame,
    retried: pd.Series[Any],
    number: pd.Series[Any],
    word: pd.Series[Any],
    by: tuple[str, ...],
) -> tuple[Any, pd.DataFrame]:
    """Group rows, and return for each group how many were retried, and how many in vain."""
    again = retried.fillna(False).astype(bool)
    facts = pd.DataFrame(
        {
            "retried": again,
            "saved": again & (word == "completed").fillna(False).astype(bool),
            "number": number,
            "example": table["run"].where(again),
        }
    ).sort_values("number", kind="stable", na_position="first")
    groups = grouped(text_keys(table.loc[facts.index], *by), facts)
    sums = groups[["retried", "saved"]].sum().astype("Int64")
    counts = groups.size().astype("Int64")
    answer = pd.DataFrame(
        {
            "count": counts,
            "retried": sums["retried"],
            "share": sums["retried"].astype("float64") / counts.astype("float64"),
            "saved": sums["saved"],
            "example": groups["example"].last(),
        }
    )
    return groups, answer


def _most_retried(counts: pd.DataFrame, **more: pd.Series[Any]) -> pd.DataFrame:
    answer = counts.assign(**more)[["count", "retried", "share", *more, "saved", "example"]]
    return answer.reset_index().sort_values(
        ["retried", "count"], ascending=False, kind="stable", ignore_index=True
    )


def _kind(value: Any) -> str:
    return type(value).__name__
