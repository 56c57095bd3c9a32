"""Being heard: widgets in their order, fields while a cell awaits, and messages from threads."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from typing import Any

__all__ = ["as_running_cell", "confirm_changes", "hear_in_order", "in_voila"]


def hear_in_order(widget: Any) -> None:
    """Handle what a page says to a widget where the page asked for it, as all it says to others.

    ipykernel 7.4 takes the thread (a subshell) that last wrote to the widget instead: a click then
    overtakes what was typed into a field before it, and is lost where that subshell has ended.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):  # which has no public name
        widget.comm._reply_subshell_for = lambda data, asked_for: asked_for  # noqa: SLF001


def confirm_changes(field: Any, trait: str) -> None:
    """Tell the page when a change of a field was handled, where the kernel doesn't.

    A page keeps a change back until it hears that the one before was handled. ipykernel 7.4 handles
    changes while a cell awaits, and never says so: all but the first would be lost, for good.
    """
    field.observe(lambda _: _say_handled(), trait)


def _say_handled() -> None:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # a thread of ours, or of an older kernel
        return
    # Only a message that is handled beside a cell has a task of its own.
    if task is None or getattr(task.get_coro(), "__name__", "") != "dispatch_shell":
        return
    from IPython import get_ipython

    kernel = get_ipython().kernel
    kernel.send_response(kernel.iopub_socket, "status", {"execution_state": "idle"})


def as_running_cell(publish: Callable[..., object], *given: Any, **more: Any) -> None:
    """Send a message that belongs to the cell which is running by now, if the kernel can.

    A notebook that is executed without a browser hears of no other.
    """
    try:
        contextvars.Context().run(publish, *given, **more)
    except LookupError:  # in a thread, ipykernel 7.0 knows only the cell that began all this
        publish(*given, **more)


def in_voila() -> bool:
    """Tell whether a page of Voilà shows the cells: only widgets change there once all have run."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")
