"""The doors: what they offer, that type checkers see the same, and how little comes along."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import inngest_nb

PACKAGE = Path(__file__).parent.parent / "inngest_nb"
ROOMS = sorted(
    door.parent.relative_to(PACKAGE).as_posix().replace("/", ".")
    for door in PACKAGE.glob("*/**/__init__.py")
)

IN_A_FRESH_INTERPRETER = """
import json, sys, threading
before = threading.active_count()
import inngest_nb
heavy = {"IPython", "ipywidgets", "jinja2", "pandas", "starlette"} & sys.modules.keys()
print(json.dumps([sorted(heavy), threading.active_count() - before]))
"""


def test_every_public_name_can_be_imported() -> None:
    assert [name for name in inngest_nb.__all__ if not hasattr(inngest_nb, name)] == []


def test_every_error_is_at_the_door() -> None:
    there = vars(import_module("inngest_nb.errors")).values()
    kinds = [kind for kind in there if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 30
    assert [kind for kind in kinds if getattr(inngest_nb, kind.__name__) is not kind] == []
    assert {kind.__name__ for kind in kinds} <= {*inngest_nb.__all__}


def test_the_errors_are_there_in_a_fresh_interpreter() -> None:
    code = "import inngest_nb as inb; assert inb.errors.StoreError is inb.StoreError"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_the_public_names_are_offered_each_once() -> None:
    assert dir(inngest_nb) == inngest_nb.__all__ == sorted(set(inngest_nb.__all__))


def test_type_checkers_see_the_very_names_that_are_loaded_on_first_use() -> None:
    door = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (checked,) = (
        node
        for node in door.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = dict(imported_names(checked))
    assert {*seen, "__version__"} == {*inngest_nb.__all__}
    for name, module in seen.items():
        assert getattr(inngest_nb, name) is getattr(import_module(module), name), name


@pytest.mark.parametrize("room", ROOMS)
def test_the_door_of_a_room_offers_exactly_what_it_imports(room: str) -> None:
    door = ast.parse((PACKAGE / room.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    offered = getattr(import_module(f"inngest_nb.{room}"), "__all__", [])
    assert sorted(offered) == sorted(dict(imported_names(door)))  # ruff sees to the order


def test_the_import_brings_nothing_heavy_and_starts_no_thread() -> None:
    command = [sys.executable, "-c", IN_A_FRESH_INTERPRETER]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(answer) == [[], 0]


def test_an_executor_on_a_file_brings_no_http_client(tmp_path: Path) -> None:
    code = "import sys; from inngest_nb import Executor, SqliteStore; Executor(SqliteStore('s.db'))"
    code += "; assert not {'httpx', 'pandas', 'starlette'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_a_timeline_is_drawn_without_ipywidgets() -> None:
    code = "import sys, inngest_nb as inb; inb.timeline(inb.WorkflowState(workflow_id='a'))"
    command = [sys.executable, "-c", f"{code}; assert 'ipywidgets' not in sys.modules"]
    subprocess.run(command, check=True)


def imported_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each name that `from … import …` binds, with the module it comes from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, str(node.module)) for alias in node.names)
