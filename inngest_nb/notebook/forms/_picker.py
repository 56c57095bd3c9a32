"""The workflows that a form offers to choose from, and the field for the id of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import ipywidgets as widgets

from inngest_nb.errors import ListingUnsupportedError
from inngest_nb.notebook.page import Area, filling, fragment
from inngest_nb.query import having, words_of
from inngest_nb.state import WorkflowState
from inngest_nb.store import Head, HeadStore, WorkflowStore, heads_of, unreadable_in
from inngest_nb.words import (
    count_text,
    short,
    status_choice,
    time_text,
    visible,
)

__all__ = ["NO_ID", "Picker", "typed_among"]

NO_ID = "choose or type a workflow id first"

_NEWEST = 300  # workflows that are offered before anybody searches
_OLDER = "type the id of any other"
_CANNOT_LIST = (
    "This server cannot list its workflows: only those that this client saved are offered; "
    f"{_OLDER}."
)


class Offer(NamedTuple):
    """A workflow as lists show it; a search finds it by its `words`."""

    workflow_id: str
    line: str
    updated_us: int
    words: str

    @classmethod
    def of(cls, head: Head) -> Offer:
        """Make an offer of a head."""
        parts = [short(head.workflow_id), status_choice(head.status), time_text(head.updated_at)]
        error = f"cannot be read: {head.flaw}" if head.flaw else head.error
        if said := error.strip():
            parts.append(short(said.splitlines()[0]))
        words = words_of(
            head.workflow_id, head.run_id, head.status, error, head.workflow, head.step
        )
        return cls(head.workflow_id, "  ·  ".join(parts), head.updated_us, words)


class Picker:
    """A field for the id of a workflow, which offers the newest ones, of some `statuses` or all.

    `remark` says what is not offered. `offers` are the workflows that are known, newest update
    first; they are `whole` if the store has no others.
    """

    def __init__(self, store: WorkflowStore, statuses: Sequence[str] = ()) -> None:
        self.offers: list[Offer] = []
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
        return typed_among((offer.workflow_id for offer in self.offers), self.field.value)

    def read(self, *, everything: bool = False) -> None:
        """Read the newest workflows of the store, or `everything`."""
        limit = 0 if everything else _NEWEST
        found: dict[str, Offer] = {}
        remarks: list[str] = []
        self.whole = True
        for status in self._statuses or (None,):
            try:
                heads = self._heads(status, limit and limit + 1)
            except ListingUnsupportedError:
                heads = _heads_of(self._store.list(status=status), status)
                remarks = [_CANNOT_LIST]
            else:
                self.whole = self.whole and not 0 < limit < len(heads)
            found |= {head.workflow_id: Offer.of(head) for head in heads}
        offers = sorted(found.values(), key=lambda offer: offer.updated_us, reverse=True)
        if not self.whole:
            offers = offers[:limit]
            kind = f"{' or '.join(self._statuses)} workflow".strip()
            remarks.append(f"Only the newest {count_text(limit, kind)} are offered; {_OLDER}.")
        self._know(offers)
        self.say(*remarks)

    def _heads(self, status: str | None, limit: int) -> Sequence[Head]:
        """Read heads, from documents where the store has nothing else."""
        if isinstance(self._store, HeadStore):
            return self._store.heads(status, limit)
        listing = getattr(self._store, "fetch", self._store.list)
        return _heads_of(listing(status=status, limit=limit), status)

    def search(self, typed: str) -> None:
        """Read what a search lacks: all workflows."""
        if self.lacks(typed):
            self.read(everything=True)

    def lacks(self, typed: str) -> bool:
        """Tell whether a search may find more in the store than is known."""
        return bool(typed.strip()) and not self.whole

    def matching(self, typed: str) -> list[Offer]:
        """Return the workflows that have every typed word in what is known of them."""
        return having(self.offers, typed)

    def say(self, *remarks: str) -> None:
        """Tell what is offered and what is not."""
        self.remarks = remarks
        self.remark.show(fragment("remark", lines=remarks) if remarks else Area.markup)

    def put(self, state: WorkflowState) -> None:
        """Offer a workflow first, as it was just saved."""
        rest = [offer for offer in self.offers if offer.workflow_id != state.workflow_id]
        self._know([Offer.of(Head.of(state)), *rest])

    def drop(self, workflow_id: str) -> None:
        """Offer a workflow no longer."""
        self._know([offer for offer in self.offers if offer.workflow_id != workflow_id])

    def _know(self, offers: list[Offer]) -> None:
        self.offers = offers
        self.field.options = [visible(offer.workflow_id) for offer in offers[:_NEWEST]]


def _heads_of(states: Sequence[WorkflowState], status: str | None) -> list[Head]:
    """Take the heads off states, and name those that cannot be read."""
    return heads_of(states, unreadable_in(states), status or "")


def typed_among(known: Iterable[str], typed: str) -> str:
    """Give the known text that was meant: as typed, or with escapes as lists show it.

    Without blanks around it if that is what is known, or if nothing is: they come from pasting.
    """
    texts = list(known)
    shown = {visible(text): text for text in texts} | {text: text for text in texts}
    return shown.get(typed) or shown.get(typed.strip()) or typed.strip()
