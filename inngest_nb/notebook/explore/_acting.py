"""What can be done about the selected run of an Inngest server: cancel, rerun, send an event."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import ipywidgets as widgets

from inngest_nb.api import RunStore, checks
from inngest_nb.errors import InngestError
from inngest_nb.history import registered_name, times_of
from inngest_nb.notebook.page import Area, filling, notice, row
from inngest_nb.state import EventType, WorkflowState
from inngest_nb.words import count_text, duration_text, short

__all__ = ["Acting"]

_FROM_THE_BEGINNING = ("the beginning", "")
_STEPS = 50  # to choose from
_SENDING = "inngest_nb.notebook.sending"


class Acting(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Buttons for one run at a time. Each asks first, and then says what came of it."""

    def __init__(
        self,
        store: RunStore,
        button: Callable[..., Any],
        written: Callable[[str, WorkflowState | None], None],
    ) -> None:
        self._store, self._written = store, written
        self._state: WorkflowState | None = None
        self._asked: WorkflowState | None = None  # whom the question on the page is about
        self.trouble, self.outcome = Area("inb-acting-trouble"), Area("inb-outcome")
        self.question = Area("inb-question")
        act = self.trouble
        self.cancel = button("Cancel run…", "ask", self._ask_to_cancel, act)
        self.rerun = button("Rerun…", "ask", self._ask_to_rerun, act)
        self.send = button("Send event…", "open the form", self._open_sending, act)
        self.close_form = button("Close form", "close the form", self.stop, act)
        self.confirm_cancel = button(
            "Cancel this run", "cancel the run", self._cancel, act, "danger"
        )
        self.confirm_rerun = button("Start the rerun", "rerun the run", self._rerun, act, "primary")
        self.leave = button("Dismiss", "withdraw the question", self._withdraw, act)
        self.from_step = widgets.Dropdown(description="From", layout=filling("160px"))
        self.from_step.add_class("inb-from-step")
        self.send_form: Any = None
        self._buttons, self._answers, self._place = row(), row(), widgets.VBox()
        parts = (self._buttons, self.question, self._answers, self.trouble, self.outcome)
        super().__init__((*parts, self._place))
        self._withdraw()

    def show(self, state: WorkflowState | None) -> None:
        """Offer what can be done about a run. A question about another one is withdrawn.

        So is one about a run that has another status now.
        """
        before, self._state = self._state, state
        if (before and before.workflow_id) != (state and state.workflow_id):
            self.trouble.show()
        asked = self._asked
        if asked and (state is None or _question(state) != _question(asked)):
            self._withdraw()
        self._arrange()

    def wait(self, timeout: float = 30) -> None:
        """Return once no form does anything; raises `TimeoutError`."""
        if self.send_form is not None:
            self.send_form.wait(timeout)

    # Cancel

    def _ask_to_cancel(self) -> None:
        if (state := self._state) is None:
            return
        took = times_of(state).took(datetime.now(UTC))
        for_so_long = f" for {duration_text(took)}" if took is not None else ""
        self._ask(
            state,
            f"Cancel {_name(state)}?",
            f"It has been {state.status}{for_so_long}. Completed steps are not undone.",
            answers=(self.confirm_cancel, self.leave),
        )

    def _cancel(self) -> None:
        if (state := self._agreed(self.confirm_cancel)) is None:
            return
        run_id = state.workflow_id
        self._withdraw()
        try:
            self._store.api.cancel(run_id)
        except InngestError as error:
            # What became of it is to be seen, also where the answer was lost.
            now = self._reload(run_id)
            if not (error.maybe_done and now is not None and now.status == "canceled"):
                raise
        else:
            self._reload(run_id)
        self.outcome.show(notice("done", f"Canceled {_name(state)}"))

    # Rerun

    def _ask_to_rerun(self) -> None:
        if (state := self._state) is None:
            return
        if isinstance(state.input, list):
            count = count_text(len(state.input), "event")
            self._ask(
                state,
                f"{_name(state)} cannot be rerun here",
                f"It was triggered by a batch of {count}, but a rerun would get only the first. "
                "Send the events again instead.",
                answers=(self.leave,),
            )
            return
        steps = [event.activity_name for event in state.history if _is_step(event, state)]
        names = [*dict.fromkeys(steps)][:_STEPS]
        self.from_step.options = [_FROM_THE_BEGINNING, *((short(name, 60), name) for name in names)]
        self.from_step.value = ""
        self._ask(
            state,
            f"Rerun {_name(state)}?",
            "A new run starts with the same event. If you choose a step, the results of the steps "
            "before it are kept.",
            answers=(self.from_step, self.confirm_rerun, self.leave),
        )

    def _rerun(self) -> None:
        if (state := self._agreed(self.confirm_rerun)) is None:
            return
        step = self.from_step.value or None
        self._withdraw()
        run_id = self._store.api.rerun(state.workflow_id, from_step=step)
        whence = f"from {short(step, 60)}" if step else "from the beginning"
        line = f"It repeats {state.workflow_id} {whence}."
        self.outcome.show(notice("done", f"Started run {run_id}", line))
        self._reload(run_id)

    # Send an event

    def _open_sending(self) -> None:
        """Open the form, with the event of the selected run to start from."""
        self.stop()
        sending = importlib.import_module(_SENDING)
        self.send_form = sending.send_form(self._store.api, **_event_of(self._state))
        self._place.children = (self.send_form,)
        self._arrange()

    def stop(self) -> None:
        """Close the form that sends events, if it is open."""
        if self.send_form is not None:
            self._place.children = ()
            self.send_form.close()
            self.send_form = None
            self._arrange()

    # Together

    def _ask(
        self, state: WorkflowState, headline: str, line: str, answers: tuple[Any, ...]
    ) -> None:
        self._asked = state
        self.outcome.show()
        self.question.show(notice("warn", headline, line))
        self._answers.children = answers

    def _agreed(self, answer: Any) -> WorkflowState | None:
        """Return the run whose question had this answer; the click may come too late."""
        return self._asked if answer in self._answers.children else None

    def _withdraw(self) -> None:
        self._asked = None
        self.question.show()
        self._answers.children = ()

    def _reload(self, run_id: str) -> WorkflowState | None:
        """Show a run as the server has it now; None where it cannot be read.

        That is no failure of what was done before: the next look shows the run, or says why not.
        """
        try:
            state = self._store.load(run_id)
        except InngestError:
            return None
        if state is not None:
            self._written(run_id, state)
        return state

    def _arrange(self) -> None:
        state = self._state
        buttons = [] if state is None else [self.rerun]
        if state is not None and times_of(state).is_open:
            buttons.insert(0, self.cancel)
        if self.send_form is not None:
            buttons.append(self.close_form)
        elif importlib.util.find_spec(_SENDING) is not None:
            buttons.append(self.send)
        if self._buttons.children != tuple(buttons):
            self._buttons.children = buttons


def _question(state: WorkflowState) -> tuple[str, str]:
    return state.workflow_id, str(state.status)


def _event_of(state: WorkflowState | None) -> dict[str, Any]:
    """Return the name and the data of the event to start from; Inngest's own cannot be sent."""
    given = None if state is None else state.input
    event = given[0] if isinstance(given, list) and given else given
    if not isinstance(event, Mapping) or checks.is_internal(str(event.get("name", ""))):
        return {}
    return {"name": event.get("name"), "data": event.get("data")}


def _name(state: WorkflowState) -> str:
    """Name a run by its function and its id."""
    function = registered_name(state)
    return f"{short(function, 60)} {state.workflow_id}" if function else state.workflow_id


def _is_step(event: Any, state: WorkflowState) -> bool:
    """Tell whether an event began a step, and not what the function does by itself."""
    is_start = event.type is EventType.ACTIVITY_STARTED
    return is_start and not registered_name(state).endswith(f"-{event.activity_name}")
