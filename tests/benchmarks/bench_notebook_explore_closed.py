"""What ten runs of a cell with explore over 100,000 workflows leave in the kernel, each closed.

The store is a SQLite file, so that its documents are not in this process. The first run brings what
stays whatever one does: the imports, and the memory that Python keeps for the next large read.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from explore_driver import save_all, state_of

import inngest_nb as inb

COUNT = 100_000
BATCH = 5_000
RUNS = 10
GOAL = 30.0  # MB


def main() -> None:
    with tempfile.TemporaryDirectory() as name, inb.SqliteStore(Path(name) / "state.db") as store:
        for begin in range(0, COUNT, BATCH):
            save_all(store, map(state_of, range(begin, begin + BATCH)))
        kept = [run_cell(store)]  # as a kernel keeps what cells return
        first = resident()
        for _ in range(RUNS):
            kept.append(run_cell(store))
        grown = resident() - first
    print(f"after the first run: {first:,.1f} MB; {RUNS} more, each closed: {grown:+,.1f} MB")
    ratio = grown / GOAL
    benchmark = f"notebook: MB left by {RUNS} closed explorers of {COUNT:,}, beside {GOAL:.0f} MB"
    result = {"benchmark": benchmark, "ratio": round(ratio, 3), "goal": 1.0, "met": ratio <= 1}
    print(json.dumps(result), flush=True)


def run_cell(store: inb.SqliteStore) -> object:
    """Show an explorer until it has read everything, and close it."""
    explorer = inb.explore(store)
    explorer.wait(120)
    assert explorer.table.page["total"] == COUNT
    explorer.close()
    return explorer


def resident() -> float:
    """Return the MB of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    main()
