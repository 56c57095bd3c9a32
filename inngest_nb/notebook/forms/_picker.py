"""The workflows that a form offers to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inngest_nb.errors import ListingUnsupportedError
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore
from inngest_nb.words import count_text, short, status_choice, time_text, visible

__all__ = ["Listing", "line_of", "newest"]


class Listing(NamedTuple):
    """States to choose from, newest update first, and what is to be said of them."""

    states: Sequence[WorkflowState] = ()
    remark: str = ""

    def matching(self, words: str) -> list[WorkflowState]:
        """Return the states that have every word in their id, status, run or error."""
        wanted = words.casefold().split()
        return [state for state in self.states if all(word in _text_of(state) for word in wanted)]

    def with_state(self, state: WorkflowState) -> Listing:
        """Put a state first, in place of an older one of its id."""
        rest = self.without(state.workflow_id)
        return rest._replace(states=[state, *rest.states])

    def without(self, workflow_id: str) -> Listing:
        """Leave a workflow out."""
        return self._replace(states=[s for s in self.states if s.workflow_id != workflow_id])

    def id_of(self, typed: str) -> str:
        """Give the id that was meant: as typed, or written with escapes as lists show it."""
        ids = {state.workflow_id for state in self.states}
        if typed in ids:
            return typed
        return next((each for each in ids if visible(each) == typed), typed)


def newest(store: WorkflowStore, limit: int) -> Listing:
    """Ask the store for its newest states; where it cannot list, for those at hand."""
    try:
        states = store.fetch(limit=limit + 1)
    except ListingUnsupportedError:
        states = store.list(limit=limit)
        return Listing(
            states,
            f"This server cannot list what it keeps: here are the {count_text(len(states), 'one')} "
            "that this client saved. Others can be typed in.",
        )
    if len(states) > limit:
        return Listing(
            states[:limit], f"The newest {limit:,} are here. Older ones can be typed in."
        )
    return Listing(states)


def line_of(state: WorkflowState) -> str:
    """Give a workflow as one line of a list."""
    parts = [short(state.workflow_id), status_choice(state.status), time_text(state.updated_at)]
    if words := state.error.strip():
        parts.append(short(words.splitlines()[0]))
    return "  ·  ".join(parts)


def _text_of(state: WorkflowState) -> str:
    return f"{state.workflow_id} {state.run_id} {state.status} {state.error}".casefold()
