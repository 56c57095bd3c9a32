"""Where a live picture is shown: in a notebook's cell, or as lines in a terminal."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable
from typing import Any, Protocol, TextIO
from uuid import uuid4

from inngest_nb.notebook.page import Area, as_running_cell, in_voila, output
from inngest_nb.notebook.timeline import Picture, headline, picture_bundle, plain_text
from inngest_nb.words import short, visible

__all__ = ["NotebookScreen", "Screen", "screen_here"]


class Screen(Protocol):
    """Shows one picture after the other in the same place."""

    def show(self, picture: Picture, *, last: bool) -> int:
        """Show a picture in place of the one before; return how many characters that took."""


def screen_here() -> Screen:
    """Give the cell that is running, if this is a notebook's kernel, else the terminal."""
    module: Any = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return TerminalScreen(sys.stderr)
    cause = kernel.get_parent().get("header", {}).get("msg_type")
    return WidgetScreen() if cause == "comm_msg" or in_voila() else CellScreen()


class NotebookScreen:
    """A place in a notebook, which may be in the outputs of several cells."""

    def __init__(self) -> None:
        self._cells = {_running_cell()}
        self._shown = False

    def is_in_this_cell(self) -> bool:
        """Tell whether the cell that is running shows the pictures already."""
        return _running_cell() in self._cells

    def show_here(self, picture: Picture) -> None:
        """Show a picture, and all that follow, in the cell that is running, too."""
        self._cells.add(_running_cell())
        self._display(picture)

    def _display(self, picture: Picture) -> int:
        """Show a picture in the cell that is running."""
        raise NotImplementedError


class CellScreen(NotebookScreen):
    """An output of a cell. What it shows last is what the notebook keeps."""

    def __init__(self) -> None:
        super().__init__()
        self._display_id = uuid4().hex

    def show(self, picture: Picture, *, last: bool) -> int:  # each may be the last
        """Show a picture, from any thread, and while the main one is blocked."""
        if not self._shown:
            self._shown = True
            return self._display(picture)
        from IPython.display import update_display

        bundle = picture_bundle(picture)
        as_running_cell(update_display, bundle, raw=True, display_id=self._display_id)
        return len(bundle["text/html"])

    def _display(self, picture: Picture) -> int:
        from IPython.display import display

        bundle = picture_bundle(picture)
        show: Callable[..., object] = display
        show(bundle, raw=True, display_id=self._display_id)
        return len(bundle["text/html"])


def _running_cell() -> str:
    """Return the id of the request that the kernel is working on."""
    module: Any = sys.modules["IPython"]
    header = module.get_ipython().kernel.get_parent().get("header", {})
    return str(header.get("msg_id", ""))


class WidgetScreen(NotebookScreen):
    """A widget, where nothing else can change: in an `Output`, for a run that a callback starts."""

    def __init__(self) -> None:
        super().__init__()
        self._area = Area("inb-live")

    def show(self, picture: Picture, *, last: bool) -> int:
        """Show a picture, from any thread."""
        markup = output("timeline", picture=picture)
        as_running_cell(self._area.show, markup)
        if not self._shown:
            self._shown = True
            self._display(picture)
        return len(markup)

    def _display(self, picture: Picture) -> int:
        from IPython.display import display

        show: Callable[..., object] = display
        show(self._area)
        return 0


class TerminalScreen:
    """One line that changes, and at the end the whole picture; in a file only begin and end."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._changes = stream is not None and not stream.closed and stream.isatty()
        self._shown = False

    def show(self, picture: Picture, *, last: bool) -> int:
        """Write what is new."""
        if self._changes:
            line = short(_progress(picture), shutil.get_terminal_size().columns - 1)
            return self._write(f"\r\x1b[K{plain_text(picture)}\n" if last else f"\r\x1b[K{line}")
        if last:
            error = visible(picture.note) or short(picture.state.error, 400)
            return self._write(headline(picture) + (f": {error}" if error else "") + "\n")
        if not self._shown:
            return self._write(headline(picture) + "\n")
        return 0

    def _write(self, text: str) -> int:
        self._shown = True
        stream = self._stream
        if stream is not None:
            coding = stream.encoding or "utf-8"
            with contextlib.suppress(OSError, ValueError):  # nobody looks any more: it is closed
                stream.write(text.encode(coding, "replace").decode(coding))
                stream.flush()
        return len(text)


def _progress(picture: Picture) -> str:
    """Give the headline and what is running."""
    running = [
        f"{row.name} {row.part}".rstrip()
        + row.outcome.removeprefix("running").removesuffix(" so far")
        for row in picture.chart.rows
        if row.word == "running"
    ]
    doing = visible(picture.note) or ", ".join(running)
    return f"{headline(picture)}: {doing}" if doing else headline(picture)
