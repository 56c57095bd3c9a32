"""The feed of a store: its numbered changes, for readers that follow it.

A reader keeps the number that it was told last and asks what came after it, so that it misses
nothing and is told nothing twice, whatever happens to it or to the store in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from inngest_nb.state import WorkflowState
from inngest_nb.store.rows import Line, Row, Told, check_limit, states_of

__all__ = ["Change", "Changed"]

# The limits of one answer: changes, and bytes of their documents.
CHANGES_AT_ONCE = 1_000
BYTES_AT_ONCE = 8 * 2**20
# How many numbered changes are kept for readers that follow them.
CHANGES_KEPT = 100_000


class Change(NamedTuple):
    """A workflow was saved, or `deleted`.

    A store numbers its changes 1, 2, 3 and so on. `state` is the workflow as it is now, which may
    be newer than the change. It is None if the workflow was deleted, then or since, if it cannot be
    read, or if documents were not asked for.
    """

    number: int
    workflow_id: str
    deleted: bool
    state: WorkflowState | None = None


class Changed(NamedTuple):
    """Changes in the order of their numbers, without a gap, and the number to continue from.

    `last` is the number of the last of them, or the one that was asked about if there are none.
    `feed` identifies the store's numbers: those of another file, or of a server that keeps its
    states in memory and has started again, belong to another feed. With `reset`, what came after
    the number that was asked about is no longer known, or belongs to another feed: there are no
    changes, `last` is the newest number, and what is stored has to be read anew.

    `unreadable` maps the ids of changed workflows that cannot be read to the reason.
    """

    changes: Sequence[Change]
    last: int
    feed: str
    reset: bool = False
    unreadable: Mapping[str, str] = {}


class Kept(NamedTuple):
    """The numbers of the changes that a table still keeps; `first` is `last` + 1 without any."""

    feed: str
    first: int
    last: int


def tell(
    kept: Kept,
    after: int | None,
    feed: str,
    lines: Callable[[int, int], Sequence[Line]],
    limit: int,
    present: Callable[[str], Row | None] | None,
    max_bytes: int = 0,
) -> Told:
    """Tell what has changed after a number; without one, only the newest number.

    `lines` returns the changes after a number, so many at most; `present` the row of a workflow as
    it is now. With `max_bytes`, the changes end where the documents reach that size.
    """
    other = feed not in ("", kept.feed)
    if after is None or other or not kept.first - 1 <= after <= kept.last:
        return Told([], kept.last, kept.feed, after is not None, [])
    taken: list[Line] = []
    rows: dict[str, Row | None] = {}
    size = 0
    for line in lines(after, limit or CHANGES_AT_ONCE):
        _, workflow_id, deleted = line
        if present is not None and not deleted and workflow_id not in rows:
            if max_bytes and size >= max_bytes:
                break
            row = rows[workflow_id] = present(workflow_id)
            size += len(row.document) if row else 0
        taken.append(line)
    last = taken[-1][0] if taken else after
    return Told(taken, last, kept.feed, False, [row for row in rows.values() if row])


def changed_of(told: Told) -> Changed:
    """Decode what a table has told."""
    states = states_of(told.rows)
    by_id = {state.workflow_id: state for state in states}
    changes = [
        Change(number, workflow_id, deleted, None if deleted else by_id.get(workflow_id))
        for number, workflow_id, deleted in told.lines
    ]
    return Changed(changes, told.last, told.feed, told.reset, states.unreadable)


def check_after(after: int | None) -> int | None:
    """Check a number to continue from; None means the newest."""
    whole = after is None or (isinstance(after, int) and not isinstance(after, bool))
    if not whole or (after is not None and not 0 <= after < 2**63):
        raise ValueError(f"after must be the number of a change, or 0 for all, got {after!r}")
    return after


def check_most(limit: int) -> int:
    """Check how many changes are wanted at most, and return how many may come at once."""
    return min(check_limit(limit) or CHANGES_AT_ONCE, CHANGES_AT_ONCE)
