"""A real Jupyter kernel, driven by the messages that a front end sends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel


@dataclass
class Outcome:
    """What came of a cell: what it printed and showed, and its error's name and text."""

    text: str = ""
    error: str = ""
    comms: list[str] = field(default_factory=list)


class UnansweredCellsError(Exception):
    """The kernel went quiet before it had answered every cell."""


class LiveKernel:
    """The kernel of this Python, which lives while the `with` block lasts."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client

    def run(self, cell: str) -> str:
        """Run one cell and return what it printed; an error in it fails the test."""
        outcome = self.outcome(cell)
        assert not outcome.error, outcome.error
        return outcome.text

    def outcome(self, cell: str) -> Outcome:
        """Run one cell and return what came of it."""
        return self.run_all([cell])[0]

    def run_all(self, cells: Sequence[str], timeout: float = 60) -> list[Outcome]:
        """Send every cell at once, as Run All does, and return what came of each.

        As JupyterLab does, it answers each widget that a cell opens while that cell still runs, and
        an error ends the run; but not one that a single cell was asked for.
        """
        several = len(cells) > 1
        asked = [self.client.execute(cell, stop_on_error=several) for cell in cells]
        outcomes = {message_id: Outcome() for message_id in asked}
        waiting = set(asked)
        deadline = time.monotonic() + timeout
        while waiting:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                lost = [cell for cell, ask in zip(cells, asked, strict=True) if ask in waiting]
                raise UnansweredCellsError(f"no answer in {timeout} s for {lost}") from None
            parent = message["parent_header"].get("msg_id")
            if parent not in outcomes:
                continue
            kind, content, outcome = message["msg_type"], message["content"], outcomes[parent]
            if kind == "stream":
                outcome.text += content["text"]
            elif kind in ("execute_result", "display_data"):
                outcome.text += content["data"].get("text/plain", "")
            elif kind == "error":
                outcome.error = f"{content['ename']}: {content['evalue']}"
            elif kind == "comm_open":
                outcome.comms.append(content["comm_id"])
                self._ask_for_state(content["comm_id"])
            elif kind == "status" and content["execution_state"] == "idle":
                waiting.discard(parent)
        return [outcomes[message_id] for message_id in asked]

    def _ask_for_state(self, comm_id: str) -> None:
        content = {"comm_id": comm_id, "data": {"method": "request_state"}}
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))


class Page:
    """A page of JupyterLab: all that it says to widgets goes to a subshell of its own."""

    def __init__(self, kernel: LiveKernel) -> None:
        self._kernel = kernel
        self._client = kernel.client
        self._subshell = self._control("create_subshell_request", {})["subshell_id"]

    def leave(self) -> None:
        """End the subshell, as a page does that is closed."""
        self._control("delete_subshell_request", {"subshell_id": self._subshell})

    def type(self, field: str, text: str) -> None:
        """Leave a text in a field."""
        self._say(field, {"method": "update", "state": {"value": text}, "buffer_paths": []})

    def click(self, button: str) -> None:
        """Click a button."""
        self._say(button, {"method": "custom", "content": {"event": "click"}})

    def _say(self, widget: str, data: dict[str, Any]) -> None:
        message = self._client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        message["header"]["subshell_id"] = self._subshell
        self._client.shell_channel.send(message)

    def _control(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        self._client.control_channel.send(self._client.session.msg(kind, content))
        reply: dict[str, Any] = self._client.get_control_msg(timeout=30)["content"]
        assert reply["status"] == "ok"
        return reply


@contextmanager
def live_kernel() -> Iterator[LiveKernel]:
    """Start a kernel and end it afterwards, with its connections."""
    manager, client = start_new_kernel()
    try:
        yield LiveKernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


@contextmanager
def running_kernel(connection_file: Path) -> Iterator[LiveKernel]:
    """Join a kernel that somebody else has started, and leave it to them."""
    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    client.start_channels(hb=False)  # its heart may beat late on a busy machine
    try:
        client.wait_for_ready(timeout=60)
        yield LiveKernel(client)
    finally:
        client.stop_channels()
