"""Showing how far a long piece of work has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

_PATIENCE = 1.0  # seconds; what is done by then shows nothing


@contextmanager
def progress(
    doing: str, plural: str, total: int | None = None
) -> Iterator[Callable[[int], object]]:
    """Show a bar while the block lasts, in a cell or a terminal; yield what moves it on.

        with progress("Reading runs", "runs", total=10_000) as advance:
            advance(100)

    What takes less than a second shows nothing, and afterwards the bar is gone.
    """
    from tqdm.auto import tqdm  # costs as much as everything else that a small call imports

    bar = tqdm(
        total=total, desc=doing, unit=f" {plural}", delay=_PATIENCE, leave=False, disable=None
    )
    with _taken_away(bar), bar:
        yield bar.update


@contextmanager
def _taken_away(bar: Any) -> Iterator[None]:
    """Leave nothing of a bar in a notebook, which shows an error for a widget that was closed."""
    if (box := getattr(bar, "container", None)) is None:  # in a terminal
        yield
        return
    from IPython.display import display, update_display

    show: Callable[..., object] = display
    show_instead: Callable[..., object] = update_display
    place, shown = uuid4().hex, box._repr_mimebundle_()
    box._ipython_display_ = lambda **_: show(shown, raw=True, display_id=place)
    try:
        yield
    finally:
        if bar.displayed and box.comm is None:  # one that was stopped halfway stays
            show_instead({"text/plain": ""}, raw=True, display_id=place)
