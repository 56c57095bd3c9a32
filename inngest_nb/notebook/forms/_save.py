"""A form that edits the state of one workflow."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from markupsafe import Markup

from inngest_nb._renamed import renamed
from inngest_nb.errors import StoreConflictError
from inngest_nb.frames import id_in
from inngest_nb.notebook.forms._draft import Draft, Review, difference
from inngest_nb.notebook.forms._form import Form
from inngest_nb.notebook.forms._picker import NO_ID, Picker
from inngest_nb.notebook.forms._state_fields import StateFields
from inngest_nb.notebook.page import Area, fragment, notice, row
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore
from inngest_nb.words import short, time_text, visible

__all__ = ["SaveForm", "save_form"]


@renamed(state="workflow")
def save_form(store: WorkflowStore, workflow: object = None) -> SaveForm:
    """Return a form to edit a workflow's state and save it after a review of the changes.

    It starts with `workflow` (an id, a state, or a run), or with an id to choose or type. Only the
    edited fields and `updated_at` of a stored workflow are written. If somebody else has changed it
    in the meantime, the form shows their changes before it saves anything.
    """
    return SaveForm(store, workflow)


class _Other(NamedTuple):
    """What the store has under an id (None: nothing), where the form holds edits."""

    workflow_id: str
    state: WorkflowState | None
    review: Review | None = None


class SaveForm(Form):
    """A form over one workflow of a store; `save_form` makes one.

    It is either being edited or asking something: whether to save what was reviewed, or what to do
    about a conflict. An edit withdraws the question; a click that answers no question does nothing.
    Without `choosing` it stays with the given state, and leaves its heading to what it stands in.
    """

    title = "Save a workflow"

    def __init__(
        self, store: WorkflowStore, workflow: object = None, *, choosing: bool = True
    ) -> None:
        super().__init__(store)
        self.add_class("inb-fields")
        given = workflow if isinstance(workflow, WorkflowState) else None
        wanted = id_in(workflow)
        self._draft = Draft.begin("")
        self._asked: Review | _Other | None = None
        self._about: object = None  # what the form showed when that was asked
        self._attempt: WorkflowState | None = None  # a save whose outcome nobody knows
        self._picker = Picker(store)
        self.workflow_id, self.remark = self._picker.field, self._picker.remark
        self.fields = StateFields()
        self.summary, self.question = Area("inb-summary"), Area("inb-question")
        self.load_trouble, self.trouble = Area("inb-load-trouble"), Area("inb-trouble")
        self.choices = row()
        self._make_buttons()
        self._build(
            *((row(self.workflow_id, self.load), self.remark) if choosing else ()),
            self.load_trouble,
            *((self.summary,) if choosing else ()),
            *self.fields.widgets,
            row(self.review),
            self.question,
            self.trouble,
            self.choices,
            heading=choosing,
        )
        if given is not None:
            show = partial(self._show_given, given)
            self._guard("load the workflow", show, self.load_trouble)
        self.workflow_id.observe(lambda _: self._id_typed(), "value")
        self.fields.on_edit(self._withdraw)
        if wanted:
            begin = partial(self._load, wanted) if given is None else partial(self._begin, given)
            self._start("load the workflow", begin, self.load_trouble)
        if choosing:
            self._start("list the workflows", self._picker.read, self.remark, again=True)

    def _make_buttons(self) -> None:
        button, load, save = self._button, "load the workflow", "save the workflow"
        self.load = button("Load", load, self._load, self.load_trouble)
        # One who has typed an id and presses at once waits for what the store has of it.
        self.review = button(
            "Review changes", "review the changes", self._review, self.trouble, waits=True
        )
        self.save = button("Save", save, self._save, self.trouble, style="primary")
        self.reapply = button("Reapply my edits", load, self._reapply, self.trouble)
        self.overwrite = button(
            "Overwrite theirs", save, self._overwrite, self.trouble, style="warning"
        )
        self.discard = button("Discard my edits", load, self._discard, self.trouble)
        self.cancel = button("Cancel", "cancel", self._ask_nothing, self.trouble)

    # Filling the fields

    def _show_given(self, given: WorkflowState) -> None:
        """Fill the fields from a given state, before anything is known of the store."""
        self._draft = Draft.of_given(given).without(self.fields.names)
        self.workflow_id.value = visible(given.workflow_id)
        self.fields.show(given)

    def _begin(self, given: WorkflowState) -> None:
        """Take what was given as changes of what the store has; what was typed since, too."""
        whole = Draft.of_given(given)
        stored = self._store.load(given.workflow_id)
        if self._draft.root is not given:
            return  # somebody has chosen another workflow meanwhile
        if stored is not None:
            self.fields.rebase(given, stored.replace(**whole.carried))
        self._open(self._draft.onto(stored))
        if stored and whole.seen and (found := difference(whole.seen, stored)):
            headline = "This workflow has changed in the store since the given state was loaded"
            line = "The fields show the stored state with your changes applied."
            self.question.show(notice("note", headline, line, changes=found))

    def _id_typed(self) -> None:
        """Load what was typed or chosen; with unsaved edits only the button does, and asks."""
        if self._typed_id() != self._draft.root.workflow_id:
            self._withdraw()
            if (typed := self._typed_id()) and not self.edited:
                # What is being loaded meanwhile will write its own id into the field.
                load = partial(self._load, typed)
                self._start("load the workflow", load, self.load_trouble, again=True)

    def _load(self, workflow_id: str = "") -> None:
        workflow_id = workflow_id or self._typed_id()
        if not workflow_id:
            raise ValueError(NO_ID)
        stored = self._store.load(workflow_id)
        if stored is None and not self._draft.root.workflow_id:  # typed for this one, so far
            self._open(Draft.begin(workflow_id))
        elif self.edited:
            words = notice("ask", f"Apply your unsaved edits to {short(workflow_id)}?")
            other = _Other(workflow_id, stored)
            self._ask(other, self._facts(), words, self.reapply, self.discard, self.cancel)
        else:
            self._fill(_Other(workflow_id, stored))

    def _fill(self, other: _Other) -> None:
        draft = Draft.begin(other.workflow_id, other.state)
        self._ask_nothing()
        self.fields.show(draft.base)  # first: what is said to be loaded can be edited
        self._open(draft)

    def _open(self, draft: Draft) -> None:
        """Be about a draft from now on, and say what the store has of it."""
        self._draft = draft
        self._ask_nothing()
        self.load_trouble.show()
        workflow_id = draft.root.workflow_id
        self.workflow_id.value = visible(workflow_id)
        if draft.seen is None:
            headline = f"The store has no workflow {short(workflow_id)}; saving creates it"
            self.summary.show(notice("note", headline))
        else:
            self.summary.show(fragment("workflow", state=draft.seen, payloads=[], brief=True))

    def _typed_id(self) -> str:
        typed, held = self.workflow_id.value, self._draft.root.workflow_id
        return held if typed == visible(held) else self._picker.typed

    @property
    def edited(self) -> bool:
        """Whether the form holds something that is not saved."""
        return bool(self._draft.carried or self.fields.edited(self._draft.base))

    # Asking before anything is written

    def _ask(self, asked: Review | _Other, about: object, words: Markup, *choices: Any) -> None:
        """Ask something `about` what the form showed, unless it was edited since then."""
        self._asked = None
        self.question.show(words)
        self.choices.children = choices
        self._about, self._asked = about, asked
        self._withdraw()

    def _ask_nothing(self) -> None:
        if self._asked is not None:
            self._focus = self.review
        self._asked = None
        self.question.show()
        self.trouble.show()
        self.choices.children = ()

    def _withdraw(self) -> None:
        """Take a question back once the form says something else than it was asked about."""
        if self._asked is not None and self._facts() != self._about:
            self._ask_nothing()
            self.question.show(notice("note", "The form was edited: review the changes again"))

    def _review(self) -> None:
        self._ask_nothing()
        about, held, typed = self._facts(), self._draft.root.workflow_id, self._typed_id()
        if not held and typed:
            self._draft = Draft.begin(typed)  # what the store has of it, saving will see
        elif held != typed or not typed:
            raise ValueError(_other_id(short(held), short(typed)))
        review = self._draft.review(self.fields.changes(self._draft.root))
        if not review.changes:
            self.question.show(notice("note", "Nothing to save: no field has changed"))
            return
        verb = "Save" if review.over else "Create"
        line = "updated_at will be set to now."
        words = notice("ask", f"{verb} {short(typed)}?", line, changes=review.changes)
        self._ask(review, about, words, self.save, self.cancel)

    # Writing

    def _save(self) -> None:
        if isinstance(self._asked, Review):
            self._put(self._asked)

    def _overwrite(self) -> None:
        if isinstance(self._asked, _Other) and self._asked.review is not None:
            self._put(self._asked.review._replace(over=self._asked.state))

    def _put(self, review: Review) -> None:
        """Save what was reviewed, unless the store has changed since then."""
        workflow_id = review.state.workflow_id
        stored = self._store.load(workflow_id)
        arrived = self._attempt is not None and not difference(self._attempt, stored)
        if self._attempt is not None and arrived:
            saved = self._attempt  # its answer was lost, not the save
        elif difference(review.over, stored):
            self._show_other(_Other(workflow_id, stored, review), review.over)
            return
        else:
            saved = self._attempt = review.stamped()
            try:
                self._store.save(saved.replace(etag=stored.etag if stored else ""))
            except StoreConflictError:  # somebody was faster, just now
                self._attempt = None
                other = self._store.load(workflow_id)
                self._show_other(_Other(workflow_id, other, review), review.over)
                return
        self._attempt = None
        self._ask_nothing()
        self.fields.rebase(review.state, saved)
        self._open(Draft.begin(workflow_id, saved))
        self._picker.put(saved)
        done = f"Saved {short(workflow_id)}, {time_text(saved.updated_at)}"
        self.question.show(notice("done", done, changes=review.changes))
        self._wrote(workflow_id, saved)

    def _show_other(self, other: _Other, over: WorkflowState | None) -> None:
        """Show what the store has instead, before anything is overwritten."""
        name, choices = short(other.workflow_id), [self.overwrite, self.discard, self.cancel]
        if other.state is None:
            self.overwrite.description = "Create it again"
            headline, line = f"{name} was deleted by someone else; nothing was saved", ""
        else:
            self.overwrite.description = "Overwrite theirs"
            choices.insert(0, self.reapply)
            headline = f"{name} was changed by someone else; nothing was saved"
            line = "Overwriting discards their changes:"
        if other.state and over is None:
            headline = f"{name} was created by someone else; nothing was saved"
        found = difference(over, other.state) if other.state else []
        words = notice("warn", headline, *filter(None, [line]), changes=found)
        self._ask(other, self._facts(), words, *choices)

    def _reapply(self) -> None:
        """Show what the store has, with the edits applied to it."""
        if isinstance(other := self._asked, _Other):
            before, same = self._draft, other.workflow_id == self._draft.root.workflow_id
            draft = Draft.begin(other.workflow_id, other.state)
            self._ask_nothing()
            self.fields.rebase(before.base, draft.base)
            self._open(draft._replace(carried=before.carried) if same else draft)
            self.question.show(
                notice("note", "The fields show the stored state with your edits applied")
            )

    def _discard(self) -> None:
        if isinstance(self._asked, _Other):
            self._fill(self._asked)

    # What a notebook keeps

    def _facts(self) -> list[tuple[str, str]]:
        return [("Workflow id", self.workflow_id.value), *self.fields.facts()]

    def _areas(self) -> tuple[list[Area], list[Area]]:
        above = [self.remark, self.load_trouble, self.summary]
        return above, [*self.fields.areas(), self.question, self.trouble]


def _other_id(held: str, typed: str) -> str:
    """Say what to do where the id field does not name the workflow that the form holds."""
    if not held:
        return NO_ID
    if not typed:
        return f"the form holds {held!r}, but the id field is empty: enter {held!r} again"
    return (
        f"the form holds {held!r}, but the id field says {typed!r}: load {typed!r}, or change the "
        f"id back to {held!r}"
    )
