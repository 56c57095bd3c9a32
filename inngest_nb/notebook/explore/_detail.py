"""One workflow in full: what it is, what it was given and returned, what it did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from inngest_nb.bundles import told_at
from inngest_nb.history import event_payloads, payload_texts, steps_of, times_of
from inngest_nb.notebook.page import Area, fragment
from inngest_nb.notebook.timeline import chart_markup
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore

__all__ = ["Detail"]

_NEWEST = 50  # steps, and events, of a long history are shown
_PAYLOADS = ("input", "result")


class Detail(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A place that shows one workflow of a store, with `below_summary` in it.

    Only the parts that changed are drawn again, so that what was unfolded in the others stays open.
    """

    def __init__(self, below_summary: Any, store: WorkflowStore) -> None:
        names = ("summary", "timeline", "payloads", "steps", "history")
        self._parts = {name: Area(f"inb-{name}") for name in names}
        summary, *others = self._parts.values()
        super().__init__((summary, below_summary, *others))
        self.state: WorkflowState | None = None
        self._store = store

    def show(self, state: WorkflowState | None, instead: Markup = Area.markup) -> None:
        """Show a workflow, or something else in place of one."""
        self.state, now = state, told_at(self._store)
        self._put("summary", instead if state is None else _summary(state))
        self._put("timeline", Markup() if state is None else chart_markup(state, now))
        self._put("payloads", Markup() if state is None else _payloads(state))
        self._put("steps", Markup() if state is None else _steps(state, now))
        self._put("history", Markup() if state is None else _history(state))

    def pass_time(self) -> None:
        """Let the timeline of an unfinished run grow up to now."""
        if self.state is not None and times_of(self.state).is_open:
            self._put("timeline", chart_markup(self.state, told_at(self._store)))

    def _put(self, name: str, content: Markup) -> None:
        if self._parts[name].markup != content:
            self._parts[name].show(content)


def _summary(state: WorkflowState) -> Markup:
    return fragment("workflow", state=state, payloads=[], brief=True) + fragment(
        "error", error=state.error
    )


def _payloads(state: WorkflowState) -> Markup:
    texts = payload_texts(state, _PAYLOADS)
    return Markup().join(
        fragment("payload", label=name.title(), text=text) for name, text in texts.items() if text
    )


def _steps(state: WorkflowState, now: datetime) -> Markup:
    steps = steps_of(state, now, _NEWEST + 1)
    if not steps:
        return Markup()
    return fragment("steps", steps=steps[-_NEWEST:], more=len(steps) > _NEWEST)


def _history(state: WorkflowState) -> Markup:
    if not state.history:
        return Markup()
    shown = state.history[-_NEWEST:]
    return fragment(
        "history",
        happenings=list(zip(shown, event_payloads(state, len(shown)), strict=True)),
        before=len(state.history) - len(shown),
    )
