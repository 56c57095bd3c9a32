"""A store that goes away under a live run: what one sees of it, and what is true afterwards."""

from __future__ import annotations

import io
import threading
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from worker_fleet import ServerProcess

import inngest_nb as inb
from inngest_nb.errors import WorkflowNotSavedError
from inngest_nb.notebook.live._painter import Painter
from inngest_nb.notebook.live._screens import TerminalScreen
from inngest_nb.notebook.timeline._picture import Picture
from inngest_nb.notebook.timeline._timeline import picture_bundle


class Watched(TerminalScreen):
    """A terminal that tells when a picture says what one waits for."""

    def __init__(self, awaited: str) -> None:
        self.text = io.StringIO()
        super().__init__(self.text)
        self.awaited, self.seen = awaited, threading.Event()
        self.pictures: list[Picture] = []

    def show(self, picture: Picture, *, last: bool) -> int:
        self.pictures.append(picture)
        if self.awaited in picture.note:
            self.seen.set()
        return super().show(picture, last=last)


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_run_whose_store_is_away_says_so_and_is_resumed(tmp_path: Path, comes_back: bool) -> None:
    booking, booked = threading.Event(), threading.Event()

    def book(number: int) -> int:
        booking.set()
        assert booked.wait(30)
        return number

    async def trip(ctx: inb.AsyncWorkflowContext, number: int) -> Any:
        return await ctx.execute_activity(book, number)

    server = ServerProcess(tmp_path / "states.db")
    screen = Watched("Waiting for the store, which does not answer")
    try:
        with (
            inb.InngestStore(server.url) as store,
            inb.Executor(store, store_patience=60 if comes_back else 1) as executor,
        ):
            handle = executor.execute(trip, id="trip-1", input=7)
            painter = Painter(handle, screen)
            painter.start()
            assert booking.wait(30)
            server.kill()
            booked.set()
            assert screen.seen.wait(30)
            if comes_back:
                server.start_again()
                assert handle.result(60) == 7
                painter.drawn.result(30)
                assert (screen.pictures[-1].status, screen.pictures[-1].note) == ("completed", "")
                return
            with pytest.raises(WorkflowNotSavedError):
                handle.result(60)
            painter.drawn.result(30)
            html = unescape(picture_bundle(screen.pictures[-1])["text/html"])
            for said in (html, screen.text.getvalue()):
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
