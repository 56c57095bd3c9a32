"""A new file that several open at the same moment: one makes it, and all have it."""

from __future__ import annotations

import threading
from pathlib import Path

from inngest_nb import SqliteStore, WorkflowState


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for attempt in range(20):
        path = tmp_path / f"{attempt}.db"
        together = threading.Barrier(6)
        errors: list[Exception] = []

        def open_and_save(number: int) -> None:
            together.wait()  # noqa: B023
            try:
                with SqliteStore(path) as store:  # noqa: B023
                    store.save(WorkflowState(workflow_id=str(number)))
            except Exception as error:  # noqa: BLE001
                errors.append(error)  # noqa: B023

        threads = [threading.Thread(target=open_and_save, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        with SqliteStore(path) as store:
            assert len(store.list()) == 6
