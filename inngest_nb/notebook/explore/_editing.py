"""The forms that save and delete the selected workflow, in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from inngest_nb.notebook.forms import DeleteForm, SaveForm
from inngest_nb.notebook.page import Area, row
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore

__all__ = ["Editing"]


class Editing(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Buttons and forms for one workflow at a time.

    A form with unsaved edits is kept while another workflow is shown. What was deleted can be
    restored as long as this lives.
    """

    def __init__(
        self,
        store: WorkflowStore,
        button: Callable[..., Any],
        written: Callable[[str, WorkflowState | None], None],
    ) -> None:
        self._store, self._written = store, written
        self._state: WorkflowState | None = None
        self._forms: dict[str, SaveForm] = {}
        self._open: set[str] = set()
        self.trouble = Area("inb-editing-trouble")
        self.edit = button("Edit", "open the form", self._edit, self.trouble)
        self.close_form = button("Close form", "close the form", self._close, self.trouble)
        self.discard = button("Discard edits", "discard the edits", self._discard, self.trouble)
        self.remove = button("Delete…", "open the form", self._remove, self.trouble)
        self.delete_form: DeleteForm | None = None  # made when it is wanted
        self._buttons, self._place = row(), widgets.VBox()
        super().__init__((self._buttons, self.trouble, self._place))
        self._arrange()

    @property
    def save_form(self) -> SaveForm | None:
        """The form that is open, if there is one."""
        open_one = self._state is not None and self._state.workflow_id in self._open
        return self._forms[self._state.workflow_id] if self._state and open_one else None

    def show(self, state: WorkflowState | None) -> None:
        """Offer to edit and delete a workflow. Forms with edits keep them."""
        before, self._state = self._state, state
        if before is not None and (state is None or before.workflow_id != state.workflow_id):
            self.trouble.show()
            self._forget(before.workflow_id)
            if state is not None:  # else the form itself says what became of it
                self._ask_nothing()
        self._arrange()

    def wait(self, timeout: float = 30) -> None:
        """Return once no form does anything; raises `TimeoutError`."""
        for form in (self.delete_form, self.save_form):
            if form is not None:
                form.wait(timeout)

    def _edit(self) -> None:
        if (state := self._state) is None:
            return
        if state.workflow_id not in self._forms:
            form = SaveForm(self._store, state, choosing=False)
            form.on_write(self._written)
            self._forms[state.workflow_id] = form
        self._open.add(state.workflow_id)
        self._ask_nothing()
        self._arrange()

    def _close(self) -> None:
        if self._state is not None:
            self._open.discard(self._state.workflow_id)
            self._forget(self._state.workflow_id)
            self._arrange()

    def _discard(self) -> None:
        if self._state is not None:
            self._drop(self._state.workflow_id)
            self._edit()

    def _remove(self) -> None:
        self._close()
        if self.delete_form is None:
            self.delete_form = DeleteForm(self._store, choosing=False)
            self.delete_form.on_write(self._written)
            self.children = (self._buttons, self.trouble, self._place, self.delete_form)
        self.delete_form.begin(self._state)

    def _ask_nothing(self) -> None:
        if self.delete_form is not None:
            self.delete_form.begin(None)

    def _forget(self, workflow_id: str) -> None:
        """Close a form without edits."""
        form = self._forms.get(workflow_id)
        if form is not None and not form.edited:
            self._drop(workflow_id)

    def _drop(self, workflow_id: str) -> None:
        form = self._forms.pop(workflow_id, None)
        self._open.discard(workflow_id)
        self._arrange()
        if form is not None:
            form.close()

    def _arrange(self) -> None:
        form = self.save_form
        if self._state is None:
            buttons = []
        elif form is None:
            buttons = [self.edit, self.remove]
            unsaved = self._state.workflow_id in self._forms
            self.edit.description = "Edit (unsaved changes)" if unsaved else "Edit"
        else:
            buttons = [self.close_form, self.discard, self.remove]
        if self._buttons.children != tuple(buttons):
            self._buttons.children = buttons
        if self._place.children != (() if form is None else (form,)):
            self._place.children = () if form is None else (form,)
