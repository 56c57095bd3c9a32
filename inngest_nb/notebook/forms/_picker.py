"""The workflows that a form offers to choose from, and the field for the id of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import ipywidgets as widgets

from inngest_nb.errors import ListingUnsupportedError
from inngest_nb.notebook.page import Area, filling, fragment
from inngest_nb.query import having, words_of
from inngest_nb.state import WorkflowState
from inngest_nb.store import Head, HeadStore, WorkflowStore, unreadable_in
from inngest_nb.words import (
    count_text,
    short,
    status_choice,
    time_text,
    visible,
)

__all__ = ["Picker", "typed_among"]

_NEWEST = 300  # workflows that are offered before anybody searches
_OLDER = "type the id of any other"
_CANNOT_LIST = (
    "This server cannot list its workflows: only those that this client saved are offered; "
    f"{_OLDER}."
)
_NEVER = datetime.min.replace(tzinfo=UTC)


class Offer(Head):
    """A workflow as lists show it and a search finds it."""

    __slots__ = ()

    @property
    def line(self) -> str:
        """The workflow on one line."""
        parts = [short(self.workflow_id), status_choice(self.status), time_text(self.updated_at)]
        if words := (self.error or "").strip():
            parts.append(short(words.splitlines()[0]))
        return "  ·  ".join(parts)

    @property
    def words(self) -> str:
        """The text that a search looks at; it has the run and the error once these were read."""
        return words_of(self.workflow_id, self.run_id or "", self.status, self.error or "")


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

    def read(self, *, everything: bool = False, documents: bool = False) -> None:
        """Read the newest workflows of the store, or `everything`.

        Their runs and errors only come with their `documents`.
        """
        limit = 0 if everything else _NEWEST
        found: dict[str, Offer] = {}
        remarks: list[str] = []
        self.whole = True
        for status in self._statuses or (None,):
            try:
                heads = self._heads(status, limit and limit + 1, documents=documents)
            except ListingUnsupportedError:
                heads = _heads_of(self._store.list(status=status), status)
                remarks = [_CANNOT_LIST]
            else:
                self.whole = self.whole and not 0 < limit < len(heads)
            found |= {head.workflow_id: Offer(*head) for head in heads}
        offers = sorted(found.values(), key=lambda each: each.updated_at or _NEVER, reverse=True)
        if not self.whole:
            offers = offers[:limit]
            kind = f"{' or '.join(self._statuses)} workflow".strip()
            remarks.append(f"Only the newest {count_text(limit, kind)} are offered; {_OLDER}.")
        self._know(offers)
        self.say(*remarks)

    def _heads(self, status: str | None, limit: int, *, documents: bool) -> Sequence[Head]:
        """Read heads, from documents where they are wanted or the store has nothing else."""
        if isinstance(self._store, HeadStore) and not documents:
            return self._store.heads(status, limit)
        listing = getattr(self._store, "fetch", self._store.list)
        return _heads_of(listing(status=status, limit=limit), status)

    def search(self, typed: str) -> None:
        """Read what a search lacks: all heads, and if none of them matches all documents."""
        if self.lacks(typed) and not self.whole:
            self.read(everything=True)
        if self.lacks(typed):
            self.read(everything=True, documents=True)

    def lacks(self, typed: str) -> bool:
        """Tell whether a search may find more in the store than is known."""
        if not typed.strip():
            return False
        return not self.whole or (self.knows_ids_only and not self.matching(typed))

    @property
    def knows_ids_only(self) -> bool:
        """Whether there are workflows whose runs and errors were not read."""
        return any(offer.error is None for offer in self.offers)

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
        self._know([Offer.of(state), *rest])

    def drop(self, workflow_id: str) -> None:
        """Offer a workflow no longer."""
        self._know([offer for offer in self.offers if offer.workflow_id != workflow_id])

    def _know(self, offers: list[Offer]) -> None:
        self.offers = offers
        self.field.options = [visible(offer.workflow_id) for offer in offers[:_NEWEST]]


def _heads_of(states: Sequence[WorkflowState], status: str | None) -> list[Head]:
    """Take the heads off states, and name those that cannot be read."""
    unreadable = unreadable_in(states).items()
    said = [(key, f"cannot be read: {why}") for key, why in unreadable]
    bare = [Head(key, status or "", run_id="", error=error) for key, error in said]
    return [*map(Head.of, states), *bare]


def typed_among(known: Iterable[str], typed: str) -> str:
    """Give the known text that was meant: as typed, or with escapes as lists show it.

    Without blanks around it if that is what is known, or if nothing is: they come from pasting.
    """
    texts = list(known)
    shown = {visible(text): text for text in texts} | {text: text for text in texts}
    return shown.get(typed) or shown.get(typed.strip()) or typed.strip()
