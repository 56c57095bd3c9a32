"""`asyncio.run` in a cell, in real kernels."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_kernel import LiveKernel, live_kernel

import inngest_nb
from inngest_nb import StateServer

RUN_IN_A_CELL = """
import asyncio
async def answer():
    await asyncio.sleep(0.05)
    return 42
print(asyncio.run(answer()))
"""

# The front end answers the widget while the nested run is on. The old package loses that
# message, and with it every cell that waits.
WIDGET_THEN_RUN = """
import asyncio, ipywidgets
display(ipywidgets.IntSlider())
async def a_while():
    await asyncio.sleep(0.5)
    return "ran"
print(asyncio.run(a_while()))
"""


@pytest.fixture(scope="module")
def nested() -> Iterator[LiveKernel]:
    """A kernel in which nesting was asked for."""
    with live_kernel() as kernel:
        assert "RuntimeError" in kernel.outcome(RUN_IN_A_CELL).error
        kernel.run("import inngest_nb as inb; inb.enable_nested_asyncio()")
        yield kernel


@pytest.fixture(scope="module")
def old() -> Iterator[LiveKernel]:
    """A kernel whose loop the old package has patched."""
    with live_kernel() as kernel:
        kernel.run("import nest_asyncio; nest_asyncio.apply()")
        yield kernel


def test_asyncio_run_works_in_a_cell_and_twice_is_harmless(nested: LiveKernel) -> None:
    assert nested.run(RUN_IN_A_CELL) == "42\n"
    nested.run("inb.enable_nested_asyncio(); inb.enable_nested_asyncio()")
    assert nested.run(RUN_IN_A_CELL) == "42\n"
    assert nested.run("print(await answer())") == "42\n"


def test_run_all_loses_no_cell(nested: LiveKernel) -> None:
    cells = [WIDGET_THEN_RUN, "print('second')", WIDGET_THEN_RUN, "print('last')"]
    outcomes = nested.run_all(cells)
    assert [outcome.error for outcome in outcomes] == [""] * 4
    shown = [outcome.text.removeprefix("IntSlider(value=0)") for outcome in outcomes]
    assert shown == ["ran\n", "second\n", "ran\n", "last\n"]
    assert outcomes[0].comms
    assert outcomes[2].comms


def test_the_old_package_afterwards_changes_nothing(nested: LiveKernel) -> None:
    nested.run("import nest_asyncio; nest_asyncio.apply()")
    nested.run("inb.enable_nested_asyncio()")
    assert [outcome.error for outcome in nested.run_all([WIDGET_THEN_RUN, "1"])] == ["", ""]


def test_the_async_store_runs_in_a_cell(nested: LiveKernel, tmp_path: Path) -> None:
    with StateServer(tmp_path / "state.db", port=0) as server:
        nested.run(f"store = inb.AsyncInngestStore({server.url!r})")
        nested.run("asyncio.run(store.save(inb.WorkflowState(workflow_id='x', status='failed')))")
        assert nested.run("print(asyncio.run(store.load('x')).status)") == "failed\n"
        assert nested.run("print((await store.load('x')).status)") == "failed\n"
        assert nested.run("print(asyncio.run(store.load('y')))") == "None\n"
        nested.run("asyncio.run(store.aclose())")


def test_an_embedded_server_runs_beside_a_nested_loop(nested: LiveKernel, tmp_path: Path) -> None:
    nested.run(f"local = inb.local({str(tmp_path / 'state.db')!r})")
    nested.run("local.save(inb.WorkflowState(workflow_id='wf-1', status='running'))")
    assert nested.run("print(local.refresh()); local.close()") == "1\n"


def test_an_error_in_a_nested_run_reaches_the_cell(nested: LiveKernel) -> None:
    cell = "async def fail(): raise LookupError('gone')\nasyncio.run(fail())"
    assert nested.outcome(cell).error == "LookupError: gone"
    assert nested.run(RUN_IN_A_CELL) == "42\n"


def test_after_the_old_package_it_refuses_and_names_the_cure(old: LiveKernel) -> None:
    error = old.outcome("import inngest_nb as inb; inb.enable_nested_asyncio()").error
    assert error.startswith("NestedAsyncioError: ")
    assert "nest_asyncio.apply()" in error
    assert "restart the kernel" in error
    assert old.run("print('nest_asyncio2' in __import__('sys').modules)") == "False\n"


def test_server_and_stores_work_on_a_loop_the_old_package_patched(
    old: LiveKernel, tmp_path: Path
) -> None:
    old.run(f"import inngest_nb as inb; store = inb.local({str(tmp_path / 'state.db')!r})")
    old.run("store.save(inb.WorkflowState(workflow_id='wf-1', status='running'))")
    assert old.run("print(store.load('wf-1').status, store.refresh())") == "running 1\n"
    old.run("store.close()")


def test_a_loop_that_cannot_be_nested_is_refused_untouched() -> None:
    pytest.importorskip("uvloop", reason="uvloop is not made for Windows")
    script = """
import asyncio, uvloop
import inngest_nb as inb
task = asyncio.Task

async def main():
    try:
        inb.enable_nested_asyncio()
    except inb.errors.NestedAsyncioError as error:
        print(error)

uvloop.run(main())
assert asyncio.Task is task
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "uvloop.Loop cannot be nested" in done.stdout


def test_in_a_plain_script_a_run_within_a_run_shares_the_loop() -> None:
    script = """
import asyncio
import inngest_nb as inb
inb.enable_nested_asyncio()

async def loop(): return asyncio.get_running_loop()
async def outer(): return asyncio.run(loop()) is asyncio.get_running_loop()
print(asyncio.run(outer()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_the_import_patches_nothing() -> None:
    assert callable(inngest_nb.enable_nested_asyncio)
    assert not hasattr(asyncio, "_nest_patched")
