"""A commit writes the pages that it must, and no others: each takes time, and space in the log."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from appended_parts import NOON, done, part, whole

from inngest_nb import SqliteStore, Write

_HEADER, _FRAME = 32, 24 + 4096  # of the write-ahead log, which has a frame for each page


@pytest.fixture
def pages(tmp_path: Path) -> Callable[..., int]:
    """Perform writes, and return how many pages the commit of the last one has written."""
    path = tmp_path / "states.db"

    def pages_of(*writes: Write) -> int:
        with SqliteStore(path) as store, contextlib.closing(sqlite3.connect(path)) as database:
            for write in writes[:-1]:
                done(store, write)
            assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
            done(store, writes[-1])
            size = Path(f"{path}-wal").stat().st_size
        return (size - _HEADER) // _FRAME

    return pages_of


# The tables of workflows and of parts, the index of listings, and that of parts.
def test_a_step_writes_four_pages(pages: Callable[..., int]) -> None:
    first = whole("a", status="running", updated_at=NOON)
    later = part("a", [2], updated_at=NOON + timedelta(seconds=2))
    ended = part("a", [2], status="completed", updated_at=NOON + timedelta(seconds=2))
    assert pages(first, part("a", [1]), later) == 4
    assert pages(first, part("a", [1]), ended) == 4


# The tables of workflows and of other changes; beside them, that of documents and the index of
# listings.
def test_what_is_saved_again_is_not_written_again(pages: Callable[..., int]) -> None:
    saved = whole("a", status="running", updated_at=NOON, input="first")
    edited = whole("a", status="running", updated_at=NOON, input="second")
    later = whole("a", status="running", updated_at=NOON + timedelta(seconds=1))
    ended = whole("a", status="completed", updated_at=NOON + timedelta(seconds=1))
    assert pages(saved, saved) == 2
    assert pages(saved, edited) == 3
    assert pages(saved, later) == 4
    assert pages(later, ended) == 4
