"""The same lines in a notebook's cells and in a button's callback, in a real kernel."""

from __future__ import annotations

import json

from live_kernel import live_kernel

START = """
import asyncio, json, time
import inngest_nb as inb

executor = inb.Executor(inb.MemoryStore())
given = {"speed": 500, "order": 3}
"""


def test_in_cells_blocking_awaited_and_in_a_buttons_callback() -> None:
    with live_kernel() as kernel:
        kernel.run(START)
        blocking = kernel.run(
            "print(json.dumps(executor.execute(inb.samples.order, input=given).result(60)))"
        )
        awaited = kernel.run(
            "print(json.dumps(await executor.execute(inb.samples.order, input=given)))"
        )
        clicked = kernel.run(
            """
import ipywidgets
button, results = ipywidgets.Button(), []
button.on_click(
    lambda _: results.append(executor.execute(inb.samples.order, input=given).result(60))
)
button.click()
print(json.dumps(results[0]))
"""
        )
        expected = {"order": 3, "charged": 99.5, "shelf": "B-12", "tracking": "PX00000003"}
        assert [json.loads(text) for text in (blocking, awaited, clicked)] == [expected] * 3


def test_a_run_goes_on_while_another_cell_blocks() -> None:
    with live_kernel() as kernel:
        kernel.run(START)
        kernel.run("handle = executor.execute(inb.samples.import_rows, input={'speed': 20})")
        # This cell blocks the kernel's main thread, without waiting for the run.
        status = kernel.run(
            """
deadline = time.monotonic() + 20
while handle.status == "running" and time.monotonic() < deadline:
    pass
print(handle.status)
"""
        )
        assert status.strip() == "completed"
