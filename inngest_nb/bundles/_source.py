"""What is exported: workflows that a store finds itself, or states that are at hand."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

from inngest_nb import wire
from inngest_nb.errors import ListingUnsupportedError, StoreDecodeError
from inngest_nb.query import Search
from inngest_nb.state import WorkflowState
from inngest_nb.store import (
    SearchableStore,
    WorkflowStore,
    is_async,
    search_states,
    state_of,
    unreadable_in,
)
from inngest_nb.words import left_out_text, store_name


class Taken(NamedTuple):
    """The states of a source in its order, the name of its store, and what is to be said of them.

    `left_out` is how many more match but cannot be read.
    """

    states: Sequence[WorkflowState]
    source: str | None
    left_out: int
    warnings: Sequence[str]


def take(source: Any, search: Search) -> Taken:
    """Read what a search finds. Raises `TypeError` for what is neither a store nor states."""
    if not is_store(source):
        states = _searched(_given(source), search)
        return Taken(states, None, 0, [] if states else [_EMPTY])
    name, told = store_name(source), list[str]()
    unreadable: Mapping[str, str]
    try:
        if isinstance(source, SearchableStore):
            states, unreadable = _found(source, search)
        else:
            listing = source.fetch()
            states, unreadable = _searched(listing, search), unreadable_in(listing)
    except ListingUnsupportedError:
        told.append(
            f"{name} cannot list what its server keeps: the bundle has only what this client "
            "saved or refreshed"
        )
        states, unreadable = _searched(source.list(), search), {}
    if unreadable:
        told.append(left_out_text(unreadable))
    if not states:
        told.append(_EMPTY)
    return Taken(states, name, len(unreadable), told)


_EMPTY = "the bundle is empty: no workflow matches"


def is_store(source: Any) -> TypeGuard[WorkflowStore]:
    """Tell whether something is a store; a class is none. Raises `TypeError` for async stores."""
    if is_async(source):
        raise TypeError(
            f"a bundle cannot await {type(source).__name__}: read the states first, as in "
            "export(await store.fetch(), path), or use a blocking store"
        )
    return isinstance(source, WorkflowStore) and not isinstance(source, type)


def _found(store: SearchableStore, search: Search) -> tuple[list[WorkflowState], dict[str, str]]:
    """Let a store search, and read what it has found; what is gone by then is left out."""
    heads = store.find(search).heads
    unreadable = {head.workflow_id: head.flaw for head in heads if head.flaw}
    states: list[WorkflowState] = []
    with wire.uncollected():
        for row in store.documents([head.workflow_id for head in heads if not head.flaw]):
            try:
                states.append(state_of(row))
            except StoreDecodeError as error:
                unreadable[row.workflow_id] = str(error.__cause__ or error)
    return states, unreadable


def _searched(states: Sequence[WorkflowState], search: Search) -> list[WorkflowState]:
    """Search states that are at hand."""
    return [states[head.number] for head in search_states(states, search).heads]


def _given(source: Any) -> list[WorkflowState]:
    """Return one state or several as a list."""
    if isinstance(source, WorkflowState):
        return [source]
    want = "export takes a store or states"
    if inspect.iscoroutine(source):
        source.close()  # or Python warns that nobody awaited it
        raise TypeError(f"{want}: await them first, as in export(await store.fetch(), path)")
    if not isinstance(source, Iterable) or isinstance(source, str | bytes | type):
        raise TypeError(f"{want}, got {type(source).__name__}")
    states = list(source)
    for place, state in enumerate(states):
        if not isinstance(state, WorkflowState):
            raise TypeError(f"{want}, but item {place} is {type(state).__name__}")
    return states
