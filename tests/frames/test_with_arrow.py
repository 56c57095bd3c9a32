"""Frames beside pyarrow, which CI installs for one of the Pythons: files, and columns of its types."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as arrow
import pytest
from insight_frames import run, runs, step, steps

import inngest_nb as inb
from inngest_nb import MemoryStore, samples

WRITTEN: dict[str, tuple[Callable[..., Any], Callable[..., pd.DataFrame]]] = {
    "parquet": (pd.DataFrame.to_parquet, pd.read_parquet),
    "feather": (pd.DataFrame.to_feather, pd.read_feather),
}


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("make", [inb.frame, inb.history_frame, inb.activity_frame])
def test_a_frame_comes_back_from_a_file_with_its_attrs(
    make: Callable[..., pd.DataFrame], kind: str, tmp_path: Path
) -> None:
    write, read = WRITTEN[kind]
    store = samples.fill(MemoryStore(), 40)
    rows = make(store, limit=30)
    write(rows, tmp_path / "rows")
    again = read(tmp_path / "rows")
    pd.testing.assert_frame_equal(again, rows)
    assert again.attrs == rows.attrs == json.loads(json.dumps(rows.attrs))


def test_arrow_columns_answer_the_same() -> None:
    rows = inb.frame(samples.fill(MemoryStore(), 60))
    types = {"duration": arrow.duration("us"), "created_at": arrow.timestamp("us", "UTC")}
    again = rows.astype({name: pd.ArrowDtype(kind) for name, kind in types.items()})
    pd.testing.assert_frame_equal(again.wf.summary(), rows.wf.summary())


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_runs_and_steps_of_arrow_columns_answer_the_same(backend: Any, tmp_path: Path) -> None:
    made = {
        "runs": runs(run("a", "failed", error="boom 1"), run("b", error=None)),
        "steps": steps(
            step("a", "charge", "failed", error="boom 1"), step("b", "charge", attempts=2)
        ),
    }
    read = {}
    for name, frame in made.items():
        frame.to_parquet(tmp_path / name)
        read[name] = pd.read_parquet(tmp_path / name, dtype_backend=backend)

    def answers(runs: pd.DataFrame, steps: pd.DataFrame) -> list[pd.DataFrame]:
        return [
            runs.wf.failures(traces=steps),
            runs.wf.rate("1h"),
            steps.wf.slowest(runs=runs),
            steps.wf.queue_delay(runs=runs),
            steps.wf.saved_by_retry(runs=runs),
            inb.compare_periods(before=runs, after=runs),
        ]

    for same, answer in zip(answers(**read), answers(**made), strict=True):
        pd.testing.assert_frame_equal(same, answer)
