"""What charts of frames say: the sentence above each, its legend, and what is not drawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from inngest_nb import words
from inngest_nb.frames.basics._columns import Kind
from inngest_nb.history import OPEN

if TYPE_CHECKING:
    from inngest_nb.frames.charts._drawing import Numbers
    from inngest_nb.frames.charts._time_bins import Bins


def what_became(counts: pd.Series[int], kind: Kind) -> str:
    """Say how many there are, and how many completed, failed and still run."""
    total = int(counts.sum())
    if not total:
        return f"No {kind.plural} yet"
    completed = words.share_text(counts.get("completed", 0) / total)
    said = [f"{completed} of {_counted(total, kind)} completed"]
    if failed := counts.get("failed", 0):
        said.append(f"{failed:,} failed")
    if running := counts.get("running", 0):
        said.append(f"{running:,} still running")
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
    """Say how long half of what has ended took, and the slowest tenth; else how long it runs."""
    if not len(ended) and not len(still):
        return f"No durations of finished {kind.plural} yet"
    if not len(ended):
        return f"{_counted(len(still), kind)} still running, for up to {_duration(still.max())}"
    if len(ended) < 10:
        return f"{_counted(len(ended), kind)} took up to {_duration(ended.max())}"
    half, tenth = np.percentile(ended, (50, 90))
    return (
        f"Half of {_counted(len(ended), kind)} finish within {_duration(half)}, "
        f"1 in 10 takes over {_duration(tenth)}"
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


def layers(counts: pd.Series[int], so_far: bool = False) -> dict[str, str]:
    """Return the name of each layer of a stack: mark, word and count."""
    return {
        str(word): f"{words.status_text(str(word))}"
        f"{' so far' if so_far and word in OPEN else ''}: {number:,}"
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


def _duration(seconds: float) -> str:
    return words.duration_text(timedelta(seconds=float(seconds)))
