"""Showing how far a long piece of work has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PATIENCE = 0.5  # seconds; what is done by then shows nothing


@contextmanager
def progress(
    doing: str, plural: str, total: int | None = None
) -> Iterator[Callable[[int], object]]:
    """Show a bar while the block lasts, in a cell or a terminal; yield what moves it on.

        with progress("Reading runs", "runs", total=10_000) as advance:
            advance(100)

    What takes less than half a second shows nothing, and afterwards the bar is gone.
    """
    from tqdm.auto import tqdm  # costs as much as everything else that a small call imports

    bar = tqdm(
        total=total, desc=doing, unit=f" {plural}", delay=_PATIENCE, leave=False, disable=None
    )
    with bar:
        yield bar.update
