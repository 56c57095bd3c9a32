"""What a store is: the four verbs of the contract, and two for reading what others saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store.heads import Head
from inngest_nb.store.messages import Message
from inngest_nb.store.writes import Outcome, Write


@runtime_checkable
class WorkflowStore(Protocol):
    """Where workflow states are kept.

    Every operation raises a `StoreError` when it fails, and `ValueError` for an id that no store
    can keep: empty, `.`, `..`, longer than 4,096 bytes, or not text that UTF-8 can write.
    """

    def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Keep a state under its id.

        One with an `etag`, which stores give to what is loaded from them, is kept only over the
        version that it came from; `StoreConflictError` says what the store has meanwhile. With
        `force`, and from a state without an etag, it goes over whatever is there.
        """

    def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the store has never seen this id."""

    def delete(self, workflow_id: str) -> None:
        """Forget a workflow; one that is not there is no error."""

    def fetch(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Read what the store holds now, newest update first, at most `limit` (0: all).

        What cannot be read spoils nothing: our stores leave it out, and the list that they give
        has an attribute `unreadable`, which says by its id why. `load` of it raises.

        Raises `ListingUnsupportedError` where the contract's plain server is behind it.
        """

    def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Bring `list` up to date with what `fetch` reads, and return how many came."""

    def close(self) -> None:
        """Give back connections and threads; again is no error."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def list(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Return the states at hand, newest update first and then by id, at most `limit` (0: all).

        For a client over HTTP these are its own saves and what `refresh` brought; a store on this
        machine lists all it holds.
        """


@runtime_checkable
class HeadStore(WorkflowStore, Protocol):
    """A store that can list its workflows without reading their documents."""

    def heads(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> Sequence[Head]:
        """Return the heads of what the store holds now, in the order of `fetch`.

        Workflows whose documents cannot be read are among them. A client over HTTP reads documents
        where an older state server gives nothing else.

        Raises `ListingUnsupportedError` where the contract's plain server is behind it.
        """


@runtime_checkable
class AppendingStore(WorkflowStore, Protocol):
    """A store to which history can be appended, and whose writes can be of a certain version only.

    The states that it gives carry an `etag`, the name of the version that was read.
    """

    def can_append(self) -> bool:
        """Tell whether `append_history` works; a client over HTTP asks its server, once.

        Raises `StoreConnectionError` if nobody answers.
        """

    def append_history(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Do writes together, and return what went wrong with each, or None; those are durable.

        One that fails takes no other along. A write whose `if_match` is not the stored etag, and a
        partial one where nothing is stored, come to a `StoreConflictError`; one whose own etag is
        stored already was done before, and is a success that changes nothing.
        """


@runtime_checkable
class SharedStore(AppendingStore, Protocol):
    """A store through which executors in several processes know of each other.

    Each holds a lease by its name; messages reach whoever runs a workflow. Times are the store's,
    one clock for all.
    """

    def can_share(self) -> bool:
        """Tell whether the rest works; a client over HTTP asks its server, once."""

    def hold_lease(self, owner: str, seconds: float) -> None:
        """Begin or renew an executor's lease, for so many seconds from now; 0 ends it."""

    def leases(self) -> dict[str, float]:
        """Return for how many seconds each executor still holds its lease; ended ones are out."""

    def send(self, message: Message) -> None:
        """Leave a message; it is durable on return, and sending it again is harmless."""

    def receive(self, after: int = 0, to: str | None = None, wait: float = 0) -> Sequence[Message]:
        """Return messages with higher numbers, in order, at most some hundred at a time.

        Waits for the first one up to `wait` seconds.
        """

    def discard(self, ids: Sequence[str]) -> None:
        """Forget messages that were taken; unknown ids are no error."""

    def watch(self, workflow_id: str, etag: str, wait: float) -> str | None:
        """Return the stored etag once it is not the given one, or after `wait` seconds as it is.

        None stands for nothing stored.
        """

    def abandoned(self, limit: int = 0) -> Sequence[str]:
        """Return the ids of workflows that are stored as running and whose owner has no lease.

        Those updated longest ago come first, at most `limit` (0: all).
        """


@runtime_checkable
class AsyncWorkflowStore(Protocol):
    """The same store for `await`."""

    async def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Keep a state under its id; one that was loaded only over its version, unless `force`."""

    async def load(self, workflow_id: str) -> WorkflowState | None:
        """Return the saved state, or None if the store has never seen this id."""

    async def delete(self, workflow_id: str) -> None:
        """Forget a workflow; one that is not there is no error."""

    async def fetch(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Read what the store holds now, newest update first, at most `limit` (0: all)."""

    async def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Bring `list` up to date with what `fetch` reads, and return how many came."""

    async def aclose(self) -> None:
        """Give back connections; again is no error."""

    async def list(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Return the states at hand, newest update first and then by id."""
