"""Heads that a file keeps are made anew where today's rules would tell something else."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from appended_parts import done, part, whole
from conftest import GO_DOCUMENTS
from frame_states import after, history, state

from inngest_nb import SqliteStore, wire
from inngest_nb.state import Waits
from inngest_nb.store.heads import digest_of, short
from inngest_nb.store.rows import Row
from inngest_nb.store.tables.sqlite.schema import SCHEMA_VERSION

RAN = history(
    ("workflow_started", "", 0, {"workflow": "orders"}),
    ("activity_started", "pack", 1),
    ("activity_failed", "pack", 2, {"error": "no box", "retry_at": after(9)}),
    ("activity_started", "ship", 3),
)
AWKWARD = [
    state("running", "running", history=RAN, created_at=after(0)),
    state("retrying", "running", history=RAN[:3]),
    state("resting", "running", history=RAN, waits=Waits(at=4, signals=("go",))),
    state("reversed", "terminated", history=RAN[::-1], updated_at=after(90)),
    state("order-7-again", "", history=()),
]
# Of all heads and details below, as schema 8 keeps them.
KEPT = "914f3ddc"


def test_other_rules_make_the_heads_of_all_files_anew() -> None:
    """Where this fails, add a step with `_HEADS_ANEW` to the schema, and the new sum here."""
    documents = [*GO_DOCUMENTS, *map(wire.encode, AWKWARD)]
    kept = [short(digest_of(Row("", "", 0, None, document, ""))) for document in documents]
    told = json.dumps(kept, default=bytes.decode).encode()
    assert (SCHEMA_VERSION, hashlib.sha256(told).hexdigest()[:8]) == (8, KEPT)


def keep_all(store: SqliteStore) -> None:
    while store._table.index(at_least=1):  # as a state server does from time to time
        pass


@pytest.mark.parametrize("is_reopened_at_once", [True, False])
def test_a_file_of_schema_7_tells_what_its_documents_tell(
    tmp_path: Path, is_reopened_at_once: bool
) -> None:
    path = tmp_path / "state.db"
    names = [f"order-{number:04}" for number in range(1_200)]
    with SqliteStore(path) as store:
        done(store, *(whole(name, status="running", history=RAN) for name in names))
        keep_all(store)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        assert database.execute("SELECT count(*) FROM heads").fetchone()[0]
        database.execute("UPDATE heads SET step = 'by other rules'")
        database.execute("UPDATE details SET activities = '[]'")
        database.execute("PRAGMA user_version = 7")
    if not is_reopened_at_once:
        SqliteStore(path).close()
    with SqliteStore(path) as store:
        for _ in range(3):  # as more and more are kept
            heads = store.heads()
            assert {head.step for head in heads} == {"ship"}
            assert len(heads) == len(names)
        done(store, part(names[7], [5], status="failed"))
        assert [head.workflow_id for head in store.heads("failed")] == [names[7]]
        keep_all(store)
        assert {head.step for head in store.heads()} == {"ship"}
    with contextlib.closing(sqlite3.connect(path)) as database:
        kept = database.execute("SELECT step, count(*) FROM heads GROUP BY step").fetchall()
        assert kept == [("ship", len(names))]
