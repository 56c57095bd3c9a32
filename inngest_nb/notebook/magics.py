"""`%workflows`, `%workflow`, `%%workflow` and `%%workflows_sql`: the most common tasks."""

from __future__ import annotations

import ast
import asyncio
import concurrent.futures
import contextvars
import inspect
import json
import keyword
import re
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from inngest_nb.frames import default_store, frame, is_store
from inngest_nb.frames.sql import sql
from inngest_nb.notebook.live import HEARING, LiveRun, run
from inngest_nb.notebook.timeline import Timeline, timeline
from inngest_nb.store import InngestStore, WorkflowStore, is_async
from inngest_nb.words import store_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WorkflowMagics"]

_INPUT = re.compile(r"(?:^|\s)--input(?:=|\s+|$)")

_STORE = argument(
    "--store",
    metavar="NAME",
    help="variable that holds the store; default: the store of inb.use(), else the variable "
    "`store`, else the only variable with a store, else InngestStore()",
)


@magics_class
class WorkflowMagics(Magics):
    """The magics of `%load_ext inngest_nb`. Each returns what it shows."""

    shell: Any

    @magic_arguments()
    @argument("--status", help="only workflows with this status, such as failed")
    @argument("--limit", type=int, default=0, help="show only the newest LIMIT; default: all")
    @_STORE
    @line_magic
    def workflows(self, line: str) -> pd.DataFrame:
        """Return the workflows of a store as a frame."""
        given = parse_argstring(self.workflows, line)
        return frame(self._store(given.store), status=given.status, limit=given.limit)

    @magic_arguments()
    @argument("id", nargs="+", help="the workflow's id, without quotes")
    @_STORE
    @line_magic
    def workflow(self, line: str) -> Timeline:
        """Return a stored workflow as a timeline."""
        given = parse_argstring(self.workflow, line)
        workflow_id = _unquoted(given.id)
        store = self._store(given.store)
        state = store.load(workflow_id)
        if state is None:
            raise UsageError(
                f"no workflow {workflow_id!r} in {store_name(store)}; %workflows lists them"
            )
        return timeline(state)

    @magic_arguments()
    @argument("--as", dest="variable", metavar="VARIABLE", help="variable to keep the answer in")
    @_STORE
    @cell_magic
    def workflows_sql(self, line: str, cell: str) -> pd.DataFrame:
        """Return the answer to the cell, an SQL query over a store, as a frame.

        The tables are workflows, activities and events; help(inngest_nb.sql) describes them.
        """
        given = parse_argstring(self.workflows_sql, line)
        name = given.variable
        if name is not None and (keyword.iskeyword(name) or not name.isidentifier()):
            raise UsageError(f"--as {name}: not a valid variable name; choose one such as failed")
        try:
            rows = sql(cell, self._store(given.store))
        except ValueError as error:  # in its own words: the place is marked in the cell
            raise UsageError(str(error)) from None
        if name is not None:
            self.shell.user_ns[name] = rows
        return rows

    @magic_arguments()
    @argument("--id", nargs="+", help="id to store the run under; default: a new one")
    @_STORE
    @argument(
        "--input",
        nargs="...",
        help='input of the run: JSON or an expression, such as {"order": 42} or order; it takes '
        "the rest of the line, so it comes last",
    )
    @cell_magic("workflow")
    @no_var_expand
    def run_cell(self, line: str, cell: str) -> LiveRun:
        """Run the cell, and then the last function that it defines as a workflow."""
        head, text = _parted(line)
        given = parse_argstring(self.run_cell, self.shell.var_expand(head))
        input_given = _Input(text)
        source = self.shell.transform_cell(cell)
        name = _last_function(source)
        store = self._store(given.store)
        self._execute(source)
        value = input_given.value(self.shell)
        function = self.shell.user_ns[name]
        return run(function, value, id=_unquoted(given.id) if given.id else None, store=store)

    def _execute(self, source: str) -> None:
        """Execute the cell here; one that awaits on a loop of its own, as this one is in use."""
        place = self.shell.compile.cache(source, self.shell.execution_count)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self.shell.compile.flags
        code = compile(source, place, "exec", flags=flags, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:
            _finish(eval(code, self.shell.user_global_ns, self.shell.user_ns))  # noqa: S307
        else:
            self.shell.ex(code)

    def _store(self, name: str | None) -> WorkflowStore:
        """Return the store to work with, and say how to name one if that is not clear."""
        variables: dict[str, Any] = self.shell.user_ns
        if name is not None:
            if _is_ours(variables.get(name)):
                return variables[name]  # type: ignore[no-any-return]
            raise UsageError(f"--store {name}: no variable of that name holds a store")
        if (used := default_store()) is not None:
            return used
        if _is_ours(variables.get("store")):
            return variables["store"]  # type: ignore[no-any-return]
        # What was shown last is kept as _ and _3 too.
        found = {
            id(value): (name, value)
            for name, value in variables.items()
            if not name.startswith("_") and _is_ours(value)
        }
        if len(found) > 1:
            names = ", ".join(sorted(name for name, _ in found.values()))
            raise UsageError(f"several variables hold stores: {names}; choose one by --store NAME")
        return next((store for _, store in found.values()), None) or InngestStore()


def _is_ours(value: Any) -> bool:
    """Tell whether a value is a store that needs no `await`."""
    return is_store(value) and not is_async(value)


class _Input:
    """What stands behind `--input`: JSON, else an expression, whose names the cell may define."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._json: list[Any] = []
        if not text:
            return
        try:
            self._json.append(json.loads(text))
        except ValueError as error:
            try:
                compile(text, "--input", "eval")
            except SyntaxError as wrong:
                raise UsageError(
                    f"--input is neither JSON ({error}) nor an expression ({wrong.msg}): {text}"
                ) from None

    def value(self, shell: Any) -> Any:
        """Return the value; None if no input was given."""
        if self._json or not self._text:
            return self._json[0] if self._json else None
        return shell.ev(self._text)


def _parted(line: str) -> tuple[str, str]:
    """Split a line into its options and the text of the input."""
    found = _INPUT.search(line)
    if found is None:
        return line, ""
    text = line[found.end() :].strip()
    if not text:
        raise UsageError('--input needs JSON or an expression, such as --input {"order": 42}')
    return line[: found.start()], text


def _finish(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine to its end in a thread of its own; an interrupt cancels it."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine, context=(context := contextvars.copy_context()))
    done: concurrent.futures.Future[None] = concurrent.futures.Future()

    def work() -> None:
        try:
            done.set_result(loop.run_until_complete(task))
        except BaseException as error:  # noqa: BLE001  # raised in the cell
            done.set_exception(error)
        finally:
            loop.close()

    threading.Thread(target=context.copy().run, args=(work,), daemon=True).start()
    try:
        while not concurrent.futures.wait([done], HEARING).done:
            pass
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        raise
    done.result()


def _last_function(cell: str) -> str:
    """Return the name of the last function that a cell defines."""
    names = [
        node.name
        for node in ast.parse(cell).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    if not names:
        raise UsageError(
            "%%workflow needs a cell that defines a function, such as "
            "async def order(ctx, input): ..."
        )
    return names[-1]


def _unquoted(words: list[str]) -> str:
    """Return words of the line as one text, without the quotes around it if there are any."""
    text = " ".join(words)
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text
