"""A form that gives a signal to a run that waits for somebody."""

from __future__ import annotations

import contextvars
import threading
from functools import partial
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from inngest_nb.engine import Executor, WorkflowHandle
from inngest_nb.history import is_finished
from inngest_nb.notebook.forms._form import Form
from inngest_nb.notebook.forms._payload_field import PayloadField
from inngest_nb.notebook.forms._picker import Listing, newest
from inngest_nb.notebook.live._live import LiveRun, executor_of
from inngest_nb.notebook.page._areas import Area, filling, notice, row
from inngest_nb.notebook.page._html import fragment
from inngest_nb.state import EventType, Signal, WorkflowState, WorkflowStatus
from inngest_nb.store import WorkflowStore
from inngest_nb.words import short, status_text, time_text, visible

__all__ = ["SignalForm", "signal_form"]

_SUGGESTED = 300  # ids that are offered while one types
# Seconds between two looks at the run: after something changed, and at most, when nothing does.
_QUICK, _CALM = 0.3, 5.0
_HINT = (
    'Approve and Reject send {"approved": true} or false, with what is typed here added to it. '
    "Send sends what is typed, and nothing else."
)


def signal_form(
    source: LiveRun | Executor | WorkflowStore, workflow_id: str | None = None
) -> SignalForm:
    """Return a form that approves or rejects what a run waits for, or sends it any signal.

    It sends through the given executor, or through the one that `run` and `start` use for a store.
    Without an id one chooses or types it. It follows the run until that has ended.
    """
    if isinstance(source, LiveRun):
        return SignalForm(source.executor, source.id, source.handle)
    executor = source if isinstance(source, Executor) else executor_of(source)
    return SignalForm(executor, workflow_id)


