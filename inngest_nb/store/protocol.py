"""The store protocols: the contract's four operations, and two to read what others saved."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Protocol, Self, runtime_checkable

from inngest_nb.query import Path, Search
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.changes import Changed
from inngest_nb.store.heads import Head
from inngest_nb.store.messages import Message
from inngest_nb.store.rows import Row
from inngest_nb.store.searching import Found
from inngest_nb.store.writes import Outcome, Write


def is_async(store: object) -> bool:
    """Tell whether the operations of a store are coroutines, as in `AsyncWorkflowStore`."""
    return inspect.iscoroutinefunction(getattr(store, "load", None))


@runtime_checkable
class WorkflowStore(Protocol):
    """The interface of all stores of workflow states.

    Every operation raises a `StoreError` if it fails, and `ValueError` for an invalid id: empty,
    `.`, `..`, longer than 4,096 bytes in UTF-8, or with unpaired surrogates.
    """

    def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Save a state under its id.

        A state with an `etag`, as stores return it, is saved only if the store still has that
        version. Otherwise raises `StoreConflictError`, which describes what has changed. With
        `force=True`, or if the state has no etag, it overwrites whatever is stored.
        """

    def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the store does not know the id."""

    def delete(self, workflow_id: str) -> None:
        """Delete a workflow; does nothing if the store does not know the id."""

    def fetch(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Read the stored workflows, newest update first, at most `limit` (0 means all).

        Our stores leave out workflows that cannot be read; the attribute `unreadable` of the
        returned list maps their ids to the reason, and `load` raises `StoreDecodeError` for them.

        Raises `ListingUnsupportedError` if the server cannot list, as with a plain contract server.
        """

    def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Update what `list` returns to what `fetch` reads; return the number of workflows."""

    def close(self) -> None:
        """Release connections and threads. Calling it again does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def list(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Return the known states, newest update first, then by id, at most `limit` (0 means all).

        An HTTP client knows what it has saved and what `refresh` has fetched; a local store lists
        everything that it has.
        """


@runtime_checkable
class HeadStore(WorkflowStore, Protocol):
    """A store that can list its workflows without reading their documents."""

    def heads(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> Sequence[Head]:
        """Return the heads of what the store holds now, in the order of `fetch`.

        Workflows whose documents cannot be read are among them.

        Raises `ListingUnsupportedError` if the server is a plain contract server.
        """


@runtime_checkable
class SearchableStore(HeadStore, Protocol):
    """A store that searches its workflows itself, and sends documents in bulk.

    Both methods raise `ListingUnsupportedError` if the server is a plain contract server.
    """

    def find(self, search: Search, fields: Sequence[Path] = ()) -> Found:
        """Search the workflows, and look up fields of the payloads of those that are found."""

    def documents(self, ids: Sequence[str]) -> Iterator[Row]:
        """Yield the documents of some workflows in their order, without those that are gone."""


@runtime_checkable
class AppendingStore(WorkflowStore, Protocol):
    """A store that can append to histories and has conditional writes.

    The states that it returns have an `etag`, which identifies the version.
    """

    def can_append(self) -> bool:
        """Tell whether `append_history` works; an HTTP client asks its server once.

        Raises `StoreConnectionError` if the server does not answer.
        """

    def append_history(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Perform writes in one batch; return for each an error, or None if it is durable.

        A failed write does not affect the others. The outcome is a `StoreConflictError` if
        `if_match` is not the stored etag, or if a partial write finds nothing stored. A write whose
        own etag is already stored is a repeat, and succeeds without changing anything.
        """


@runtime_checkable
class SharedStore(AppendingStore, Protocol):
    """A store through which executors in several processes coordinate.

    Each executor holds a lease under its name, and messages reach the executor that runs a
    workflow. All times are by the store's clock.
    """

    def can_share(self) -> bool:
        """Tell whether leases and messages work; an HTTP client asks its server once."""

    def hold_lease(self, owner: str, seconds: float) -> None:
        """Start or renew an executor's lease for `seconds` from now; 0 ends it."""

    def leases(self) -> dict[str, float]:
        """Return the seconds left of each executor's lease, without expired ones."""

    def send(self, message: Message) -> None:
        """Store a message; it is durable on return, and sending it again has no effect."""

    def receive(self, after: int = 0, to: str | None = None, wait: float = 0) -> Sequence[Message]:
        """Return messages numbered above `after`, in order, at most a few hundred at a time.

        Waits up to `wait` seconds if there are none.
        """

    def discard(self, ids: Sequence[str]) -> None:
        """Delete handled messages; unknown ids are ignored."""

    def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        """Return the stored etag once it differs from `etag`, or after `wait` seconds anyway.

        Returns None if nothing is stored.
        """

    def abandoned(self, limit: int = 0) -> Sequence[str]:
        """Return the ids of workflows that are stored as running and whose owner has no lease.

        The least recently updated come first, at most `limit` (0 means all).
        """


@runtime_checkable
class FeedStore(WorkflowStore, Protocol):
    """A store that numbers all changes, also those of others, in the order of its commits.

    It keeps the newest 100,000 numbers.
    """

    def can_follow(self) -> bool:
        """Tell whether `changes` works; an HTTP client asks its server once."""

    def changes(
        self,
        after: int | None = 0,
        wait: float = 0,
        limit: int = 0,
        *,
        heads: bool = False,
        documents: bool = False,
        feed: str = "",
    ) -> Changed:
        """Return the changes numbered above `after`, each of them, in order.

        None means the newest number: there are no changes, and `last` is what to continue from.
        Waits up to `wait` seconds if nothing has changed. `heads` and `documents` add each
        workflow's head and state as they are now. At most `limit` changes come at once (0, and what
        is more than 1,000: 1,000), and with either of these as many as have 8 MiB of documents.
        With `feed`, which an earlier call has returned, the numbers of another feed are a `reset`.
        """

    def last_change(self) -> int:
        """Return the number of the newest change, 0 if there is none."""


@runtime_checkable
class AsyncWorkflowStore(Protocol):
    """The async version of `WorkflowStore`."""

    async def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Save a state under its id, only over the version it was loaded from unless `force`."""

    async def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the store does not know the id."""

    async def delete(self, workflow_id: str) -> None:
        """Delete a workflow; does nothing if the store does not know the id."""

    async def fetch(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Read the stored workflows, newest update first, at most `limit` (0 means all)."""

    async def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Update what `list` returns to what `fetch` reads; return the number of workflows."""

    async def aclose(self) -> None:
        """Release connections. Calling it again does nothing."""

    async def list(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Return the known states, newest update first, then by id."""
