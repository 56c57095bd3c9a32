"""The magics in a real IPython shell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from IPython.core.error import UsageError
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
        ('--input {"title": "a  b"}["title"]', "a  ba  b"),
        ('--input "costs $5 in {braces}"', "costs $5 in {braces}" * 2),
        ('--input "it\'s --id x"', "it's --id xit's --id x"),
        ("--input -5", -10),
    ],
)
def test_a_cells_last_function_runs_as_a_workflow(
    shell: Any, store: inb.MemoryStore, line: str, result: Any
) -> None:
    live = shell.run_cell_magic("workflow", line, WORKFLOW)
    assert isinstance(live, LiveRun)
    assert live.result() == result
    assert live.store is store
    assert live.id == "my run" if line.startswith("--id") else live.id.startswith("doubled-")
    assert callable(shell.user_ns["doubled"])


@pytest.mark.parametrize(
    "given",
    [
        '{"title": "a  b"}',
        '{"amount": -5}',
        '{"price": "costs $5", "open": true, "by": null}',
        '{"LATER": "$LATER {LATER}"}',
    ],
)
def test_an_input_is_taken_as_it_stands_to_the_end_of_the_line(
    shell: Any, store: inb.MemoryStore, given: str
) -> None:
    cell = "LATER = 1\nasync def echo(ctx, given):\n    return given"
    live = shell.run_cell(f"%%workflow --id of-$name --input {given}  \n{cell}").result
    assert live.state.input == live.result() == json.loads(given)


def test_an_input_that_is_neither_json_nor_python_is_refused_before_the_cell_runs(
    shell: Any, store: inb.MemoryStore
) -> None:
    with pytest.raises(Exception, match=r"--input is neither JSON \(.*column 7.*\) nor an expr"):
        shell.run_cell_magic("workflow", '--input {"a": }', WORKFLOW)
    assert "LATER" not in shell.user_ns


def test_a_cell_may_await(shell: Any, store: inb.MemoryStore) -> None:
    cell = """
import asyncio
await asyncio.sleep(0)
number = await asyncio.sleep(0, 21)

async def doubled(ctx, given):
    return given * 2
