"""Workflows that cannot be read are missing in no view without a word."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import inngest_nb as inb
from inngest_nb import SqliteStore, WorkflowState

HTML = "<img src=x onerror=alert(1)>"


@pytest.fixture
def spoiled(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store of one good workflow, and of two whose documents are none."""
    with SqliteStore(tmp_path / "s.db") as store:
        for workflow_id in ("good", "bad", HTML):
            store.save(WorkflowState(workflow_id=workflow_id, status=inb.WorkflowStatus.FAILED))
        with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as database, database:
            database.execute(
                "UPDATE documents SET body = 'lorem' WHERE number IN "
                "(SELECT number FROM workflows WHERE workflow_id <> 'good')"
            )
        yield store


def test_frames_say_what_cannot_be_read(spoiled: SqliteStore) -> None:
    for make in (inb.frame, inb.history_frame, inb.activity_frame):
        for status in (None, "failed"):
            with pytest.warns(UserWarning, match="2 workflows cannot be read"):
                unreadable = make(spoiled, status=status).attrs["unreadable"]
            assert unreadable.keys() == {"bad", HTML}
            assert all("invalid document" in why for why in unreadable.values())
    for source in (spoiled, spoiled.fetch()):
        with pytest.warns(UserWarning, match="2 workflows cannot be read"):
            rows = inb.frame(source)
        assert rows.attrs["unreadable"].keys() == {"bad", HTML}
        reasons = rows.set_index("workflow_id")["error_reading"]
        assert reasons.isna().to_dict() == {"good": True, "bad": False, HTML: False}
        assert "<img" not in rows.wf._repr_html_()
    assert inb.frame([spoiled.load("good")]).attrs["unreadable"] == {}


def test_explore_says_what_it_left_out_and_when_that_is_gone(spoiled: SqliteStore) -> None:
    explorer = inb.explore(spoiled)
    explorer.wait()
    assert (
        "2 workflows are left out, because what is stored cannot be read: " in explorer.remark.value
    )
    assert "&lt;img src=x" in explorer.remark.value
    assert "<img" not in explorer.remark.value
    spoiled.delete("bad")
    explorer.refresh.click()
    explorer.wait()
    assert "1 workflow is left out" in explorer.remark.value
    spoiled.delete(HTML)
    explorer.refresh.click()
    explorer.wait()
    assert "left out" not in explorer.remark.value
    explorer.close()
