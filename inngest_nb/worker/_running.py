"""What a worker runs at the moment, by name, for whoever closes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Running:
    """The names of what runs now, such as `order` or, more exactly, `order: charge`."""

    def __init__(self) -> None:
        self._names: dict[object, str] = {}  # by who noted them; several may have the same name

    @contextlib.contextmanager
    def noted(self, name: str) -> Iterator[None]:
        """Note a name while the block runs, in any thread."""
        mark = object()
        self.begin(mark, name)
        try:
            yield
        finally:
            self.end(mark)

    def begin(self, mark: object, name: str) -> None:
        """Note a name until `end` is called with the same mark."""
        self._names[mark] = name

    def end(self, mark: object) -> None:
        """Take a name away again."""
        self._names.pop(mark, None)

    def names(self) -> tuple[str, ...]:
        """Return the names, sorted, each once; a function only where no activity of it is named."""
        names = {*self._names.copy().values()}  # others change them meanwhile
        exact = {name.partition(": ")[0] for name in names if ": " in name}
        return tuple(sorted(names - exact))
