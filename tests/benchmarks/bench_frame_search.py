"""What it costs to ask a store of many workflows, beside `json` and `DataFrame` over all of it.

The other side is what one writes by hand: read the same documents as JSON, make a DataFrame of the
columns of `frame`, and map or filter that. It has the documents in memory already. Ours reads an
`SqliteStore`, and a state server over HTTP. The number of workflows is the first argument, 10,000
without one; the last benchmarks are about 100,000 only.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from alternating import compare
from bench_frame_states import json_and_dataframe, typed

import inngest_nb as inb
from inngest_nb import samples, wire

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
FIELDS = ["input.order", "input.item"]


def body_of(documents: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(documents) + b"]"


def rows_of(documents: Sequence[bytes]) -> pd.DataFrame:
    return json_and_dataframe(body_of(documents))


def with_fields(documents: Sequence[bytes]) -> pd.DataFrame:
    whole = pd.DataFrame(json.loads(body_of(documents)))
    payloads, rows = whole["Input"], typed(whole)
    for field in FIELDS:
        key = field.partition(".")[2]
        rows[field] = payloads.map(lambda payload, key=key: (payload or {}).get(key))
    return rows


def filtered(documents: Sequence[bytes], least: int) -> pd.DataFrame:
    rows = with_fields(documents)
    return rows[rows["input.order"] > least]


def activities(documents: Sequence[bytes]) -> pd.DataFrame:
    """Pair starts and ends by name, the simplest way there is."""
    found = []
    for state in map(json.loads, documents):
        open_: dict[str, dict[str, Any]] = {}
        for event in state["History"] or ():
            if event["Type"] == "activity_started":
                row = open_.get(event["ActivityName"])
                if row is None:
                    row = open_[event["ActivityName"]] = {
                        "workflow_id": state["WorkflowID"],
                        "run_id": state["RunID"],
                        "status": state["Status"],
                        "activity": event["ActivityName"],
                        "started_at": event["Timestamp"],
                        "attempt_count": 0,
                    }
                    found.append(row)
                row["attempt_count"] += 1
            elif event["Type"] in ("activity_completed", "activity_failed"):
                row = open_.get(event["ActivityName"])
                if row is not None:
                    row |= {
                        "ended_at": event["Timestamp"],
                        "outcome": event["Type"].rpartition("_")[2],
                        "error": event["Error"],
                    }
    rows = pd.DataFrame(found)
    for column in ("started_at", "ended_at"):
        rows[column] = pd.to_datetime(rows[column], utc=True, format="ISO8601")
    return rows.assign(duration=rows["ended_at"] - rows["started_at"])


def events(documents: Sequence[bytes]) -> pd.DataFrame:
    rows = pd.DataFrame(
        [
            {
                "workflow_id": state["WorkflowID"],
                "run_id": state["RunID"],
                "status": state["Status"],
                "event_id": event["ID"],
                "type": event["Type"],
                "at": event["Timestamp"],
                "activity": event["ActivityName"],
                "signal": event["SignalName"],
                "duration": event["Duration"],
                "error": event["Error"],
            }
            for state in map(json.loads, documents)
            for event in state["History"] or ()
        ]
    )
    rows["at"] = pd.to_datetime(rows["at"], utc=True, format="ISO8601")
    return rows.assign(duration=pd.to_timedelta(rows["duration"]))


def main(count: int) -> None:
    documents = [wire.encode(state) for state in samples.states(count, now=NOW)]
    few = rows_of(documents)
    orders = with_fields(documents)["input.order"].dropna().sort_values()
    least = int(orders.iloc[-max(count // 100, 1)]) - 1

    def against(
        what: str, ours: Callable[[], object], other: Callable[[], object], goal: float
    ) -> None:
        compare(
            f"{what}, {count:,}",
            ours,
            other,
            names=("ours", "json and DataFrame"),
            goal=goal,
            rounds=5 if count < 50_000 else 3,
            calls=1,
        )

    with (
        tempfile.TemporaryDirectory() as folder,
        inb.StateServer(Path(folder) / "server.db", port=0) as server,
    ):
        file = samples.fill(inb.SqliteStore(Path(folder) / "file.db"), count, now=NOW)
        remote = inb.InngestStore(server.url)
        samples._production._save(remote, samples.states(count, now=NOW))
        for store in (file, remote):
            assert len(inb.frame(store)) == len(few) == count  # and makes the heads
        large = count >= 50_000
        against(
            "frame from a file",
            lambda: inb.frame(file),
            lambda: rows_of(documents),
            12 if large else 8,
        )
        against(
            "frame over HTTP",
            lambda: inb.frame(remote),
            lambda: rows_of(documents),
            8 if large else 6,
        )
        against(
            "frame with two fields",
            lambda: inb.frame(file, fields=FIELDS),
            lambda: with_fields(documents),
            4,
        )
        against(
            "where, which 1 % match",
            lambda: inb.frame(file, where=f"input.order > {least}"),
            lambda: filtered(documents, least),
            6,
        )
        against(
            "activity_frame", lambda: inb.activity_frame(file), lambda: activities(documents), 4
        )
        against("history_frame", lambda: inb.history_frame(file), lambda: events(documents), 4)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
