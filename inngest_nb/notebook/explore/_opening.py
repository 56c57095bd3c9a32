"""What an explorer is given and gives: a store to look into, and a frame of what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from inngest_nb.api import InngestAPI, RunStore
from inngest_nb.bundles import told_at
from inngest_nb.notebook.explore._catalog import Query
from inngest_nb.notebook.explore._feed import Feed
from inngest_nb.notebook.explore._run_feed import RunFeed
from inngest_nb.notebook.explore._subject import RUNS, WORKFLOWS, Subject
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore, unreadable_in
from inngest_nb.words import store_name

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["feed_of", "frame_of", "store_in", "subject_of"]

_VERBS = ("save", "load", "list", "delete")


def store_in(store: Any) -> WorkflowStore:
    """Return the store to explore; refuse what has none, with a word on what to use."""
    if isinstance(store, InngestAPI):
        return RunStore(store)
    if isinstance(store, type):
        what = f"the class {store.__name__}"
        raise TypeError(f"explore needs a store, got {what}: make one, as in inb.local()")
    if not all(callable(getattr(store, verb, None)) for verb in _VERBS):
        what = "None" if store is None else f"a {type(store).__name__}"
        hint = "such as inb.local() or inb.SqliteStore(path), or an inb.InngestAPI()"
        if isinstance(store, WorkflowState):
            hint += "; inb.timeline(state) shows one workflow"
        raise TypeError(f"explore needs a store, got {what}: give it a store, {hint}")
    return cast("WorkflowStore", store)


def subject_of(store: WorkflowStore) -> Subject:
    """Return the words for what a store has."""
    return RUNS if isinstance(store, RunStore) else WORKFLOWS


def feed_of(store: WorkflowStore, grew: Callable[[], None]) -> Feed:
    """Return what reads a store; where that takes long, it calls `grew` now and then."""
    return RunFeed(store, grew) if isinstance(store, RunStore) else Feed(store)


def frame_of(store: WorkflowStore, feed: Feed, query: Query) -> pd.DataFrame:
    """Read the store and return what a query finds in it, in its order, as `frame` makes it."""
    from inngest_nb.frames import frame  # brings pandas, which the widget itself does without

    states = feed.states(query)
    made = frame(states, now=told_at(store))
    filtered = {
        "status": sorted(query.statuses),
        "text": query.text.strip(),
        "updated_within": query.within.total_seconds() or None,
    } | ({"where": query.where} if query.where else {})
    made.attrs |= {
        "source": store_name(store),
        "filter": filtered,
        "unreadable": unreadable_in(states),
    }
    return made
