"""Which line of a workflow's own code runs, waits, or asks for something."""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import os
import threading
from types import CoroutineType, FrameType
from typing import Any, NamedTuple

# Between the code's own line and the innermost one lie frames of these, and around it too.
_BETWEEN = (
    os.path.dirname(os.path.dirname(__file__)) + os.sep,  # the engine
    os.path.dirname(asyncio.__file__) + os.sep,
    contextlib.__file__,
    threading.__file__,
)


class Place(NamedTuple):
    """A line of code, and perhaps the function that it is in."""

    file: str
    line: int
    function: str = ""

    @property
    def text(self) -> str:
        """The line of code, if its source can be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        """Say where it is, for people: a notebook's cells have files that nobody knows."""
        if not self.file:
            return self.function
        folder, file = os.path.split(self.file)
        in_cell = os.path.basename(folder).startswith("ipykernel_")
        line = f"line {self.line} of a cell" if in_cell else f"{file}:{self.line}"
        return f"{self.function}, {line}" if self.function else line


NOWHERE = Place("", 0, "code that has no lines")


def place_of(frame: FrameType | None) -> Place:
    """Return the innermost line at or around a frame that is neither the engine's nor asyncio's."""
    while frame is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame = frame.f_back
    if frame is None:
        return NOWHERE
    return Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def place_in(coro: Any) -> Place:
    """Return the innermost such line of a coroutine that waits."""
    found = NOWHERE
    while isinstance(coro, CoroutineType):
        if (place := place_of(coro.cr_frame)) is not NOWHERE:
            found = place
        coro = coro.cr_await
    return found
