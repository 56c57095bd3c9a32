"""Names of workflows: a stored run finds its own code again, and never somebody else's."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from executor_stores import CheckedStore

import inngest_nb as inb
from inngest_nb import AsyncWorkflowContext, Executor, WorkflowHandle
from inngest_nb.engine import Workflows

MODULE = """
import inngest_nb as inb

@inb.workflow{arguments}
async def order(ctx):
    return [{says!r}, await ctx.receive_signal("go")]
"""


async def order(ctx: AsyncWorkflowContext, given: Any = None) -> list[Any]:
    """A user's own workflow, which is called as one of the samples is."""
    return ["mine", await ctx.receive_signal("go")]


def leave_one(store: CheckedStore, fn: Callable[..., Any], known_as: str | None = None) -> None:
    """Store a run that waits, as by a process that died; under a name of old, if given."""
    with Executor(store) as executor:
        until_waiting(executor.execute(fn, id="w"))
    if known_as is not None:
        state = store.load("w")
        assert state is not None
        begun = state.history[0].replace(workflow=known_as)
        store.save(state.replace(history=(begun, *state.history[1:])))


def until_waiting(handle: WorkflowHandle) -> None:
    deadline = time.monotonic() + 60
    while not handle.waiting_for:
        assert time.monotonic() < deadline


def recorded(store: CheckedStore) -> Any:
    state = store.load("w")
    assert state is not None
    return state.history[0].workflow


def write(folder: Path, name: str, says: str, arguments: str = "") -> Any:
    (folder / f"{name}.py").write_text(MODULE.format(says=says, arguments=arguments))
    importlib.invalidate_caches()
    return importlib.import_module(name)


def test_a_sample_never_takes_a_users_run_of_the_same_name(store: CheckedStore) -> None:
    assert inb.samples.order
    mine = inb.workflow(order)
    leave_one(store, mine)
    assert recorded(store) == f"{__name__}:order"
    with Executor(store) as executor:
        (handle,), left = executor.recover()
        executor.signal("w", inb.Signal("go", 1))
        assert (handle.result(60), left) == (["mine", 1], {})


@pytest.mark.parametrize("known_as", ["order", "inngest_nb.samples:nothing"])
def test_a_name_that_only_a_sample_has_is_nobodys(store: CheckedStore, known_as: str) -> None:
    leave_one(store, order, known_as)
    only_samples = Workflows()
    only_samples.add(inb.samples.order, "inngest_nb.samples:order", 1)
    with Executor(store, workflows=only_samples) as executor:
        handles, left = executor.recover()
    assert handles == ()
    assert f"'w' is a run of {known_as!r}" in left["w"]


def test_samples_are_recovered_by_names_of_their_own(store: CheckedStore) -> None:
    with Executor(store) as executor:
        until_waiting(executor.execute(inb.samples.approval, id="w", input={"speed": 1000}))
    assert recorded(store) == "inngest_nb.samples:approval"
    with Executor(store) as executor:
        (handle,), _ = executor.recover()
        executor.signal("w", inb.Signal("approve", False))
        assert handle.result(60)["outcome"] == "rejected"


def test_an_old_name_without_its_module_is_that_of_the_only_such_function(
    store: CheckedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    leave_one(store, order, "order")
    one, other = write(tmp_path, "one_shop", "one"), write(tmp_path, "other_shop", "other")
    code = Workflows()
    code.add(one.order, "one_shop:order", 1)
    code.add(other.order, "other_shop:order", 1)
    with Executor(store, workflows=code) as executor:
        handles, left = executor.recover()
        assert handles == ()
        assert "registered workflows: 'one_shop:order', 'other_shop:order'" in left["w"]
    code = Workflows()
    code.add(other.order, "other_shop:order", 1)
    with Executor(store, workflows=code) as executor:
        (handle,), _ = executor.recover()
        executor.signal("w", inb.Signal("go", 2))
        assert handle.result(60) == ["other", 2]


def test_a_second_function_of_a_name_is_refused_and_the_first_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    named = '(name="a shop\'s order")'
    first = write(tmp_path, "first_shop", "first", named)
    with pytest.raises(ValueError, match="registered for 'first_shop:order', so 'second_shop:or"):
        write(tmp_path, "second_shop", "second", named)
    # Defined again, as a cell is that runs twice, and a module that is loaded anew.
    again = importlib.reload(first)
    code = Workflows()
    code.add(first.order, "name", 1)
    code.add(again.order, "name", 1)
    assert code.find("name") is again.order
    code.add(order, "name", 2)  # another version may be another function
    with pytest.raises(
        ValueError,
        match="version 1 of workflow 'name' is already registered for 'first_shop:order'",
    ):
        code.add(order, "name", 1)
    assert code.find("name", 1) is again.order


def test_a_cell_that_runs_again_replaces_its_workflow() -> None:
    cell = "@inb.workflow\nasync def a_cells_order(ctx):\n    return {}"
    names: dict[str, Any] = {"__name__": "__main__", "inb": inb}
    for number in (1, 2):
        text = cell.format(number)
        exec(compile(text, f"ipykernel_1/{number}.py", "exec"), names)  # noqa: S102
    with Executor() as executor:
        assert executor.execute(names["a_cells_order"]).result(60) == 2


def test_a_scripts_workflow_has_the_name_under_which_others_import_it(tmp_path: Path) -> None:
    script = tmp_path / "shop_script.py"
    script.write_text(
        "import json, sys\n"
        + MODULE.format(arguments="", says="script")
        + "if __name__ == '__main__':\n"
        "    with inb.Executor() as executor:\n"
        "        handle = executor.execute(order)\n"
        "        executor.signal(handle.id, inb.Signal('go'))\n"
        "        handle.result(60)\n"
        "        print(json.dumps(handle.state.history[0].workflow))\n"
    )
    done = subprocess.run(
        [sys.executable, script], env=os.environ, capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == "shop_script:order", done.stderr
