"""Finds the line of a workflow's own code that is running, waiting or making a call."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import linecache
import os
import sys
import threading
from types import CoroutineType, FrameType
from typing import Any, NamedTuple

# Frames that are not the workflow's own code: those of the engine, asyncio and similar.
_NOT_OURS = (
    os.path.dirname(os.path.dirname(__file__)) + os.sep,  # the engine
    os.path.dirname(asyncio.__file__) + os.sep,
    contextlib.__file__,
    threading.__file__,
)


class Place(NamedTuple):
    """A line of code, and the function that it is in, if that is known."""

    file: str
    line: int
    function: str = ""

    @property
    def text(self) -> str:
        """The line of code, if its source can be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        """Return the place for people to read; the file name of a cell would mean nothing."""
        if not self.file:
            return self.function
        cell = _cell_of(self.file)
        line = f"{cell}, line {self.line}" if cell else f"{os.path.basename(self.file)}:{self.line}"
        return f"{self.function}, {line}" if self.function else line


def _cell_of(file: str) -> str:
    """Return the name of the cell that a kernel's file belongs to, as `In [3]`; "" if to none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    named = shell.compile.format_code_name(file) if shell else None
    if named:
        return str(named[1]).replace("In[", "In [")
    folder = os.path.basename(os.path.dirname(file))
    return "a cell" if folder.startswith("ipykernel_") else ""  # of a kernel that has ended


@functools.lru_cache(maxsize=1024)
def _is_own(file: str) -> bool:
    """Tell whether a file is the workflow's own code; asked for each frame of each call."""
    return not file.startswith(_NOT_OURS)


NOWHERE = Place("", 0, "code without source lines")


def place_of(frame: FrameType | None) -> Place:
    """Return the innermost line of a frame's stack that is neither the engine's nor asyncio's."""
    while frame is not None and not _is_own(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return NOWHERE
    return Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def place_of_error(error: BaseException) -> Place:
    """Return the innermost such line in an error's traceback."""
    found, trace = NOWHERE, error.__traceback__
    while trace is not None:
        if _is_own(trace.tb_frame.f_code.co_filename):
            code = trace.tb_frame.f_code
            found = Place(code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next
    return found


def place_in(coro: Any) -> Place:
    """Return the innermost such line of a suspended coroutine."""
    found = NOWHERE
    while isinstance(coro, CoroutineType):
        if (place := place_of(coro.cr_frame)) is not NOWHERE:
            found = place
        coro = coro.cr_await
    return found
