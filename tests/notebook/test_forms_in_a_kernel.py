"""Forms in a real kernel, where a page's messages are handled beside the cells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_kernel import LiveKernel, Page, live_kernel

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