class SignalForm(Form):
    """A form over the runs of an executor; `signal_form` makes one.

    After a signal was sent the buttons are gone until one asks for another: what is clicked twice
    is sent once.
    """

    title = "Send a signal"
    queues = True

    def __init__(
        self,
        executor: Executor,
        workflow_id: str | None = None,
        handle: WorkflowHandle | None = None,
    ) -> None:
        super().__init__(executor.store)
        self._executor = executor
        self._handle = handle  # where there is one, the run itself is asked, not the store
        self._state: WorkflowState | None = None
        self._waiting: tuple[str, ...] = ()
        self._names: list[str] = []
        self._offered = ""  # the name that was put into the field
        self._listing = Listing()
        self._sent = False
        self._left = threading.Event()  # set when the workflow is followed no more
        self._showing = threading.RLock()
        self._make_fields()
        self._make_buttons()
        choosing = workflow_id is None
        self._build(
            *((row(self.workflow_id, self.load),) if choosing else ()),
            self.summary,
            self.ended,
            self.waiting,
            self.fields,
            self.outcome,
            self.trouble,
            self.watching,
            self.choices,
        )
        self._arrange()
        if workflow_id is not None:
            self.workflow_id.value = visible(workflow_id)
            self._guard("load the workflow", partial(self._turn_to, workflow_id), self.trouble)
        else:
            self._guard("list the workflows", self._suggest, self.trouble)
            load = partial(self._start, "load the workflow", self._load, self.trouble, again=True)
            self.workflow_id.observe(lambda _: load(), "value")

    def close(self) -> None:
        """Take the form away, and follow the run no more."""
        self._left.set()
        super().close()

    def _make_fields(self) -> None:
        self.workflow_id = _combobox("Workflow id", "inb-id", "choose or type an id")
        self.name = _combobox("Signal", "inb-signal", "the name that the workflow waits for")
        self.payload = PayloadField("Payload", '{"by": "Ada"}')
        self.summary = Area("inb-summary")
        self.trouble, self.outcome = Area("inb-trouble"), Area("inb-outcome")
        self.ended, self.waiting = Area("inb-ended"), Area("inb-waiting")
        self.watching = Area("inb-watching")
        hint = Area("inb-hint", fragment("remark", lines=[_HINT]))
        self.fields = widgets.VBox((row(self.name), self.payload, hint))

    def _make_buttons(self) -> None:
        button, doing, trouble = self._button, "send the signal", self.trouble
        answer = self._answer
        self.load = button("Load", "load the workflow", self._load, trouble)
        self.approve = button("Approve", doing, partial(answer, True), trouble, "success")
        self.reject = button("Reject", doing, partial(answer, False), trouble, "danger")
        self.send = button("Send", doing, self._send_typed, trouble)
        self.another = button("Another signal", "ask again", self._ask_again, trouble)
        self.choices = row()

    # Which run it is about

    def _suggest(self) -> None:
        listing = newest(self._store, _SUGGESTED)
        running = [state for state in listing.states if not is_finished(state.status)]
        self._listing = listing._replace(states=running)
        self.workflow_id.options = [visible(state.workflow_id) for state in running]

    def _load(self) -> None:
        workflow_id = self._listing.id_of(self.workflow_id.value)
        if not workflow_id:
            raise ValueError("type or choose a workflow id first")
        self._turn_to(workflow_id)

    def _turn_to(self, workflow_id: str) -> None:
        """Be about a workflow from now on, and follow it as long as it runs."""
        self._left.set()
        self._left, self._sent = threading.Event(), False
        self.outcome.show()
        self.name.value = ""
        self._show(workflow_id, self._now(workflow_id))
        if self._state is not None and self._state.status is WorkflowStatus.RUNNING:
            run = contextvars.copy_context().run  # in which the kernel knows the cell
            watch = partial(run, self._follow, workflow_id, self._left)
            threading.Thread(target=watch, name="inngest-nb-signals", daemon=True).start()

    def _now(self, workflow_id: str) -> WorkflowState | None:
        return self._store.load(workflow_id) if self._handle is None else self._handle.state

    def _follow(self, workflow_id: str, left: threading.Event) -> None:
        """Look at the workflow until it has ended, or nobody wants to know any more."""
        pause, calm = _QUICK, _CALM if self._handle is None else _QUICK
        while not left.wait(pause) and not self._is_over():
            before = self._state
            look = partial(self._look, workflow_id, left)
            self._guard("look at the workflow", look, self.watching)
            pause = _QUICK if self._state is not before else min(calm, pause * 1.5)

    def _look(self, workflow_id: str, left: threading.Event) -> None:
        """Show the workflow anew if something has happened to it."""
        with self._showing:  # so that nobody shows something newer meanwhile
            state = self._now(workflow_id)
            news = _moment(state) != _moment(self._state) or self._waits_for() != self._waiting
            if not left.is_set() and news:
                self._show(workflow_id, state)

    def _show(self, workflow_id: str, state: WorkflowState | None) -> None:
        """Show a workflow as it is now, and what one can do."""
        with self._showing:
            self._state = state
            self._waiting = self._waits_for()
            name, words, waits = short(workflow_id), Markup(), Markup()
            if state is None:
                self.summary.show(notice("note", f"The store has no workflow {name}"))
            else:
                self.summary.show(fragment("workflow", state=state, payloads=[], brief=True))
                self._offer(state)
                if is_finished(state.status):
                    headline = f"{name} has ended: {status_text(state.status)}"
                    words = notice("note", headline, "It takes no more signals.")
                elif self._handle is not None or self._waiting:
                    waits = fragment("remark", lines=[_waits(self._waiting)])
            self.ended.show(words)
            self.waiting.show(waits)
            self._arrange()

    def _waits_for(self) -> tuple[str, ...]:
        if self._handle is not None:
            return self._handle.waiting_for
        return () if self._state is None else self._executor.waiting_for(self._state.workflow_id)

    def _offer(self, state: WorkflowState) -> None:
        """Offer the names that the run is known for, and begin with the first."""
        past = (event.signal_name for event in reversed(state.history) if event.signal_name)
        self._names = list(dict.fromkeys([*self._waiting, *past]))
        self.name.options = [visible(name) for name in self._names]
        if self.name.value in ("", self._offered) and self._names:
            self._offered = self.name.value = visible(self._names[0])

    def _is_over(self) -> bool:
        return self._state is None or is_finished(self._state.status)

    def _arrange(self) -> None:
        """Let one do what can be done now."""
        off = self._sent or self._is_over()
        self.fields.layout.display = "none" if self._state is None else ""
        for control in (self.name, self.payload.text, self.approve, self.reject, self.send):
            control.disabled = off
        if self._state is None or (self._sent and self._is_over()):
            choices: tuple[Any, ...] = ()
        else:
            choices = (self.another,) if self._sent else (self.approve, self.reject, self.send)
        if self.choices.children != choices:
            self.choices.children = choices

    # Sending

    def _answer(self, approved: bool) -> None:
        """Send what is typed, with a word of whether it is approved."""
        typed = self.payload.read()
        if not isinstance(typed, dict | None):
            raise ValueError(
                "Approve and Reject add to an object: put braces around the payload, as in "
                '{"by": "Ada"}, or Send it as it is'
            )
        if typed and "approved" in typed:
            raise ValueError(
                'the payload says "approved" itself: take that out, or Send it as it is'
            )
        self._give({"approved": approved} | (typed or {}))

    def _send_typed(self) -> None:
        self._give(self.payload.read())

    def _give(self, payload: Any) -> None:
        """Send a signal, once, and say when it was saved."""
        if self._state is None or self._sent:
            return
        workflow_id, typed = self._state.workflow_id, self.name.value
        name = next((each for each in self._names if visible(each) == typed), typed)
        if not name:
            raise ValueError("type the name of the signal first")
        try:
            self._executor.signal(workflow_id, Signal(name, payload))
            self._sent, self._focus = True, self.another
            self.outcome.show(notice("done", f"{short(name)} is sent and saved"))
        finally:
            with self._showing:
                state = self._now(workflow_id)
                self._show(workflow_id, state)
        if state is not None:
            self.outcome.show(_receipt(name, state))
        self._wrote(workflow_id, state)

    def _ask_again(self) -> None:
        self._sent, self._focus = False, self.name
        self.outcome.show()
        with self._showing:
            self._arrange()

    # What a notebook keeps

    def _facts(self) -> list[tuple[str, str]]:
        texts = (self.workflow_id.value, self.name.value, self.payload.text.value)
        return list(zip(("Workflow id", "Signal", "Payload"), texts, strict=True))

    def _areas(self) -> tuple[list[Area], list[Area]]:
        below = [self.payload.flaw, self.outcome, self.trouble, self.watching]
        return [self.summary, self.ended, self.waiting], below


def _moment(state: WorkflowState | None) -> tuple[Any, ...]:
    """Tell a state of a run from every later one."""
    return () if state is None else (state.run_id, state.status, len(state.history))


def _waits(names: tuple[str, ...]) -> str:
    if not names:
        return "It waits for no signal right now. One that is sent is kept until it asks for it."
    listed = " and for ".join(short(name) for name in names)
    return f"It waits for the signal {listed}."


def _receipt(name: str, state: WorkflowState) -> Markup:
    """Say where a signal is in the history that was just read."""
    headline = f"{short(name)} is sent"
    for event in reversed(state.history):
        if event.type is EventType.SIGNAL_RECEIVED and event.signal_name == name:
            line = f"Saved as event {event.id}, {time_text(event.timestamp)}"
            return notice("done", headline, line)
    return notice("done", headline, "Saved in the store for whoever runs the workflow")


def _combobox(label: str, hook: str, placeholder: str) -> Any:
    field = widgets.Combobox(description=label, continuous_update=False, layout=filling("200px"))
    field.placeholder = placeholder
    field.add_class(hook)
    return field
