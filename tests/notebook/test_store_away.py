"""A store that goes away under a live run: what one sees of it, and what is true afterwards."""

from __future__ import annotations

import threading
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from watched_terminal import WatchedTerminal
from worker_fleet import ServerProcess

import inngest_nb as inb
from inngest_nb.errors import WorkflowNotSavedError
from inngest_nb.notebook.live import LiveRun


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_run_whose_store_is_away_says_so_and_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    booking, booked = threading.Event(), threading.Event()

    def book(number: int) -> int:
        booking.set()
        assert booked.wait(30)
        return number

    async def trip(ctx: inb.AsyncWorkflowContext, number: int) -> Any:
        return await ctx.execute_activity(book, number)

    server = ServerProcess(tmp_path / "states.db")
    monkeypatch.setenv("COLUMNS", "200")  # so that a line shows all of its words
    try:
        with (
            WatchedTerminal() as terminal,
            inb.InngestStore(server.url) as store,
            inb.Executor(store, store_patience=60 if comes_back else 1) as executor,
        ):
            live = LiveRun(executor, executor.execute(trip, id="trip-1", input=7))
            assert booking.wait(30)
            server.kill()
            booked.set()
            terminal.shown("Waiting for the store, which does not answer")
            if comes_back:
                server.start_again()
                assert live.wait().result(60) == 7
                last = terminal.shown(r"K[^\r]*completed").rpartition("\x1b[K")[2]
                assert last.startswith("trip-1: ✓ completed")
                assert "Waiting" not in last
                return
            with pytest.raises(WorkflowNotSavedError):
                live.wait()
            html = unescape(live._repr_mimebundle_()["text/html"])
            last = terminal.shown(r"store=store\)\.").rpartition("\x1b[K")[2]
            for said in (html, last):
                assert "stopped here" in said
                assert "✕" not in said
                assert "Stopped here: the store did not answer (" in said
                assert "Stored as running. Resume with inb.resume(" in said
                assert ", 'trip-1', store=store)." in said
            server.start_again()
            stored = store.load("trip-1")
            assert stored is not None
            assert stored.status == "running"
            assert inb.resume(trip, "trip-1", store=store, take_over=True).result(60) == 7
    finally:
        booked.set()
        server.close()
