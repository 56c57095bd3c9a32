"""The workflows that a form offers to choose from, and the field for the id of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import ipywidgets as widgets

from inngest_nb.errors import ListingUnsupportedError
from inngest_nb.notebook.page._areas import Area, filling
from inngest_nb.notebook.page._html import fragment
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore, unreadable_in
from inngest_nb.words import (
    count_text,
    left_out_text,
    short,
    status_choice,
    time_text,
    visible,
)

__all__ = ["Head", "Picker", "typed_among"]

_NEWEST = 300  # workflows that are offered before anybody searches
_OLDER = "type the id of any other"
_CANNOT_LIST = (
    "This server cannot list its workflows: only those that this client saved are offered; "
    f"{_OLDER}."
)
_NEVER = datetime.min.replace(tzinfo=UTC)


class Head(NamedTuple):
    """What a list shows of a workflow; its payloads and history are not kept."""

    workflow_id: str
    run_id: str
    status: str
    updated: datetime | None
    error: str

    @classmethod
    def of(cls, state: WorkflowState) -> Head:
        """Take from a state what a list shows."""
        status = str(state.status)
        return cls(state.workflow_id, state.run_id, status, state.updated_at, state.error)

    @property
    def line(self) -> str:
        """The workflow on one line."""
        parts = [short(self.workflow_id), status_choice(self.status), time_text(self.updated)]
        if words := self.error.strip():
            parts.append(short(words.splitlines()[0]))
        return "  ·  ".join(parts)

    @property
    def words(self) -> str:
        """The text that a search looks at."""
        return f"{self.workflow_id} {self.run_id} {self.status} {self.error}".casefold()


class Picker:
    """A field for the id of a workflow, which offers the newest ones, of some `statuses` or all.

    `remark` says what is not offered. `heads` are the workflows that are known, newest update
    first; they are `whole` if the store has no others.
    """

    def __init__(self, store: WorkflowStore, statuses: Sequence[str] = ()) -> None:
        self.heads: list[Head] = []
        self.whole = False
        self.remarks: Sequence[str] = ()
        self._store = store
        self._statuses = statuses
        self.field = widgets.Combobox(
            description="Workflow id", continuous_update=False, layout=filling()
        )
        self.field.placeholder = "choose or type an id"
        self.field.add_class("inb-id")
        self.remark = Area("inb-remark")

    @property
    def typed(self) -> str:
        """The id that the field means."""
        return typed_among((head.workflow_id for head in self.heads), self.field.value)

    def read(self, *, everything: bool = False) -> None:
        """Read the newest workflows of the store, or `everything`."""
        limit = 0 if everything else _NEWEST
        found: dict[str, Head] = {}
        remarks: list[str] = []
        self.whole = True
        for status in self._statuses or (None,):
            try:
                states = self._store.fetch(status=status, limit=limit and limit + 1)
            except ListingUnsupportedError:
                states = self._store.list(status=status)
                remarks = [_CANNOT_LIST]
            else:
                self.whole = self.whole and not 0 < limit < len(states)
                if unreadable := unreadable_in(states):
                    remarks.append(left_out_text(unreadable))
            found |= {state.workflow_id: Head.of(state) for state in states}
        heads = sorted(found.values(), key=lambda head: head.updated or _NEVER, reverse=True)
        if not self.whole:
            heads = heads[:limit]
            kind = f"{' or '.join(self._statuses)} workflow".strip()
            remarks.append(f"Only the newest {count_text(limit, kind)} are offered; {_OLDER}.")
        self._know(heads)
        self.say(*remarks)

    def matching(self, words: str) -> list[Head]:
        """Return the workflows that have every word in their id, run, status or error."""
        wanted = words.casefold().split()
        return [head for head in self.heads if all(word in head.words for word in wanted)]

    def say(self, *remarks: str) -> None:
        """Tell what is offered and what is not."""
        self.remarks = remarks
        self.remark.show(fragment("remark", lines=remarks) if remarks else Area.markup)

    def put(self, state: WorkflowState) -> None:
        """Offer a workflow first, as it was just saved."""
        rest = [head for head in self.heads if head.workflow_id != state.workflow_id]
        self._know([Head.of(state), *rest])

    def drop(self, workflow_id: str) -> None:
        """Offer a workflow no longer."""
        self._know([head for head in self.heads if head.workflow_id != workflow_id])

    def _know(self, heads: list[Head]) -> None:
        self.heads = heads
        self.field.options = [visible(head.workflow_id) for head in heads[:_NEWEST]]


def typed_among(known: Iterable[str], typed: str) -> str:
    """Give the known text that was meant: as typed, or with escapes as lists show it.

    Without blanks around it if that is what is known, or if nothing is: they come from pasting.
    """
    texts = list(known)
    shown = {visible(text): text for text in texts} | {text: text for text in texts}
    return shown.get(typed) or shown.get(typed.strip()) or typed.strip()
