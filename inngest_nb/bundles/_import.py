"""Copies the workflows of a bundle into a store, where they can be changed."""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from dataclasses import dataclass

from inngest_nb.bundles._bundle import Bundle, open_bundle
from inngest_nb.bundles._source import is_store
from inngest_nb.errors import StoreConflictError
from inngest_nb.history import OPEN
from inngest_nb.progress import progress
from inngest_nb.state import WorkflowState
from inngest_nb.store import AppendingStore, InngestStore, WorkflowStore
from inngest_nb.store.rows import write_of
from inngest_nb.words import count_text

_AT_ONCE = 250
_AT_HAND = 1_000  # workflows that a client over HTTP lists afterwards, as that of `local`


@dataclass(frozen=True)
class Imported:
    """How many workflows an import added, replaced, and left as they are.

    `open` counts those of the added and replaced ones that have not ended.
    """

    added: int = 0
    replaced: int = 0
    left: int = 0
    open: int = 0

    def __str__(self) -> str:
        told = [f"{count_text(self.added, 'workflow')} added"]
        if self.replaced:
            told.append(f"{self.replaced:,} replaced")
        if self.left:
            told.append(f"{self.left:,} left as they are, because their ids are stored already")
        return "; ".join(told)

    def __add__(self, other: Imported) -> Imported:
        return Imported(
            self.added + other.added,
            self.replaced + other.replaced,
            self.left + other.left,
            self.open + other.open,
        )


def import_bundle(
    bundle: str | os.PathLike[str] | Bundle, store: WorkflowStore, overwrite: bool = False
) -> Imported:
    """Copy all workflows of a bundle into a store; return how many were added, replaced and left.

        inb.import_bundle("incident.db", inb.local())

    Workflows that the store already has are left as they are, unless `overwrite=True`. Importing
    again continues where it was interrupted. Documents are copied byte for byte; the store counts
    them as first saved now. Workflows that are stored as running then have no owner, so a worker on
    the store, or an executor that supervises it, resumes them: import into a separate store if you
    do not want that.

    Raises `StoreFileError` as `open_bundle` does, and `StoreError` if the store cannot be written.
    """
    if not is_store(store):
        raise TypeError(f"import_bundle needs a store, such as inb.local(), got {_kind(store)}")
    if isinstance(bundle, Bundle):
        return _import(bundle, store, overwrite)
    with open_bundle(bundle) as opened:
        return _import(opened, store, overwrite)


def _import(bundle: Bundle, store: WorkflowStore, overwrite: bool) -> Imported:
    total = Imported()
    together = isinstance(store, AppendingStore) and store.can_append()
    with progress("Importing", "workflows", bundle.info.workflows) as advance:
        for states in bundle.in_slices(_AT_ONCE):
            if together:
                assert isinstance(store, AppendingStore)  # noqa: S101  # for type checkers
                total += _written(states, store, overwrite)
            else:
                total += _saved(states, store, overwrite)
            advance(len(states))
    if together and isinstance(store, InngestStore):
        store.refresh(limit=_AT_HAND)  # its cache does not have what it appends
    return total


def _written(states: Sequence[WorkflowState], store: AppendingStore, overwrite: bool) -> Imported:
    """Write states in one batch, each only if its id is not stored; then those that are."""
    new = [write_of(state, force=True)._replace(if_match="") for state in states]
    there = []
    for state, error in zip(states, store.append_history(new), strict=True):
        if isinstance(error, StoreConflictError):
            there.append(state)
        elif error is not None:
            raise error
    if overwrite:
        for error in store.append_history([write_of(state, force=True) for state in there]):
            if error is not None:
                raise error
    return _counted(states, {state.workflow_id for state in there}, overwrite)


def _saved(states: Sequence[WorkflowState], store: WorkflowStore, overwrite: bool) -> Imported:
    """Save states one by one, as every store can."""
    there = set()
    for state in states:
        if store.load(state.workflow_id) is not None:
            there.add(state.workflow_id)
        if overwrite or state.workflow_id not in there:
            store.save(state, force=True)
    return _counted(states, there, overwrite)


def _counted(states: Sequence[WorkflowState], there: Set[str], overwrite: bool) -> Imported:
    written = [state for state in states if overwrite or state.workflow_id not in there]
    return Imported(
        added=len(states) - len(there),
        replaced=len(there) if overwrite else 0,
        left=0 if overwrite else len(there),
        open=sum(state.status in OPEN for state in written),
    )


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
