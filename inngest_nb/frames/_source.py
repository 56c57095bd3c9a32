"""Where a frame's states come from: a store, states, or a single state."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

from inngest_nb.errors import ListingUnsupportedError
from inngest_nb.frames._given import state_in
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store import WorkflowStore, unreadable_in

Source = WorkflowStore | WorkflowState | Iterable[WorkflowState]


class Taken(NamedTuple):
    """States, when they were read, and what a frame's `attrs` say of it."""

    states: list[WorkflowState]
    fetched_at: datetime
    attrs: dict[str, Any]


def take(source: Source, status: WorkflowStatus | str | None, limit: int) -> Taken:
    """Read the states of a source, those of one status if given, at most `limit` (0: all)."""
    if status is not None and not isinstance(status, str):
        raise TypeError(f"status is a word such as 'failed', got {type(status).__name__}")
    if not isinstance(limit, int) or limit < 0:
        raise ValueError(f"limit is 0 for all or a positive number, got {limit!r}")
    from_store = is_store(source)
    # One more than asked for tells whether there are more.
    listing = _read(source, status, limit + 1 if limit else 0) if from_store else source
    found = _states(listing)
    fetched_at = datetime.now(UTC)
    if status is not None:
        found = [state for state in found if state.status == status]
    states = found[:limit] if limit else found
    attrs = {
        "source": _name(source) if from_store else None,
        "fetched_at": fetched_at,
        "filter": {"status": status and str(status), "limit": limit} if from_store else None,
        "truncated": from_store and len(states) < len(found),
        "unreadable": unreadable_in(listing),
    }
    return Taken(states, fetched_at, attrs)


def is_store(source: Any) -> bool:
    if isinstance(source, type):
        return False
    return all(callable(getattr(source, verb, None)) for verb in ("save", "load", "list"))


def _read(store: Any, status: str | None, limit: int) -> Any:
    """Read what the store has now; where it cannot tell, what it has at hand."""
    if hasattr(store, "fetch"):
        try:
            return store.fetch(status=status, limit=limit)
        except ListingUnsupportedError:
            pass  # a server of the plain contract: its client still knows what it saved
    return store.list(status=status, limit=limit)


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


def _name(store: Any) -> str:
    """Give a store's repr if it is one of ours; nobody knows what another's would tell."""
    kind = type(store)
    ours = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return repr(store) if ours else f"{kind.__name__}()"