"""
    shell.run_cell("async def failing():\n    raise KeyError('table')")
    live = shell.run_cell(f"%%workflow --input number\n{cell}").result
    assert live.result() == 42
    with pytest.raises(KeyError, match="table"):
        shell.run_cell_magic("workflow", "", f"await failing()\n{cell}")


def test_a_cell_may_await_in_a_kernel_whose_loop_is_running() -> None:
    body = "async def echo(ctx, given):\n    return given"
    with live_kernel() as kernel:
        kernel.run("%load_ext inngest_nb\nimport asyncio, inngest_nb\ns = inngest_nb.MemoryStore()")
        assert kernel.run(
            f"%%workflow --input x\nx = await asyncio.sleep(0.1, 'seen')\nprint(x)\n{body}"
        ).startswith("seen")


def test_a_cell_without_a_function_is_refused_before_it_runs(
    shell: Any, store: inb.MemoryStore
) -> None:
    with pytest.raises(Exception, match="needs a cell that defines a function"):
        shell.run_cell_magic("workflow", "", "ran = True")
    assert "ran" not in shell.user_ns
    assert len(store.list()) == 31


def test_a_store_of_any_name_is_found_and_one_is_named_where_there_are_several(shell: Any) -> None:
    mine, other = inb.MemoryStore(), inb.MemoryStore()
    inb.samples.fill(mine, 2)
    shell.user_ns |= {"mine": mine, "also_mine": mine, "_hidden": other, "kind": inb.MemoryStore}
    assert len(shell.run_line_magic("workflows", "")) == 2
    shell.user_ns["other"] = other
    with pytest.raises(
        Exception, match="several variables hold stores: also_mine, other; .*--store"
    ):
        shell.run_line_magic("workflows", "")
    assert len(shell.run_line_magic("workflows", "--store other")) == 0
    shell.user_ns["store"] = mine
    assert len(shell.run_line_magic("workflows", "")) == 2
    for wrong in ("nowhere", "kind"):
        with pytest.raises(Exception, match=f"--store {wrong}: no variable"):
            shell.run_line_magic("workflows", f"--store {wrong}")


def test_the_store_of_use_comes_before_those_that_are_found(
    shell: Any, store: inb.MemoryStore
) -> None:
    used = inb.use(inb.MemoryStore())
    try:
        assert len(shell.run_line_magic("workflows", "")) == 0
        used.save(inb.WorkflowState(workflow_id="only"))
        assert len(shell.run_line_magic("workflows", "")) == 1
    finally:
        inb.use(None)
    assert len(shell.run_line_magic("workflows", "")) == len(store.list())


def test_without_a_store_the_environment_says_where(
    shell: Any, state_server: inb.StateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNGEST_NB_URL", state_server.url)
    with inb.InngestStore(base_url=state_server.url) as store:
        inb.samples.fill(store, 4)
    assert len(shell.run_line_magic("workflows", "")) == 4


COUNT = "select status,\n  count(*) as n\nfrom workflows\ngroup by all order by 1"


def test_a_cell_in_sql_returns_the_answer_as_a_frame(shell: Any, store: inb.MemoryStore) -> None:
    rows = shell.run_cell(f"%%workflows_sql\n{COUNT}").result
    counts = inb.frame(store)["status"].astype("str").value_counts().sort_index()
    assert rows.values.tolist() == [[word, count] for word, count in counts.items()]
    assert "answer" not in shell.user_ns
    shell.user_ns["other"] = inb.MemoryStore()
    kept = shell.run_cell(f"%%workflows_sql --store other --as answer\n{COUNT}").result
    assert kept is shell.user_ns["answer"]
    assert (len(kept), kept.attrs["source"]) == (0, "MemoryStore()")


def test_a_cell_in_sql_is_taken_as_it_stands(shell: Any, store: inb.MemoryStore) -> None:
    shell.user_ns["x"] = "expanded"
    rows = shell.run_cell("%%workflows_sql\nselect '{x} $x' as x -- {x}\nfrom range(1)").result
    assert rows.values.tolist() == [["{x} $x"]]


@pytest.mark.parametrize(
    ("line", "cell", "said"),
    [
        (
            "",
            "select nope\nfrom workflows",
            r"LINE 1: select nope(?s:.*)The columns of workflows are",
        ),
        ("", "from runs", "can read the tables workflows, activities, events"),
        ("", "-- nothing", "query must be a single SELECT"),
        ("--store nowhere", "select 1", "--store nowhere: no variable"),
        ("--as 3x", "select 1", "--as 3x: not a valid variable name; choose one such as failed"),
        ("--as class", "select 1", "--as class: not a valid variable name"),
    ],
)
def test_a_cell_in_sql_that_makes_no_sense_says_so_and_nothing_else(
    shell: Any, store: inb.MemoryStore, line: str, cell: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        shell.run_cell_magic("workflows_sql", line, cell)


def test_the_help_of_the_magics_names_their_options(shell: Any) -> None:
    help_of = shell.find_cell_magic("workflows_sql").__doc__
    assert "%workflows_sql [--as VARIABLE] [--store NAME]" in help_of
    assert "Return the answer to the cell" in help_of


def test_the_magics_are_gone_when_the_extension_is(shell: Any) -> None:
    shell.run_line_magic("unload_ext", "inngest_nb")
    left = [name for kind in shell.magics_manager.magics.values() for name in kind]
    assert [name for name in left if "workflow" in name] == []


def test_the_magics_are_there_only_after_load_ext() -> None:
    look = "sorted(name for kind in get_ipython().magics_manager.magics.values() for name in kind if 'workflow' in name)"
    with live_kernel() as kernel:
        assert kernel.run(f"import inngest_nb\n{look}") == "[]"
        assert (
            kernel.run(f"%load_ext inngest_nb\n{look}")
            == "['workflow', 'workflow', 'workflows', 'workflows_sql']"
        )
