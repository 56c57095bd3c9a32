"""How states, handles, checkups, workers and errors look in IPython's cells.

Also where only the door was imported.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from inngest_nb import words
from inngest_nb.errors import InngestError, InngestNbError

__all__ = ["attach", "detach"]

# By name, so that nothing has to be imported before one of them is shown.
_SHOWN_AS_TIMELINE = (
    ("inngest_nb.state", "WorkflowState"),
    ("inngest_nb.engine._handle", "WorkflowHandle"),
    ("inngest_nb.worker._handle", "InngestHandle"),
)
_SHOWN_AS_FINDINGS = ("inngest_nb.findings", "Checkup")
_SHOWN_AS_NOTICE = ("inngest_nb.worker._worker", "InngestWorker")
_MAGICS = {"line": ("workflow", "workflows"), "cell": ("workflow", "workflows_sql")}
# Frames between a cell and an error that tell its reader nothing.
_HIDDEN = frozenset(
    {"inngest_nb", "IPython", "ipykernel", "asyncio", "concurrent", "contextlib", "threading"}
    | {"httpx", "httpcore", "h11", "anyio", "sniffio"}
)
_SHOWN = "inngest_nb.samples"
_MOST_NAMES = 200  # characters


def attach(shell: Any) -> None:
    """Show states and handles as timelines, and our errors without the frames of libraries."""
    html = shell.display_formatter.formatters["text/html"]
    for module, name in _SHOWN_AS_TIMELINE:
        html.for_type_by_name(module, name, _timeline_html)
    html.for_type_by_name(*_SHOWN_AS_FINDINGS, _findings_html)
    html.for_type_by_name(*_SHOWN_AS_NOTICE, _worker_html)
    kind: Any = InngestNbError
    kind._render_traceback_ = _rendered  # IPython's hook


def detach(shell: Any) -> None:
    """Undo `attach`, and take the magics away."""
    html = shell.display_formatter.formatters["text/html"]
    for module, name in (*_SHOWN_AS_TIMELINE, _SHOWN_AS_FINDINGS, _SHOWN_AS_NOTICE):
        html.pop(f"{module}.{name}", None)
    for kind, names in _MAGICS.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    if "_render_traceback_" in vars(InngestNbError):
        del InngestNbError._render_traceback_  # type: ignore[attr-defined]


def _timeline_html(workflow: Any) -> str | None:
    from inngest_nb.notebook.timeline import timeline

    try:
        return timeline(workflow)._repr_mimebundle_()["text/html"]
    except InngestError:
        return None  # the server of a handle's run is away: the repr is left


def _findings_html(checkup: Any) -> str:
    from inngest_nb.notebook.page import output

    return str(output("findings", checkup=checkup))


def _worker_html(worker: Any) -> str:
    from inngest_nb.notebook.page import output

    names = words.short(", ".join(worker.functions), _MOST_NAMES)
    error = "" if worker.error is None else words.short(str(worker.error), _MOST_NAMES)
    notice = {
        "kind": {"active": "done", "away": "warn"}.get(worker.state, "note"),
        "headline": f"Worker {worker.app_id!r} is {worker.state}",
        "lines": [f"It serves {names} on {worker.url} via {worker.via}", *filter(None, [error])],
        "changes": None,
        "hints": [],
    }
    return str(output("notice", **notice))


def _rendered(error: BaseException) -> list[str]:
    """Return the lines of a traceback as the shell colours them."""
    from IPython import get_ipython

    shell: Any = get_ipython()
    with _trimmed(error):
        if shell is None or error.__traceback__ is None:
            return [line.rstrip("\n") for line in traceback.format_exception_only(error)]
        lines: list[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, error.__traceback__, tb_offset=0
        )
        return lines


@contextmanager
def _trimmed(error: BaseException) -> Iterator[None]:
    """Take the hidden frames out of an error and its causes, and put them back afterwards.

    A cause that has no others is left out: the error has its words.
    """
    before = []
    each: BaseException | None = error
    seen: set[int] = set()
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        cause, context, suppressed = each.__cause__, each.__context__, each.__suppress_context__
        before.append((each, each.__traceback__, cause, context, suppressed))
        each.__traceback__ = _visible(each.__traceback__)
        following = cause if cause is not None or suppressed else context
        if following is not None and _visible(following.__traceback__) is None:
            each.__cause__ = following = None
        each = following
    try:
        yield
    finally:
        for each, trace, cause, context, suppressed in before:
            each.__traceback__, each.__cause__, each.__context__ = trace, cause, context
            each.__suppress_context__ = suppressed


def _visible(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without hidden frames; None if no other is left."""
    if trace is None:
        return None
    rest = _visible(trace.tb_next)
    name = str(trace.tb_frame.f_globals.get("__name__", ""))
    if name.partition(".")[0] in _HIDDEN and not name.startswith(_SHOWN):
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
