"""Tables of documents, on which the local stores and the state server are built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from inngest_nb.query import Path, Search
from inngest_nb.store.changes import Changes, Told
from inngest_nb.store.messages import Message
from inngest_nb.store.rows import Number, Position, Row
from inngest_nb.store.searching import Found, FoundHere, Slice
from inngest_nb.store.writes import Outcome, Work

# Called once with the outcome of each work.
Done = Callable[[Sequence[Outcome]], None]


class StateTable(Protocol):
    """Documents by id. By default, rows are sorted by newest update, then by id."""

    changes: Changes
    mail: Changes  # of messages only, because most commits have none

    def apply(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Perform works in one batch; return the outcome of each once they are durable."""

    def apply_soon(self, works: Sequence[Work], done: Done) -> None:
        """Do the same without waiting, and call `done` from another thread."""

    def get(self, workflow_id: str, max_bytes: int = 0) -> Row | None:
        """Return the row of an id.

        With `max_bytes`, a longer document is not read, and is b"" in the row.
        """

    def page(
        self,
        status: str | None = None,
        limit: int = 0,
        after: Position | Number | None = None,
        max_bytes: int = 0,
    ) -> list[Row]:
        """Return rows in order, after `after`, at most `limit` (0 means all).

        If `after` is a number (0 for the first page), rows are in the order of their first saves;
        updates don't move rows in that order, so no page misses any. With `max_bytes`, the page
        ends with the row at which its documents reach that size.
        """

    def find(self, search: Search, paths: Sequence[Path] = ()) -> Found:
        """Search the workflows by their heads, and look up paths in their payloads."""

    def index(self, at_least: int) -> bool:
        """Keep heads of some workflows that have changed, if at least so many have.

        Returns whether there may be more to do.
        """

    def find_in(self, part: Slice, search: Search, paths: Sequence[Path] = ()) -> FoundHere:
        """Search a part of the workflows."""

    def documents(self, ids: Sequence[str], max_bytes: int = 0) -> list[Row]:
        """Return the rows of some workflows in their order, without those that are gone.

        With `max_bytes`, they end with the one at which their documents reach that size.
        """

    def etag(self, workflow_id: str) -> str | None:
        """Return the stored etag, None if nothing is stored."""

    def changed(
        self,
        after: int | None,
        limit: int = 0,
        *,
        feed: str = "",
        documents: bool = False,
        max_bytes: int = 0,
    ) -> Told:
        """Return the changes numbered above `after`, in order, at most `limit`.

        Without a number, only what the newest one is. A `feed` that is not this table's is a reset.
        With `documents`, the rows of the workflows come along, as many as have `max_bytes`.
        """

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each lease that has not expired."""

    def messages(self, after: int, to: str | None) -> list[Message]:
        """Return messages numbered above `after`, in order, a few hundred at a time."""

    def abandoned(self, limit: int) -> list[str]:
        """Return the workflows that are stored as running but that no executor is running."""

    def request_under(self, key: bytes) -> bytes | None:
        """Return the digest of the request that was done with a key, None if it is not known."""

    def close(self) -> None:
        """Finish pending work and close the file."""
