"""The memory that frames of many activities and events take, beside `json` and `DataFrame`.

Each side runs in a process of its own, which reads the same file: ours as a store, the other as rows
of documents. The peak is what that process has held at most, less what it held before it began.
The number of workflows is the first argument, 20,000 without one.
"""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from alternating import verdict
from bench_frame_search import activities, events

import inngest_nb as inb
from inngest_nb import samples

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MAKERS = {
    "activity_frame": (inb.activity_frame, activities),
    "history_frame": (inb.history_frame, events),
}


def peak_of(side: str, what: str, path: Path) -> int:
    """Return the kilobytes that one side takes at most, beyond what its process begins with."""
    ours, other = MAKERS[what]
    with inb.SqliteStore(path) as store:
        inb.frame(store, limit=1)  # what is imported
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if side == "ours":
            rows = ours(store)
        else:
            with contextlib.closing(sqlite3.connect(path)) as database:
                found = database.execute("SELECT CAST(body AS BLOB) FROM checked_documents")
                rows = other([document for (document,) in found])
        assert len(rows) > 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.db"
        with inb.SqliteStore(path) as store:
            samples.fill(store, count, now=NOW)
            inb.frame(store)  # makes the heads
        for what in MAKERS:
            peaks = {}
            for side in ("ours", "json and DataFrame"):
                command = [sys.executable, __file__, side, what, str(path)]
                peaks[side] = int(subprocess.run(command, check=True, capture_output=True).stdout)
                print(f"{side:>34}: {peaks[side] / 1024:,.0f} MB")
            ratio = peaks["ours"] / peaks["json and DataFrame"]
            verdict(f"peak memory of {what}, {count:,}", ratio, goal=0.6, at_most=True)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(peak_of(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
