"""What the kinds of plans differ in."""

from __future__ import annotations

from collections.abc import Sequence

from inngest_nb.api import InngestAPI
from inngest_nb.frames.acting._rows import Row


class Work:
    """What a plan does with its rows.

    `repeats` tells whether doing it once more is harmless, because the server knows it again.
    """

    verb = doing = ""
    noun, plural = "run", "runs"
    at_once = 8  # requests, which a real server does nearly in the time of one
    repeats = False

    def groups(self, rows: Sequence[Row]) -> list[list[Row]]:
        """Return the rows that go in one request each."""
        return [[row] for row in rows]

    def do(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        """Do it, and settle the rows; what this raises settles the others."""
        raise NotImplementedError

    def look(self, api: InngestAPI, rows: Sequence[Row]) -> None:
        """See on the server what became of rows whose response was lost, without doing anything."""
        raise NotImplementedError
