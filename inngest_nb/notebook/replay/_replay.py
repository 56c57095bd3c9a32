"""`replay`: a scrubber over a history, with the lines of code that made the calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import ipywidgets as widgets
import pandas as pd
from markupsafe import Markup

from inngest_nb._renamed import renamed
from inngest_nb.engine import ReplayStep, fork, replay_steps
from inngest_nb.errors import EngineError, NonDeterminismError
from inngest_nb.frames import activity_frame, default_store, state_of
from inngest_nb.history import events_of, is_end, steps_of
from inngest_nb.notebook.forms import Form, PayloadField, complaint
from inngest_nb.notebook.live import resume_text
from inngest_nb.notebook.page import (
    Area,
    bundle,
    filling,
    fragment,
    hear_in_order,
    notice,
    output,
    row,
)
from inngest_nb.notebook.replay._moments import Moment, moments_of, plain_moments, state_at
from inngest_nb.state import UNSET, EventType, WorkflowState
from inngest_nb.store import MemoryStore, WorkflowStore
from inngest_nb.words import short

__all__ = ["Replay", "replay"]

_KNOWN = 12  # steps in the table of the state so far
_SAVED = 500  # events in the table of a saved notebook
_DOUBLE_CLICK = 1.0  # seconds after a fork in which another click for the same fork is ignored


@renamed(state="workflow")
def replay(workflow: Any, fn: Callable[..., Any], *, store: WorkflowStore | None = None) -> Replay:
    """Return a scrubber over a run's history: its events, and what the code did at each of them.

        inb.replay("order-1", order, store=store)

    `workflow` is a state, a handle, or an id in `store` (default: the store of `inb.use`). `fn` is
    replayed once against the history, which executes and saves nothing; where the two differ, both
    sides are shown. You can fork the run at any event, with a different result: the new run is
    saved in `store`, ready to be resumed, and is in `.forked`. A saved notebook shows the history
    as a table.
    """
    state = state_of(workflow, store, "replay")
    return Replay(state, fn, default_store() if store is None else store)


class Replay(Form):
    """A scrubber over a history, as `replay` returns it.

    `moment` is the number of the event that is shown, from 1; `then` and `frame` are the state and
    the activities at that event. `forked` is the last fork.
    """

    title = "Replay"
    purpose = "step through the run"
    queues = True

    def __init__(
        self, state: WorkflowState, fn: Callable[..., Any], store: WorkflowStore | None
    ) -> None:
        super().__init__(MemoryStore() if store is None else store)
        self.state = state.replace(history=tuple(events_of(state.history)))  # as the code saw it
        self.forked: WorkflowState | None = None
        self._saves = store is not None
        self._last_fork: tuple[int, str] | None = None
        self._forked_at = 0.0
        self.parting, self.moment_area = Area("inb-parting"), Area("inb-moment")
        self.hint, self.outcome = Area("inb-hint"), Area("inb-outcome")
        self.trouble = Area("inb-trouble")
        self.moments: Sequence[Moment] = moments_of(state, self._steps(fn))
        self._make_controls()
        heading = Area("inb-heading", output("replay_heading", state=state))
        shown = (
            row(self.slider, self.previous, self.next, align="center"),
            self.moment_area,
            self.edit,
            row(self.fork),
            self.hint,
            self.outcome,
            self.trouble,
        )
        self._build(heading, self.parting, *(shown if self.moments else ()), heading=False)
        if self.moments:
            self._show()
            self.slider.observe(lambda _: self._moved(), "value")

    @property
    def moment(self) -> int:
        """The number of the event that is shown."""
        return int(self.slider.value)

    @moment.setter
    def moment(self, number: int) -> None:
        self.slider.value = number

    @property
    def frame(self) -> pd.DataFrame:
        """The activities at the event that is shown, as a DataFrame."""
        return activity_frame(self.then, now=self.then.updated_at)

    @property
    def then(self) -> WorkflowState:
        """The state at the event that is shown."""
        return state_at(self.state, self.moments, self.moment)

    def _steps(self, fn: Callable[..., Any]) -> list[ReplayStep]:
        """Replay the code; if that fails, show the error and only the events of the history."""
        try:
            return replay_steps(fn, self.state)
        except NonDeterminismError as error:
            self.last_error = error
            raised = error.__cause__ is not None
            headline = f"Code and history diverge at event {error.event_id}"
            if raised:
                headline = f"The code {error.asked.removeprefix('it ')}"
            sides = (f"History: {error.recorded}", f"Code: {error.asked}")
            hints = getattr(error, "__notes__", ())
            self.parting.show(notice("error", headline, *sides, hints=hints))
        except (EngineError, TimeoutError) as error:
            self.last_error = error
            self.parting.show(complaint("replay the workflow", error))
        events = (event for event in self.state.history if event.superseded is not True)
        return [ReplayStep(event, ()) for event in events]

    def _make_controls(self) -> None:
        last = max(1, len(self.moments))
        self.slider = widgets.IntSlider(
            description="Event", min=1, max=last, readout=False, layout=filling("200px")
        )
        self.slider.add_class("inb-scrubber")
        if isinstance(self.last_error, NonDeterminismError):
            ids = [moment.event.id for moment in self.moments]
            self.slider.value = ids.index(self.last_error.event_id) + 1
        self.previous, self.next = self._stepper("Previous", -1), self._stepper("Next", 1)
        self.edit = PayloadField("Result")
        self.fork = self._button("Fork here", "fork the workflow", self._fork, self.trouble)

    def _stepper(self, text: str, by: int) -> Any:
        button = widgets.Button(description=text, layout=widgets.Layout(width="auto"))
        button.add_class(f"inb-{text.lower()}")
        button.on_click(lambda _: self._step(by))
        hear_in_order(button)
        return button

    def _step(self, by: int) -> None:
        self.slider.value += by  # the slider keeps it within its range

    # Showing a moment

    def _moved(self) -> None:
        self._guard("show the event", self._show, self.trouble)

    def _show(self) -> None:
        """Show the selected event, the code around it, and the state so far."""
        moment, then = self.moments[self.moment - 1], self.then
        known = steps_of(then, then.updated_at or datetime.now(UTC), newest=_KNOWN + 1)
        content = fragment(
            "moment",
            moment=moment,
            count=len(self.moments),
            known=known[-_KNOWN:],
            more=len(known) > _KNOWN,
        )
        self.moment_area.show(content)
        self.previous.disabled = self.moment == 1
        self.next.disabled = self.moment == len(self.moments)
        self.fork.disabled = is_end(moment.event)
        self.outcome.show()
        self._offer_edit(moment)

    # Forking

    def _offer_edit(self, moment: Moment) -> None:
        """Offer what a fork can change: the input, or the result of an activity."""
        name = self._editable(moment)
        self.edit.layout.display = "" if name else "none"
        if name:
            self.edit.fill(name.title(), dict(moment.payloads).get(name, ""))
        words = {
            "input": "A fork starts over from here. Edit the input to change it in the fork.",
            "result": "A fork is a new run that continues after this event. Edit the result to "
            "change it in the fork.",
            "": "The run has ended at this event. To fork it, select an earlier one."
            if is_end(moment.event)
            else "A fork is a new run that continues after this event.",
        }
        self.hint.show(fragment("remark", lines=[words[name]]))

    def _editable(self, moment: Moment) -> str:
        event = moment.event
        if event.type is EventType.WORKFLOW_STARTED:
            return "input"
        ended = event.type in (EventType.ACTIVITY_COMPLETED, EventType.ACTIVITY_FAILED)
        return "result" if ended and event.retry_at is UNSET else ""

    def _fork(self) -> None:
        """Create a run with the history up to the event that is shown, and save it."""
        moment = self.moments[self.moment - 1]
        event, name = moment.event, self._editable(moment)
        if [each.event.id for each in self.moments].count(event.id) > 1:
            raise ValueError(
                f"cannot fork at this event, because several events have the id {event.id}"
            )
        asked = event.id, self.edit.text.value
        if asked == self._last_fork and time.monotonic() - self._forked_at < _DOUBLE_CLICK:
            return
        edits: dict[str, Any] = {}
        if name and self.edit.is_edited:
            value = self.edit.read()
            edits = {"input": value} if name == "input" else {"result_of": {event.id: value}}
        forked = fork(self.state, at=event.id, **edits)
        if self._saves:
            self._store.save(forked)
        self.forked = forked
        self._last_fork, self._forked_at = asked, time.monotonic()
        self.outcome.show(self._receipt(forked, name if edits else ""))
        self._wrote(forked.workflow_id, forked)

    def _receipt(self, forked: WorkflowState, edited: str) -> Markup:
        origin = self.moments[self.moment - 1].event
        what = f"It keeps the history up to event {origin.id}"
        if edited:
            of = f" of {short(origin.activity_name)}" if origin.activity_name else ""
            what += f", with a different {edited}{of}"
        name = forked.workflow_id
        how = (
            f"Saved as running. {resume_text(forked)}"
            if self._saves
            else "Not saved, because no store was given; the state is in .forked."
        )
        return notice("done", f"Forked as {name}", f"{what}.", how)

    # What a notebook keeps

    def _snapshot(self, note: str) -> dict[str, str]:
        messages = [area.markup for area in (self.parting, self.outcome, self.trouble)]
        html = output(
            "replay",
            state=self.state,
            moments=self.moments[:_SAVED],
            more=max(0, len(self.moments) - _SAVED),
            messages=[message for message in messages if message],
            note=note,
        )
        return bundle(html, repr(self))

    def __repr__(self) -> str:
        return plain_moments(self.state, self.moments[:_SAVED], len(self.moments))
