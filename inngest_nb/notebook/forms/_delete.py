"""A form that deletes workflows, and takes it back."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from inngest_nb.history import payload_text
from inngest_nb.notebook.forms._draft import difference
from inngest_nb.notebook.forms._form import Form
from inngest_nb.notebook.forms._picker import Listing, line_of, newest
from inngest_nb.notebook.page._areas import Area, filling, notice, row
from inngest_nb.notebook.page._html import fragment
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore
from inngest_nb.words import count_text, short, visible

__all__ = ["DeleteForm", "delete_form"]

_LISTED = 1_000  # workflows that the filter searches
_SHOWN = 100  # lines of the list at once
_FOLDED = ("input", "result", "history")


def delete_form(store: WorkflowStore) -> DeleteForm:
    """Return a form to choose a workflow, see what it is, delete it, and undo that.

    The id is typed once more before anything is deleted. Undo saves the document back as it was,
    to the byte; it lasts as long as the form.
    """
    return DeleteForm(store)


class DeleteForm(Form):
    """A form over the workflows of a store; `delete_form` makes one.

    Without `choosing` it is about the workflow that `begin` was given, and leaves its heading to
    what it stands in.
    """

    title = "Delete a workflow"

    def __init__(self, store: WorkflowStore, *, choosing: bool = True) -> None:
        super().__init__(store)
        self._choosing = choosing
        self._listing = Listing()
        self._listens = True  # whether a choice in the list is somebody's
        self._wanted = ""  # the id that was chosen or typed last
        self._shown: WorkflowState | None = None
        self._deleted: dict[str, WorkflowState] = {}  # the last one last
        self._other: WorkflowState | None = None  # what an undo would go over

        self.filter = _field(widgets.Text, "Filter", "inb-filter")
        self.filter.placeholder = "words of an id, run, status or error"
        self.list = _field(widgets.Select, "Workflows", "inb-list", rows=8)
        self.workflow_id = _field(widgets.Text, "Workflow id", "inb-id", continuous_update=False)
        self.confirmation = _field(
            widgets.Text, "Type the id to confirm", "inb-confirmation", continuous_update=False
        )
        self.remark, self.trouble = Area("inb-remark"), Area("inb-trouble")
        self.summary, self.outcome = Area("inb-summary"), Area("inb-outcome")
        self._make_buttons()
        self.confirming, self.undoing = row(self.confirmation, self.delete), row()
        choice = (
            row(self.filter, self.refresh),
            self.list,
            self.remark,
            row(self.workflow_id, self.show),
            self.summary,
        )
        asking = (self.confirming, self.trouble, self.outcome, self.undoing)
        self._build(*(choice if choosing else ()), *asking, heading=choosing)
        self._put_up(None)
        if not choosing:
            return
        self._guard("list the workflows", self._refresh, self.trouble)
        self.filter.observe(lambda _: self._fill_list(), "value")
        self.list.observe(lambda _: self._chosen(), "value")
        self.workflow_id.observe(lambda _: self._id_typed(), "value")

    def _make_buttons(self) -> None:
        button, trouble = self._button, self.trouble
        self.refresh = button("Refresh", "list the workflows", self._refresh, trouble)
        self.show = button("Show", "show the workflow", self._show, trouble)
        self.delete = button("Delete", "delete the workflow", self._delete, trouble, "danger")
        undo = "undo the deletion"
        self.undo = button("Undo", undo, self._undo, trouble, "primary")
        self.undo_anyway = button("Overwrite it", undo, self._undo_anyway, trouble, "warning")

    def begin(self, state: WorkflowState | None) -> None:
        """Ask whether a workflow is to be deleted; None takes the question back."""
        self._wanted = state.workflow_id if state else ""
        self.trouble.show()
        self.outcome.show()
        self._put_up(state)

    # Choosing

    def _refresh(self) -> None:
        self._listing = newest(self._store, _LISTED)
        self._fill_list()

    def _fill_list(self) -> None:
        """List what matches the filter, and say how much that is of what there is."""
        matching = self._listing.matching(self.filter.value)
        options = [(line_of(state), state.workflow_id) for state in matching[:_SHOWN]]
        self._listens = False  # new options choose the first by themselves
        self.list.options = options
        self.list.value = self._wanted if any(id_ == self._wanted for _, id_ in options) else None
        self._listens = True
        words = count_text(len(matching), "workflow")
        if len(matching) > _SHOWN:
            words = (
                f"The newest {_SHOWN} of {words}; type more words into the filter to find others"
            )
        self.remark.show(fragment("remark", lines=[words, self._listing.remark]))

    def _chosen(self) -> None:
        if self._listens and self.list.value not in (None, self._wanted):
            self._wanted = self.list.value
            self.workflow_id.value = visible(self._wanted)
            self._start("show the workflow", self._show, self.trouble, again=True)

    def _id_typed(self) -> None:
        if self.workflow_id.value != visible(self._wanted):
            self._wanted = self._listing.id_of(self.workflow_id.value)
            self._start("show the workflow", self._show, self.trouble, again=True)

    def _show(self) -> None:
        if not self._wanted:
            raise ValueError("choose or type a workflow id first")
        workflow_id, state = self._wanted, None
        try:
            state = self._store.load(workflow_id)
        finally:
            self.outcome.show()
            self._put_up(state)
        if state is None:
            headline = f"The store has no workflow {short(workflow_id)}"
            self.summary.show(notice("note", headline))

    def _put_up(self, state: WorkflowState | None) -> None:
        """Show a workflow, and what it takes to delete it."""
        self._shown = state
        self.confirmation.value = ""
        self.confirming.layout.display = "none" if state is None else ""
        if state is None:
            self.summary.show()
            return
        self.confirmation.placeholder = visible(state.workflow_id)
        texts = [(name.title(), payload_text(state, name)) for name in _FOLDED]
        payloads = [(label, text) for label, text in texts if text not in ("", "[]")]
        self.summary.show(fragment("workflow", state=state, payloads=payloads, brief=False))

    # Deleting and undoing

    def _delete(self) -> None:
        """Delete what is shown, if it is still what the store has."""
        if (state := self._shown) is None:
            return
        name = short(state.workflow_id)
        if self.confirmation.value not in (state.workflow_id, visible(state.workflow_id)):
            raise ValueError(f"type its id to confirm: {visible(state.workflow_id)}")
        stored = self._store.load(state.workflow_id)
        if found := difference(state, stored):
            self._put_up(stored)
            headline = (
                f"{name} was changed meanwhile and not deleted; look again, and confirm again"
            )
            if stored is None:
                headline, found = f"{name} was deleted meanwhile by someone else", []
            self.outcome.show(notice("warn", headline, changes=found))
            self._wrote(state.workflow_id, stored)
            return
        self._deleted.pop(state.workflow_id, None)
        self._deleted[state.workflow_id] = state  # first, since a lost answer may mean it is done
        self._offer_undo()
        self._store.delete(state.workflow_id)
        self._listing = self._listing.without(state.workflow_id)
        self._fill_list()
        self._put_up(None)
        self.outcome.show(notice("done", f"Deleted {name}"))
        self._focus = self.show
        self._wrote(state.workflow_id, None)

    def _offer_undo(self) -> None:
        self._other = None
        last = next(reversed(self._deleted), None)
        self.undo.description = f"Undo: put {short(last or '', 40)} back"
        self.undoing.children = () if last is None else (self.undo,)

    def _undo(self) -> None:
        """Put the workflow back that was deleted last, unless its id is in use again."""
        if not self._deleted:
            return
        self._put_back(None)

    def _undo_anyway(self) -> None:
        if self._deleted and self._other is not None:
            self._put_back(self._other)

    def _put_back(self, over: WorkflowState | None) -> None:
        workflow_id, state = next(reversed(self._deleted.items()))
        name, stored = short(workflow_id), self._store.load(workflow_id)
        if stored is None or (over is not None and not difference(over, stored)):
            self._store.save(state.replace(etag=stored.etag if stored else ""))
            headline = f"{name} is back as it was"
        elif found := difference(state, stored):
            self._other = stored
            headline = f"The store has another workflow {name} by now; nothing was saved"
            line = "If the deleted one overwrites it, this is lost:"
            self.outcome.show(notice("warn", headline, line, changes=found))
            self.undoing.children = (self.undo, self.undo_anyway)
            return
        else:
            headline = f"{name} is still there"
        del self._deleted[workflow_id]
        self._offer_undo()
        self._listing = self._listing.with_state(state)
        self._wanted = workflow_id
        self.workflow_id.value = visible(workflow_id)
        self._fill_list()
        self._put_up(state if self._choosing else None)
        self.outcome.show(notice("done", headline))
        self._focus = self.show
        self._wrote(workflow_id, state)

    # What a notebook keeps

    def _facts(self) -> list[tuple[str, str]]:
        lines = "\n".join(label for label, _ in self.list.options)
        return [("Filter", self.filter.value), ("Workflows", lines), ("Workflow id", self._wanted)]

    def _areas(self) -> tuple[list[Area], list[Area]]:
        return [], [self.remark, self.summary, self.trouble, self.outcome]


def _field(kind: Any, label: str, hook: str, **more: Any) -> Any:
    field = kind(description=label, layout=filling("200px"), **more)
    field.add_class(hook)
    return field
