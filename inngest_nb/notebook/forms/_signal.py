"""A form that sends a signal to a run that waits for somebody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from inngest_nb._renamed import renamed
from inngest_nb.engine import Executor, WorkflowHandle
from inngest_nb.frames import id_in
from inngest_nb.history import is_finished, signals_text, waiting_for
from inngest_nb.notebook.forms import _signal_words as say
from inngest_nb.notebook.forms._form import Form, check_store
from inngest_nb.notebook.forms._payload_field import PayloadField
from inngest_nb.notebook.forms._picker import NO_ID, Picker, typed_among
from inngest_nb.notebook.live import LiveRun, executor_of, has_stopped
from inngest_nb.notebook.page import Area, filling, fragment, notice, row
from inngest_nb.state import Signal, WorkflowState, WorkflowStatus
from inngest_nb.store import WorkflowStore
from inngest_nb.words import short, visible

__all__ = ["SignalForm", "signal_form"]

# Seconds between two looks at the run: right after a change, and at most.
_SHORT_PAUSE, _LONG_PAUSE = 0.3, 5.0


@renamed(workflow_id="workflow")
def signal_form(source: LiveRun | Executor | WorkflowStore, workflow: object = None) -> SignalForm:
    """Return a form that approves or rejects what a run waits for, or sends it any other signal.

    It signals through the given executor, or through the one that `run` and `start` use for the
    given store. `workflow` is an id, a state, or a run; without it the form offers the workflows
    that run. It follows the run until the run has ended.
    """
    if isinstance(source, LiveRun):
        return SignalForm(source.executor, source.id, source.handle)
    if isinstance(source, Executor):
        return SignalForm(source, id_in(workflow))
    check_store(source)
    return SignalForm(executor_of(source), id_in(workflow))


class SignalForm(Form):
    """A form over the runs of an executor; `signal_form` makes one.

    Once a signal is sent, the buttons are gone until "Send another signal" is clicked, so that a
    double click sends one signal.
    """

    title = "Send a signal"
    queues = True

    def __init__(
        self,
        executor: Executor,
        workflow_id: str = "",
        handle: WorkflowHandle | None = None,
    ) -> None:
        super().__init__(executor.store)
        self.add_class("inb-fields")
        self._executor = executor
        self._handle = handle  # where there is one, the run itself is asked, not the store
        self._state: WorkflowState | None = None
        self._waiting: tuple[str, ...] = ()
        self._names: list[str] = []
        self._offered = ""  # the name that was put into the field
        self._picker = Picker(executor.store, (WorkflowStatus.RUNNING,))
        self._sent = False
        self._followed = ""  # the id of the workflow that the form is about
        self._turn: object = None  # one for each time that a workflow was opened
        self._call_off: Callable[[], None] = lambda: None  # of the next look at it
        self._pause = _SHORT_PAUSE
        self._showing = threading.RLock()
        self._make_fields()
        self._make_buttons()
        self._build(
            *(() if workflow_id else (row(self.workflow_id, self.load), self.remark)),
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
        if workflow_id:
            self.workflow_id.value = visible(workflow_id)
            begin = partial(self._open, workflow_id)
            self._start("load the workflow", begin, self.trouble)
        else:
            self._start("list the workflows", self._picker.read, self.remark)
            self.workflow_id.observe(lambda _: self._id_typed(), "value")
        self.name.observe(lambda _: self._guard("look", self._remark, self.watching), "value")

    def close(self) -> None:
        """Take the form away, and stop following the run."""
        if self.comm is not None:
            self._turn = None
            self._call_off()
        super().close()

    def _make_fields(self) -> None:
        self.workflow_id, self.remark = self._picker.field, self._picker.remark
        self.name = widgets.Combobox(description="Signal", layout=filling("200px"))
        self.name.continuous_update = False
        self.name.placeholder = "the name that the workflow waits for"
        self.name.add_class("inb-signal")
        self.payload = PayloadField("Payload", '{"by": "Ada"}')
        self.summary = Area("inb-summary")
        self.trouble, self.outcome = Area("inb-trouble"), Area("inb-outcome")
        self.ended, self.waiting = Area("inb-ended"), Area("inb-waiting")
        self.watching = Area("inb-watching")
        hint = Area("inb-hint", fragment("remark", lines=[say.HINT]))
        self.fields = widgets.VBox((row(self.name), self.payload, hint))

    def _make_buttons(self) -> None:
        button, doing, trouble = self._button, "send the signal", self.trouble
        answer = self._answer
        self.load = button("Load", "load the workflow", self._load, trouble)
        self.approve = button("Approve", doing, partial(answer, True), trouble, "success")
        self.reject = button("Reject", doing, partial(answer, False), trouble, "danger")
        self.send = button("Send", doing, self._send_typed, trouble)
        self.another = button("Send another signal", "ask again", self._ask_again, trouble)
        self.choices = row()

    # Which run it is about

    def _id_typed(self) -> None:
        if self._picker.typed != self._followed:
            self._start("load the workflow", self._load, self.trouble, again=True)

    def _load(self) -> None:
        workflow_id = self._picker.typed
        if not workflow_id:
            raise ValueError(NO_ID)
        self._open(workflow_id)

    def _open(self, workflow_id: str) -> None:
        """Show a workflow, and follow it as long as it runs."""
        self._call_off()
        self._turn = turn = object()
        self._followed, self._sent = workflow_id, False
        self.workflow_id.value = visible(workflow_id)
        self.outcome.show()
        self.name.value = ""
        self._show(workflow_id, self._now(workflow_id))
        self._pause = _SHORT_PAUSE
        self._look_later(turn)

    def _now(self, workflow_id: str) -> WorkflowState | None:
        if self._handle is not None:
            state = self._handle.state
            if is_finished(state.status) or not has_stopped(self._handle):
                return state
            self._handle = None  # the store knows what becomes of it
        return self._store.load(workflow_id)

    def _look_later(self, turn: object) -> None:
        """Look again after a pause, until the workflow has ended, and the form is about it.

        One that is not stored yet may be soon.
        """
        if self._turn is turn and (self._state is None or not is_finished(self._state.status)):
            self._call_off = self._do(partial(self._look_again, turn), self._pause)

    def _look_again(self, turn: object) -> None:
        if self._turn is not turn:
            return
        before = self._state
        self._guard("look at the workflow", partial(self._look, turn), self.watching)
        longest = _LONG_PAUSE if self._handle is None else _SHORT_PAUSE
        self._pause = min(longest, self._pause * 1.5) if self._state is before else _SHORT_PAUSE
        self._look_later(turn)

    def _look(self, turn: object) -> None:
        """Show the workflow anew if something has happened to it."""
        with self._showing:  # so that nobody shows something newer meanwhile
            state = self._now(self._followed)
            news = _moment(state) != _moment(self._state) or self._waits(state) != self._waiting
            if self._turn is turn and news:
                self._show(self._followed, state)

    def _show(self, workflow_id: str, state: WorkflowState | None) -> None:
        """Show a workflow as it is now, and what one can do."""
        with self._showing:
            # First what may fail: a form that knows of the end but has not shown it looks no more.
            self._waiting = self._waits(state)
            self._state = state
            ended = Markup()
            if state is None:
                self.summary.show(notice("note", f"The store has no workflow {short(workflow_id)}"))
            else:
                self.summary.show(fragment("workflow", state=state, payloads=[], brief=True))
                self._offer(state)
                if self._is_over():
                    ended = notice("note", say.takes_no_signals(state.status))
            self._remark()
            self._arrange()
            self.ended.show(ended)  # last, so that whoever reads it finds no button to press

    def _remark(self) -> None:
        """Say what the run waits for, where that is known, and whether that is what is typed."""
        lines = []
        if not self._is_over() and (self._handle is not None or self._waiting):
            lines.append(signals_text(self._waiting) if self._waiting else say.NOT_WAITING)
            if self._waiting and not self._is_awaited(name := self._typed_name()) and name:
                lines.append(f"{say.not_waiting(name)} If you send it, it is queued.")
        self.waiting.show(fragment("remark", lines=lines) if lines else Markup())

    def _is_awaited(self, name: str) -> bool:
        """Tell whether the run takes a signal at once, as far as anybody knows."""
        return name in self._waiting or not (self._waiting or self._handle)

    def _typed_name(self) -> str:
        return typed_among(self._names, self.name.value)

    def _waits(self, state: WorkflowState | None) -> tuple[str, ...]:
        """Name the signals that a run waits for, as its process or its state tells."""
        if state is None or not _takes_signals(state):
            return ()
        by_id = self._executor.waiting_for
        asked = by_id(state.workflow_id) if self._handle is None else self._handle.waiting_for
        waiting = waiting_for(state, signals=asked)
        return waiting.names if waiting is not None and waiting.kind == "signal" else ()

    def _offer(self, state: WorkflowState) -> None:
        """Offer the names that the run is known for, and begin with the first."""
        past = (event.signal_name for event in reversed(state.history) if event.signal_name)
        self._names = list(dict.fromkeys([*self._waiting, *past]))
        self.name.options = [visible(name) for name in self._names]
        if self.name.value in ("", self._offered) and self._names:
            self._offered = self.name.value = visible(self._names[0])

    def _is_over(self) -> bool:
        return self._state is None or not _takes_signals(self._state)

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
                "Approve and Reject add a key, so the payload must be an object such as "
                '{"by": "Ada"}; click Send to send it unchanged'
            )
        if typed and "approved" in typed:
            raise ValueError(
                'the payload already has "approved": remove it, or click Send to send it unchanged'
            )
        self._give({"approved": approved} | (typed or {}))

    def _send_typed(self) -> None:
        self._give(self.payload.read())

    def _give(self, payload: Any) -> None:
        """Send a signal, once, and say when it was saved."""
        if self._state is None or self._sent:
            return
        workflow_id, name = self._state.workflow_id, self._typed_name()
        awaited = self._is_awaited(name)
        if not name:
            raise ValueError("choose or type the name of the signal first")
        try:
            self._executor.signal(workflow_id, Signal(name, payload))
            self._sent, self._focus = True, self.another
            self.outcome.show(notice("done", say.sent(name)))
        finally:
            with self._showing:
                state = self._now(workflow_id)
                self._show(workflow_id, state)
        if state is not None:
            self.outcome.show(say.receipt(name, state, awaited=awaited))
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
        return [self.remark, self.summary, self.ended, self.waiting], below


def _takes_signals(state: WorkflowState) -> bool:
    """Tell whether an executor accepts signals for a run in this state."""
    return state.status is WorkflowStatus.RUNNING


def _moment(state: WorkflowState | None) -> tuple[Any, ...]:
    """Tell a state of a run from every later one."""
    return () if state is None else (state.run_id, state.status, len(state.history))
