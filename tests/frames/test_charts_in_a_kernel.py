"""Charts in a real kernel, where a page's messages for widgets are handled beside the cells."""

from __future__ import annotations

from live_kernel import Page, live_kernel

SETUP = """
import threading
import inngest_nb as inb
from inngest_nb import samples
from matplotlib import pyplot

frame = inb.frame(samples.states(20))
pyplot.close(pyplot.figure())  # from now on, all figures are shown after each execution
form = inb.save_form(inb.MemoryStore())
shown = threading.Event()
get_ipython().events.register("post_execute", shown.set)  # after that
print(form.workflow_id.comm.comm_id)
"""
CHART = """
shown.clear()
axes = frame.wf.plot.status()
print("drawn", flush=True)
print(shown.wait(30))
"""


def test_a_chart_is_shown_by_its_cell_while_a_page_talks_to_its_widgets() -> None:
    with live_kernel() as kernel:
        client = kernel.client
        field = kernel.run(SETUP).strip()
        page = Page(kernel)
        cell = client.execute(CHART)
        pictures, printed = [], ""
        while True:
            message = client.get_iopub_msg(timeout=60)
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != cell:
                continue
            if kind == "stream":
                was_drawn, printed = "drawn" in printed, printed + content["text"]
                if "drawn" in printed and not was_drawn:
                    page.type(field, "typed")
            elif kind == "display_data":
                pictures += [content["data"].get("image/svg+xml", "no picture")]
            elif kind == "status" and content["execution_state"] == "idle":
                break
    assert printed.split() == ["drawn", "True"]
    assert len(pictures) == 1
    assert pictures[0].startswith("<?xml")
