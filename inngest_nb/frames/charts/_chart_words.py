"""What charts of frames say: the sentence above each, its legend, and what is not drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from inngest_nb import words
from inngest_nb.frames.basics._columns import Kind

if TYPE_CHECKING:
    from inngest_nb.frames.charts._drawing import Numbers
    from inngest_nb.frames.charts._time_bins import Bins


_FEW = 5  # a share of fewer says little


def what_became(counts: pd.Series[int], kind: Kind) -> str:
    """Say how many there are, and how many completed, failed and are still open."""
    total = int(counts.sum())
    if not total:
        return f"No {kind.plural} yet"
    completed = words.share_text(counts.get("completed", 0) / total)
    said = [f"{completed} of {_counted(total, kind)} completed"]
    if failed := counts.get("failed", 0):
        said.append(f"{failed:,} failed")
    if still := int(counts.reindex([*kind.open_words], fill_value=0).sum()):
        said.append(f"{still:,} still open")
    return ", ".join(said)


def worst(heights: Mapping[str, Numbers], bins: Bins) -> str:
    """Name the bar in which far more failed than in the others, if there is one."""
    if "failed" not in heights or len(bins.edges) < 5:
        return ""
    failed, began = heights["failed"], np.sum([*heights.values()], axis=0)
    bar = int(np.argmax(failed))
    elsewhere = (failed.sum() - failed[bar]) / max(began.sum() - began[bar], 1)
    if failed[bar] < 5 or failed[bar] < 2 * elsewhere * began[bar]:
        return ""
    return f"; worst {bins.width_text}: {bins.text(bar)} ({failed[bar]:,} of {began[bar]:,} failed)"


def how_long(ended: Numbers, still: Numbers, kind: Kind) -> str:
    """Say how long half of what has ended took, and the slowest tenth; else how long it is open."""
    if not len(ended) and not len(still):
        return f"No durations of ended {kind.plural} yet"
    if not len(ended):
        return f"{_counted(len(still), kind)} still open, for up to {seconds_text(still.max())}"
    if len(ended) < 10:
        return f"{_counted(len(ended), kind)} took up to {seconds_text(ended.max())}"
    half, tenth = np.percentile(ended, (50, 90))
    return (
        f"Half of {_counted(len(ended), kind)} finish within {seconds_text(half)}, "
        f"1 in 10 takes over {seconds_text(tenth)}"
    )


def where_time_goes(rows: pd.DataFrame) -> str:
    """Name the activity that takes the most time, and the one that is retried most."""
    most = words.short(str(rows.index[0]), 32)
    said = f"{most} takes {words.share_text(rows['of time'].iloc[0])} of the time in activities"
    retried = rows["retried"].astype(float)
    if not retried.max():
        return f"{said}; no retries"
    name = words.short(str(retried.idxmax()), 32)
    return f"{said}; {name} is retried most ({words.share_text(retried.max())} of calls)"


def how_many_failed(ended: Numbers, failed: Numbers, names: Sequence[str], kind: Kind) -> str:
    """Say how many of what has ended failed, and which of several groups fails most."""
    total, bad = int(ended.sum()), int(failed.sum())
    if not total:
        return f"No {kind.noun} has ended yet"
    said = f"{bad:,} of {_counted(total, kind)} that ended failed ({words.share_text(bad / total)})"
    sizes = ended.sum(axis=1)
    shares = failed.sum(axis=1) / np.maximum(sizes, 1)
    shares[sizes < _FEW] = 0  # too few to name
    if len(names) < 2 or not shares.any():
        return said
    worst = int(np.argmax(shares))
    return f"{said}; {names[worst]} fails most ({words.share_text(shares[worst])})"


def from_to(what: str, numbers: Numbers, text: Callable[[float], str]) -> str:
    """Say how high a line is at its end, and at most."""
    known = numbers[np.isfinite(numbers)]
    return f"{what}: {text(known[-1])} at the end, {text(known.max())} at most"


def how_far(rows: pd.DataFrame, name: str) -> str:
    """Say how many runs reach the last activity, and where most fail."""
    last = rows.iloc[-1]
    total = round(int(last["reached"]) / float(last["share"]))
    runs = f"{words.count_text(total, 'run')} of {name}"
    activity = words.short(str(last["activity"]), 32)
    said = f"{words.share_text(last['share'])} of {runs} reach {activity}"
    if not rows["failed"].any():
        return f"{said}; none fail"
    most = rows.iloc[int(rows["failed"].argmax())]
    return f"{said}; most fail at {words.short(str(most['activity']), 32)} ({most['failed']:,})"


def how_stuck(rows: pd.DataFrame, longer_than: timedelta) -> str:
    """Say how many workflows are stuck, and where most of them are."""
    span = words.duration_text(longer_than)
    if rows.empty:
        return f"No workflow has been stuck for over {span}"
    total = int(rows["count"].sum())
    have = "has" if total == 1 else "have"
    said = f"{words.count_text(total, 'workflow')} {have} not been updated for over {span}"
    longest = f"the longest for {words.duration_text(rows['longest'].max())}"
    if len(rows) == 1:
        return f"{said}, {longest}"
    first = words.short(place_of(rows.iloc[0]), 48)
    return f"{said}, {longest}; {rows['count'].iloc[0]:,} of them: {first}"


def place_of(row: Any) -> str:
    """Name where a workflow is: its name, the step, and what it waits for."""
    step = "no step yet" if pd.isna(row.step) else words.short(row.step, 24)
    said = f"{'no name' if pd.isna(row.workflow) else words.short(row.workflow, 24)}: {step}"
    if not pd.isna(row.signal):
        return f"{said} (signal {words.short(row.signal, 24)})"
    return said if pd.isna(row.waiting_for) else f"{said} ({row.waiting_for})"


def group_name(values: Iterable[Any]) -> str:
    """Name a group by what its rows have in common."""
    return words.short(
        ", ".join("not set" if pd.isna(value) else str(value) for value in values), 32
    )


def seconds_text(seconds: float) -> str:
    """Return a duration that is given in seconds."""
    return words.duration_text(timedelta(seconds=float(seconds)))


def nothing(frame: pd.DataFrame, kind: Kind, lacking: str) -> str:
    """Say why there is nothing to draw."""
    if frame.empty:
        return f"This frame has no {kind.plural}."
    return f"None of {_counted(len(frame), kind)} has {lacking}."


def far_off(rows: pd.DataFrame, kind: Kind) -> str:
    """Name the first of the rows that are far from all others in time."""
    if rows.empty:
        return ""
    first = rows.iloc[0]
    name = first.get("workflow_id", rows.index[0])
    return (
        f"far from the others in time: {words.short(str(name), 40)} ({str(first[kind.began])[:10]})"
    )


def layers(counts: pd.Series[int], growing: Sequence[str] = ()) -> dict[str, str]:
    """Return the name of each layer of a stack: mark, word and count; "so far" for `growing`."""
    return {
        str(word): f"{words.status_text(str(word))}"
        f"{' so far' if word in growing else ''}: {number:,}"
        for word, number in counts.items()
    }


def notes(frame: pd.DataFrame, *left_out: tuple[int, str]) -> list[str]:
    """Say what is not drawn, and whether the frame itself is a part only."""
    missing = [f"{number:,} {which}" for number, which in left_out if number]
    said = [f"not drawn: {', '.join(missing)}"] if missing else []
    if frame.attrs.get("truncated"):
        said.append("limit= left out older workflows")
    return said


def _counted(number: int, kind: Kind) -> str:
    return f"{number:,} {kind.noun if number == 1 else kind.plural}"
