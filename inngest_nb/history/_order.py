"""The order of a history: that of its events' ids, in which the code has seen them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from inngest_nb.state import HistoryEvent

__all__ = ["events_of", "in_order"]


def events_of(history: Sequence[HistoryEvent]) -> Sequence[HistoryEvent]:
    """Give events by their ids; as they stand where one has no id."""
    return history if _is_in_order(history) else [event for _, event in in_order(history)]


def in_order(history: Sequence[HistoryEvent]) -> list[tuple[int, HistoryEvent]]:
    """Give events by their ids, each with its place; as they stand where one has no id."""
    placed = list(enumerate(history))
    if all(event.id > 0 for event in history):
        placed.sort(key=lambda item: item[1].id)
    return placed


def _is_in_order(history: Sequence[HistoryEvent]) -> bool:
    return all(one.id <= other.id for one, other in pairwise(history))
