"""What it costs to make a typed frame of a body of 10,000 states, beside `json` and `DataFrame`.

Both read the same array of documents. The other side is what one writes by hand for the columns
of `frame`, without `retries`, which need the pairing of starts and ends.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pandas as pd
from alternating import compare

from inngest_nb import frame, samples, wire

COUNT = 10_000
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
WORDS = ["running", "completed", "failed", "canceled"]
documents_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


def ours(body: bytes) -> pd.DataFrame:
    return frame(wire.decode(bytes(document)) for document in documents_of(body))


def json_and_dataframe(body: bytes) -> pd.DataFrame:
    return typed(pd.DataFrame(json.loads(body)))


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    now = datetime.now(UTC)
    for column in ("CreatedAt", "UpdatedAt"):
        rows[column] = pd.to_datetime(rows[column], utc=True, format="ISO8601").dt.as_unit("us")
    ended = rows["Status"].isin(WORDS[1:])
    histories = rows["History"]
    return pd.DataFrame(
        {
            "workflow_id": rows["WorkflowID"],
            "run_id": rows["RunID"],
            "status": pd.Categorical(rows["Status"], categories=WORDS),
            "created_at": rows["CreatedAt"],
            "updated_at": rows["UpdatedAt"],
            "duration": rows["UpdatedAt"].where(ended, now) - rows["CreatedAt"],
            "events": histories.map(len).astype("Int64"),
            "activities": histories.map(
                lambda events: sum(event["Type"] == "activity_started" for event in events)
            ).astype("Int64"),
            "error": rows["Error"].replace("", None).astype("str"),
        }
    )


if __name__ == "__main__":
    documents = [wire.encode(state) for state in samples.states(COUNT, now=NOW)]
    body = b"[" + b",".join(documents) + b"]"
    print(f"{COUNT:,} states, {len(body) / COUNT:.0f} bytes each")
    shared = json_and_dataframe(body).columns
    pd.testing.assert_frame_equal(
        ours(body)[shared].query("status != 'running'").drop(columns="activities"),
        json_and_dataframe(body).query("status != 'running'").drop(columns="activities"),
    )
    compare(
        "frame: body to typed frame of 10,000 states",
        lambda: ours(body),
        lambda: json_and_dataframe(body),
        names=("frame of decoded states", "json and DataFrame"),
        goal=8,
        rounds=9,
        calls=1,
    )
