"""What an explorer is given and gives: a store to look into, and a frame of what was found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inngest_nb.notebook.explore._catalog import Query, entry_of, matching
from inngest_nb.notebook.explore._feed import Feed
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore, unreadable_in
from inngest_nb.words import store_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_of", "only_a_store"]

_VERBS = ("save", "load", "list", "delete")


def only_a_store(store: Any) -> None:
    """Refuse everything but a store, with a word on what to use."""
    if isinstance(store, type):
        what = f"the class {store.__name__}"
        raise TypeError(f"explore needs a store, got {what}: make one, as in inb.local()")
    if not all(callable(getattr(store, verb, None)) for verb in _VERBS):
        what = "None" if store is None else f"a {type(store).__name__}"
        hint = "such as inb.local() or inb.SqliteStore(path)"
        if isinstance(store, WorkflowState):
            hint += "; inb.timeline(state) shows one workflow"
        raise TypeError(f"explore needs a store, got {what}: give it a store, {hint}")


def frame_of(store: WorkflowStore, feed: Feed, query: Query) -> pd.DataFrame:
    """Read the store and return what a query finds in it, in its order, as `frame` makes it."""
    from inngest_nb.frames import frame  # brings pandas, which the widget itself does without

    states = feed.read()
    known = {state.workflow_id: state for state in states}
    found, _ = matching(map(entry_of, states), query, datetime.now(UTC))
    made = frame([known[entry.workflow_id] for entry in found])
    filtered = {
        "status": sorted(query.statuses),
        "text": query.text.strip(),
        "updated_within": query.within.total_seconds() or None,
    }
    made.attrs |= {
        "source": store_name(store),
        "filter": filtered,
        "unreadable": unreadable_in(states),
    }
    return made
