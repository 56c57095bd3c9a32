"""A form that deletes workflows, and restores them."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as widgets

from inngest_nb.frames import id_in
from inngest_nb.history import payload_texts
from inngest_nb.notebook.forms._draft import difference
from inngest_nb.notebook.forms._form import Form
from inngest_nb.notebook.forms._picker import NO_ID, Picker
from inngest_nb.notebook.page import Area, filling, fragment, notice, row
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore
from inngest_nb.words import count_text, short, status_choice, visible

__all__ = ["DeleteForm", "delete_form"]

_SHOWN = 100  # lines of the list at once
_FOLDED = ("input", "result", "history")


def delete_form(store: WorkflowStore, workflow: object = None) -> DeleteForm:
    """Return a form to find a workflow, look at it, delete it, and undo that.

    It starts with `workflow` (an id, a state, or a run) if that is given. The id has to be typed
    before anything is deleted. Every deletion can be undone for as long as the form lives: the
    document is saved as it was, byte for byte.
    """
    return DeleteForm(store, workflow)


class DeleteForm(Form):
    """A form over the workflows of a store; `delete_form` makes one.

    Without `choosing` it is about the workflow that `begin` was given, and leaves its heading to
    what it stands in.
    """

    title = "Delete a workflow"

    def __init__(
        self, store: WorkflowStore, workflow: object = None, *, choosing: bool = True
    ) -> None:
        super().__init__(store)
        self.add_class("inb-fields")
        self._choosing = choosing
        self._picker = Picker(store)
        self._listens = True  # whether a choice in the list is somebody's
        self._wanted = id_in(workflow)  # the id that was chosen or typed last
        self._shown: WorkflowState | None = None
        self._deleted: dict[str, WorkflowState] = {}  # the last one last
        self._other: tuple[str, WorkflowState] | None = None  # what an undo would overwrite

        self.filter = _field(widgets.Text, "Filter", "inb-filter")
        self.filter.placeholder = "id, workflow, step, status or error"
        self.list = _field(widgets.Select, "Workflows", "inb-list", rows=8)
        self.workflow_id, self.remark = self._picker.field, self._picker.remark
        self.confirmation = _field(
            widgets.Text, "Type the id to confirm", "inb-confirmation", continuous_update=False
        )
        self.deleted = _field(widgets.Dropdown, "Deleted here", "inb-deleted")
        self.trouble = Area("inb-trouble")
        self.summary, self.outcome = Area("inb-summary"), Area("inb-outcome")
        self._make_buttons()
        self.confirming = row(self.confirmation, self.delete, self.cancel)
        self.undoing = row()
        choice: tuple[Any, ...] = ()
        if choosing:
            search = (row(self.filter, self.refresh), self.list, self.remark)
            choice = (*search, row(self.workflow_id, self.show), self.summary)
        asking = (self.confirming, self.trouble, self.outcome, self.undoing)
        self._build(*choice, *asking, heading=choosing)
        self._show_state(None)
        self.deleted.observe(lambda _: self._offer_undo(), "value")
        if not choosing:
            return
        self.workflow_id.value = visible(self._wanted)
        self.filter.observe(lambda _: self._filtered(), "value")
        self.list.observe(lambda _: self._chosen(), "value")
        self.workflow_id.observe(lambda _: self._id_typed(), "value")
        if self._wanted:
            self._start("show the workflow", self._show, self.trouble)
        self._start("list the workflows", self._refresh, self.remark, again=True)

    def _make_buttons(self) -> None:
        button, trouble = self._button, self.trouble
        self.refresh = button("Refresh", "list the workflows", self._refresh, trouble)
        self.show = button("Show", "show the workflow", self._show, trouble)
        self.delete = button("Delete", "delete the workflow", self._delete, trouble, "danger")
        self.cancel = button("Cancel", "cancel", partial(self.begin, None), trouble)
        undo = "restore the workflow"
        self.undo = button("Restore", undo, self._undo, trouble, "primary")
        self.undo_anyway = button("Overwrite theirs", undo, self._undo_anyway, trouble, "warning")
        self.cancel_undo = button("Cancel", "cancel", self._cancel_undo, trouble)

    def begin(self, state: WorkflowState | None) -> None:
        """Ask whether to delete a workflow; None withdraws the question."""
        self._wanted = state.workflow_id if state else ""
        if self._choosing:
            self.workflow_id.value = visible(self._wanted)
            self._select()
        self.trouble.show()
        self.outcome.show()
        self._offer_undo()
        self._show_state(state)

    # Choosing

    def _refresh(self) -> None:
        self._picker.read()
        self._search()

    def _filtered(self) -> None:
        """List what matches, and search the store if it may have more."""
        self._fill_list()
        if self._picker.lacks(self.filter.value):
            self._start("search the store", self._search, self.trouble, again=True)

    def _search(self) -> None:
        self._picker.search(self.filter.value)
        self._fill_list()

    def _fill_list(self) -> None:
        """List what matches the filter, and say how much that is of what there is."""
        typed = self.filter.value.strip()
        matching = self._picker.matching(typed)
        self._listens = False  # options choose the first of them by themselves
        self.list.options = [(offer.line, offer.workflow_id) for offer in matching[:_SHOWN]]
        self._select()
        words = count_text(len(matching), "workflow")
        if len(matching) > _SHOWN:
            words = f"The newest {_SHOWN} of {words}; add words to the filter to narrow them down"
        elif not matching and typed:
            words = "No workflow matches"
        lines = [words, *self._picker.remarks]
        self.remark.show(fragment("remark", lines=lines))

    def _select(self) -> None:
        """Mark in the list what is shown."""
        self._listens = False
        listed = any(id_ == self._wanted for _, id_ in self.list.options)
        self.list.value = self._wanted if listed else None
        self._listens = True

    def _chosen(self) -> None:
        if self._listens and self.list.value not in (None, self._wanted):
            self._wanted = self.list.value
            self.workflow_id.value = visible(self._wanted)
            self._start("show the workflow", self._show, self.trouble, again=True)

    def _id_typed(self) -> None:
        if self.workflow_id.value != visible(self._wanted):
            self._wanted = self._picker.typed
            if self._wanted:
                self._start("show the workflow", self._show, self.trouble, again=True)
            else:
                self._show_state(None)

    def _show(self) -> None:
        if not self._wanted:
            raise ValueError(NO_ID)
        workflow_id, state = self._wanted, None
        self.workflow_id.value = visible(workflow_id)
        try:
            state = self._store.load(workflow_id)
        finally:
            self.outcome.show()
            self._offer_undo()
            self._show_state(state)
        if state is None:
            headline = f"The store has no workflow {short(workflow_id)}"
            self.summary.show(notice("note", headline))

    def _show_state(self, state: WorkflowState | None) -> None:
        """Show a workflow, and what it takes to delete it."""
        self._shown = state
        self.confirmation.value = ""
        self.confirming.layout.display = "none" if state is None else ""
        if state is None:
            self.summary.show()
            return
        self.confirmation.placeholder = visible(state.workflow_id)
        texts = payload_texts(state, _FOLDED)
        payloads = [(name.title(), text) for name, text in texts.items() if text not in ("", "[]")]
        self.summary.show(fragment("workflow", state=state, payloads=payloads, brief=False))

    # Deleting and undoing

    def _delete(self) -> None:
        """Delete what is shown, if it is still what the store has."""
        if (state := self._shown) is None:
            return
        workflow_id, name = state.workflow_id, short(state.workflow_id)
        shown, typed = (workflow_id, visible(workflow_id)), self.confirmation.value
        if typed not in shown and typed.strip() not in shown:
            raise ValueError(f"type its id to confirm: {visible(workflow_id)}")
        stored = self._store.load(workflow_id)
        if found := difference(state, stored):
            self._show_state(stored)
            headline = f"{name} has changed, so it was not deleted; check it and confirm again"
            if stored is None:
                headline, found = f"{name} had already been deleted by someone else", []
            self.outcome.show(notice("warn", headline, changes=found))
            self._wrote(workflow_id, stored)
            return
        # First, since the deletion may have happened although its answer was lost.
        self._deleted = {key: each for key, each in self._deleted.items() if key != workflow_id}
        self._deleted[workflow_id] = state
        self._list_deleted()
        self._store.delete(workflow_id)
        self._picker.drop(workflow_id)
        self._fill_list()
        self._show_state(None)
        self.outcome.show(notice("done", f"Deleted {name}"))
        self._focus = self.show
        self._wrote(workflow_id, None)

    def _list_deleted(self) -> None:
        """List what can be restored, and choose what was deleted last."""
        newest = list(reversed(self._deleted.values()))
        self.deleted.options = [
            (f"{short(state.workflow_id)}  ·  {status_choice(state.status)}", state.workflow_id)
            for state in newest
        ]
        self.deleted.value = newest[0].workflow_id if newest else None
        self._offer_undo()

    def _offer_undo(self) -> None:
        self._other = None
        chosen, several = self.deleted.value, len(self._deleted) > 1
        self.undo.description = f"Restore {short(chosen or '', 40)}"
        choice = (self.deleted,) if several else ()
        self.undoing.children = (*choice, self.undo) if self._deleted else ()

    def _undo(self) -> None:
        """Put the chosen workflow back, unless its id is in use again."""
        if self.deleted.value in self._deleted:
            self._put_back(self.deleted.value, None)

    def _undo_anyway(self) -> None:
        if self._other is not None:
            self._put_back(*self._other)

    def _put_back(self, workflow_id: str, over: WorkflowState | None) -> None:
        state, name = self._deleted[workflow_id], short(workflow_id)
        stored = self._store.load(workflow_id)
        if stored is None or (over is not None and not difference(over, stored)):
            self._store.save(state.replace(etag=stored.etag if stored else ""))
            headline = f"Restored {name}"
        elif found := difference(stored, state):
            headline = (
                f"The store now has a different workflow with the id {name}; nothing was restored"
            )
            line = "Overwriting it with the deleted one would change:"
            self.outcome.show(notice("warn", headline, line, changes=found))
            self.undoing.children = (self.undo_anyway, self.cancel_undo)
            self._other = workflow_id, stored
            return
        else:
            headline = f"{name} is in the store, unchanged; nothing to restore"
        del self._deleted[workflow_id]
        self._list_deleted()
        self._picker.put(state)
        self._wanted = workflow_id
        self.workflow_id.value = visible(workflow_id)
        self._fill_list()
        self._show_state(state if self._choosing else None)
        self.outcome.show(notice("done", headline))
        self._focus = self.show
        self._wrote(workflow_id, state)

    def _cancel_undo(self) -> None:
        self.outcome.show()
        self._offer_undo()

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
