"""What a person gives for a workflow: a state, a run's handle, or an id; and the default store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from inngest_nb.bundles import told_at
from inngest_nb.history import moment
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore, is_async

__all__ = ["default_store", "id_in", "moment_for", "state_in", "state_of", "use"]

_Store = TypeVar("_Store", bound=WorkflowStore | None)
_default: list[WorkflowStore] = []


def use(store: _Store) -> _Store:
    """Make a store the one that is used where none is given, and return it; None ends that.

        store = inb.use(inb.local())
        inb.timeline("order-1")

    It holds for this process: for ids given to `timeline`, `compare` and `replay`, for `run`,
    `start` and `resume`, for `sql`, and for the magics.
    """
    if store is not None and not callable(getattr(store, "load", None)):
        raise TypeError(f"use() takes a store, such as inb.local(); got {_kind(store)}")
    _default[:] = [] if store is None else [store]
    return store


def default_store() -> WorkflowStore | None:
    """Return the store of `use`, None without one."""
    return _default[0] if _default else None


def state_in(given: Any) -> WorkflowState | None:
    """Return a state, or the present one of a run's handle; None for anything else."""
    if isinstance(given, WorkflowState):
        return given
    # A pandas object may have a column of that name; asking a class gives a property.
    held = getattr(given, "state", None) if hasattr(given, "run_id") else None
    return held if isinstance(held, WorkflowState) else None


def id_in(given: Any) -> str:
    """Return the id of a workflow that is given in any way; "" for None. Nothing is loaded."""
    if isinstance(given, str | None):
        return given or ""
    if isinstance(given, WorkflowState):
        return given.workflow_id
    # A run's handle, which would read its state from a store.
    found = getattr(given, "id", None) if hasattr(given, "run_id") else None
    if isinstance(found, str):
        return found
    raise TypeError(
        "a workflow is given by its id, its state or its run, "
        f"not by an object of type {type(given).__name__}"
    )


def state_of(given: Any, store: WorkflowStore | None = None, what: str = "timeline") -> Any:
    """Return the state of a workflow that is given in any way; `what` asks for it, in words.

    An id is looked up in `store`, or in the store of `use`. Raises `TypeError` for what is no
    workflow, and `ValueError` for an id that the store does not have.
    """
    if (state := state_in(given)) is not None:
        return state
    if not isinstance(given, str):
        raise TypeError(_complaint(given, what))
    store = store if store is not None else default_store()
    if store is None:
        raise TypeError(
            f"{what} needs store= to look up the id {given!r}, or a default store: inb.use(store)"
        )
    if is_async(store):
        raise TypeError(f"{what} cannot await: load the state first, or use a blocking store")
    if (found := store.load(given)) is not None:
        return found
    blanks = "; the id has blanks around it" if given != given.strip() else ""
    raise ValueError(f"the store has no workflow {given!r}{blanks}")


def moment_for(given: Any, store: WorkflowStore | None, now: datetime | None) -> datetime:
    """Return up to when a workflow that is given in any way is measured.

    That is `now`; without it, for a workflow of a bundle its export, else the present. Raises
    `ValueError` for a `now` without a zone.
    """
    if now is not None:
        return moment(now)
    return told_at(default_store() if store is None and isinstance(given, str) else store)


def _complaint(given: Any, what: str) -> str:
    takes = f"{what} takes a workflow: a state, a run's handle, or an id with store="
    if given is None:
        return f"{takes}; got None, which load() returns for an id that its store never saw"
    if isinstance(given, Mapping) or not hasattr(given, "save"):
        return f"{takes}; got {_kind(given)}"
    return f"{takes}; got a store, so give an id of it too"


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
