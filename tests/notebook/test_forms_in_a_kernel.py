"""Forms in a real kernel, where a page's messages are handled beside the cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live_kernel import LiveKernel, live_kernel

FORM = """
import threading
import inngest_nb as inb

form = inb.save_form(inb.MemoryStore())
loaded, asked = threading.Event(), threading.Event()
form.summary.observe(lambda change: change.new and loaded.set(), "value")
form.question.observe(lambda change: change.new and asked.set(), "value")
print(form.workflow_id.comm.comm_id, form.fields.error.comm.comm_id, form.review.comm.comm_id)
"""
LOADED = "loaded.wait(30) and form.wait()"
ASKED = "question = asked.wait(30) and form.question.markup"


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


@pytest.fixture
def kernel() -> Iterator[LiveKernel]:
    with live_kernel() as kernel:
        yield kernel


def test_a_click_comes_after_what_was_typed_before_it(kernel: LiveKernel) -> None:
    workflow_id, error, review = kernel.run(FORM).split()
    page = Page(kernel)
    page.type(workflow_id, "order-7")
    kernel.run(LOADED)
    kernel.client.execute(ASKED)  # a cell that is busy until the click is answered
    page.type(error, "gave up")
    page.click(review)
    assert "<ins>gave up</ins>" in kernel.run("print(question)")


def test_a_click_is_heard_in_a_notebook_that_was_closed_and_opened_again(
    kernel: LiveKernel,
) -> None:
    workflow_id, _, review = kernel.run(FORM).split()
    page = Page(kernel)
    page.type(workflow_id, "order-7")
    kernel.run(LOADED)
    page.leave()
    Page(kernel).click(review)
    kernel.run(ASKED)
    assert "Create order-7?" in kernel.run("print(question)")
