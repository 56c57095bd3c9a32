"""The magics in a real IPython shell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from live_kernel import live_kernel
from traitlets.config import Config

import inngest_nb as inb
from inngest_nb.notebook.live import LiveRun
from inngest_nb.notebook.timeline import Timeline

WORKFLOW = """
def double(number):
    return 2 * number

async def first(ctx, number):
    raise RuntimeError("not this one")

async def doubled(ctx, number):
    return await ctx.execute_activity(double, number)

LATER = {"a": [21, 4]}
"""


@pytest.fixture(scope="module")
def ipython(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))


@pytest.fixture
def shell(ipython: Any) -> Any:
    ipython.reset()
    ipython.run_line_magic("load_ext", "inngest_nb")
    return ipython


@pytest.fixture
def store(shell: Any) -> inb.MemoryStore:
    store = inb.MemoryStore()
    inb.samples.fill(store, 30)
    store.save(inb.WorkflowState(workflow_id="an id with 'spaces'", status="failed"))
    shell.user_ns["store"] = store
    return store


def test_workflows_returns_a_frame_of_the_store(shell: Any, store: inb.MemoryStore) -> None:
    rows = shell.run_line_magic("workflows", "")
    assert isinstance(rows, pd.DataFrame)
    assert len(rows) == 31
    failed = shell.run_line_magic("workflows", "--status failed")
    assert set(failed["status"]) == {"failed"}
    assert len(shell.run_line_magic("workflows", "--limit 3")) == 3
    assert store is shell.user_ns["store"]


@pytest.mark.parametrize("line", ["an id with 'spaces'", "\"an id with 'spaces'\""])
def test_workflow_returns_the_timeline_of_an_id(
    shell: Any, store: inb.MemoryStore, line: str
) -> None:
    drawn = shell.run_line_magic("workflow", line)
    assert isinstance(drawn, Timeline)
    assert drawn.picture.state == store.load("an id with 'spaces'")


def test_an_unknown_id_is_answered_with_where_to_look(shell: Any, store: inb.MemoryStore) -> None:
    with pytest.raises(Exception, match=r"no workflow 'order-0' in MemoryStore.*%workflows lists"):
        shell.run_line_magic("workflow", "order-0")


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("--input 21", 42),
        ("--id my run --input 21", 42),
        ('--input LATER["a"][0]', 42),
        ('--input {"a": 21}["a"]', 42),
        ("--input=-21", -42),
        ("--input 'x y'", "x yx y"),
    ],
)
def test_a_cells_last_function_runs_as_a_workflow(
    shell: Any, store: inb.MemoryStore, line: str, result: Any
) -> None:
    live = shell.run_cell_magic("workflow", line, WORKFLOW)
    assert isinstance(live, LiveRun)
    assert live.result() == result
    assert live.store is store
    assert live.id == "my run" if "--id" in line else live.id.startswith("doubled-")
    assert callable(shell.user_ns["doubled"])


def test_a_cell_without_a_function_is_refused_before_it_runs(
    shell: Any, store: inb.MemoryStore
) -> None:
    with pytest.raises(Exception, match="wants a cell that defines a function"):
        shell.run_cell_magic("workflow", "", "ran = True")
    assert "ran" not in shell.user_ns
    assert len(store.list()) == 31


def test_a_store_of_any_name_is_found_and_one_is_named_where_there_are_several(shell: Any) -> None:
    mine, other = inb.MemoryStore(), inb.MemoryStore()
    inb.samples.fill(mine, 2)
    shell.user_ns |= {"mine": mine, "also_mine": mine, "_hidden": other, "kind": inb.MemoryStore}
    assert len(shell.run_line_magic("workflows", "")) == 2
    shell.user_ns["other"] = other
    with pytest.raises(Exception, match="several stores are here: also_mine, other; .*--store"):
        shell.run_line_magic("workflows", "")
    assert len(shell.run_line_magic("workflows", "--store other")) == 0
    shell.user_ns["store"] = mine
    assert len(shell.run_line_magic("workflows", "")) == 2
    for wrong in ("nowhere", "kind"):
        with pytest.raises(Exception, match=f"--store {wrong}: no variable"):
            shell.run_line_magic("workflows", f"--store {wrong}")


def test_without_a_store_the_environment_says_where(
    shell: Any, state_server: inb.StateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_BASE_URL", state_server.url)
    with inb.InngestStore(base_url=state_server.url) as store:
        inb.samples.fill(store, 4)
    assert len(shell.run_line_magic("workflows", "")) == 4


def test_the_magics_are_there_only_after_load_ext() -> None:
    look = "sorted(name for kind in get_ipython().magics_manager.magics.values() for name in kind if 'workflow' in name)"
    with live_kernel() as kernel:
        assert kernel.run(f"import inngest_nb\n{look}") == "[]"
        assert (
            kernel.run(f"%load_ext inngest_nb\n{look}") == "['workflow', 'workflow', 'workflows']"
        )
