"""Where a frame's states come from: a store, states, or a single state."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

from inngest_nb.errors import ListingUnsupportedError
from inngest_nb.frames.basics._given import state_in
from inngest_nb.history import OPEN
from inngest_nb.query import whole_number
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store import WorkflowStore, unreadable_in
from inngest_nb.words import short, store_name

Source = WorkflowStore | WorkflowState | Iterable[WorkflowState]

_KNOWN = (*WorkflowStatus, *OPEN)
_SEARCHED = 1_000  # workflows in which statuses are looked up for the warning about a misspelt one


class Taken(NamedTuple):
    """States, when they were read, and what a frame's `attrs` say of them."""

    states: list[WorkflowState]
    fetched_at: datetime
    attrs: dict[str, Any]


def take(source: Source, status: WorkflowStatus | str | None, limit: int) -> Taken:
    """Read the states of a source, those of one status if given, at most `limit` (0: all).

    The `attrs` hold only what JSON can write, for formats that keep them as JSON.
    """
    if status is not None and not isinstance(status, str):
        raise TypeError(f"status is a word such as 'failed', got {type(status).__name__}")
    limit = whole_number(limit)
    from_store = is_store(source)
    # One more than asked for tells whether there are more.
    wanted = limit + 1 if limit else 0
    listing, listed = read(source, status, wanted) if from_store else (source, True)
    given = _states(listing)
    fetched_at = datetime.now(UTC)
    found = [state for state in given if status in (None, state.status)]
    states = found[:limit] if limit else found
    if not listed:
        _warn(
            f"{store_name(source)} cannot list what its server keeps: the frame has only what "
            "this client saved or refreshed"
        )
    if status is not None and not found and status not in _KNOWN:
        there = _states(read(source, None, _SEARCHED)[0]) if from_store else given
        _warn(_misspelt(status, there))
    attrs = {
        "source": store_name(source) if from_store else None,
        "fetched_at": fetched_at.isoformat(),
        "filter": {"status": status and str(status), "limit": limit} if from_store else None,
        "truncated": from_store and len(states) < len(found),
        "listed": listed,
        "unreadable": dict(unreadable_in(listing)),
    }
    return Taken(states, fetched_at, attrs)


def is_store(source: Any) -> bool:
    """Return whether something has a store's methods; a class is no store."""
    if isinstance(source, type):
        return False
    return all(callable(getattr(source, verb, None)) for verb in ("save", "load", "list"))


def read(store: Any, status: str | None, limit: int) -> tuple[Any, bool]:
    """Read what the store has, and tell whether that is all that its server keeps."""
    listed = True
    if hasattr(store, "fetch"):
        try:
            return store.fetch(status=status, limit=limit), listed
        except ListingUnsupportedError:
            listed = False  # its client still knows what it saved
    return store.list(status=status, limit=limit), listed


def _misspelt(status: str, states: Iterable[WorkflowState]) -> str:
    """Name the statuses that are there instead of the one that was asked for."""
    there = sorted({short(str(state.status), 40) for state in states if state.status})
    known = f"there are {', '.join(there)}" if there else "no workflow has a status"
    return f"no workflow has the status {short(status, 40)!r}; {known}"


def _warn(text: str) -> None:
    # Between here and the line that asked are take, frame, and the decorator around it.
    warnings.warn(text, stacklevel=5)


def _states(source: Any) -> list[WorkflowState]:
    if (state := state_in(source)) is not None:
        return [state]
    if inspect.isawaitable(source):
        _refuse_awaitable(source)
    if source is None:
        raise TypeError("no workflow to show: load() gives None for an id its store never saw")
    if not isinstance(source, Iterable) or isinstance(source, str | bytes | type):
        raise TypeError(f"a frame is made from a store or from states, got {_kind(source)}")
    states = [state_in(item) or item for item in source]
    for place, state in enumerate(states):
        if not isinstance(state, WorkflowState):
            raise TypeError(
                "a frame is made from a store or from states, "
                f"but item {place} of this {_kind(source)} is {_kind(state)}"
            )
    return states


def _refuse_awaitable(source: Any) -> NoReturn:
    if inspect.iscoroutine(source):
        source.close()  # or Python warns that nobody awaited it
    raise TypeError(
        "a frame cannot await: read the states first, as in frame(await store.fetch()), "
        "or use InngestStore instead of the async store"
    )


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
