"""The fields of a state that people edit, and what they changed in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
from msgspec import Raw

from inngest_nb.history import payload_texts, pretty
from inngest_nb.notebook.forms._typed_json import BadJsonError, read_payload
from inngest_nb.notebook.page import Area, FlawArea, filling, fragment, row
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.words import status_choice

__all__ = ["StateFields"]

_PAYLOADS = ("input", "result")
_LABELS = {
    "status": "Status",
    "error": "Error",
    "input": "Input (JSON; empty is null)",
    "result": "Result (JSON; empty is null)",
}


class StateFields:
    """Status, error, input and result of a state, as widgets.

    A payload is edited as text. One that was not touched stays as the document has it, to the
    last digit and space.
    """

    names = tuple(_LABELS)

    def __init__(self) -> None:
        self.status = widgets.Dropdown(description=_LABELS["status"], layout=filling())
        self.error = _textarea("error", rows=2)
        self.input = _textarea("input", rows=8)
        self.result = _textarea("result", rows=8)
        self._inputs = {name: getattr(self, name) for name in _LABELS}
        self._filled: dict[str, str] = {}  # what the fields were last filled with
        # Reading megabytes takes a while, so what was read last is kept, with what it was read of.
        self._last_texts: tuple[WorkflowState, dict[str, str]] | None = None
        self._last_read: dict[str, tuple[str, Raw]] = {}
        self._flaws = {name: FlawArea(f"inb-{name}-flaw") for name in _PAYLOADS}
        for name, field in self._inputs.items():
            field.add_class(f"inb-{name}")
        for name in _PAYLOADS:
            self._inputs[name].observe(lambda _, name=name: self._mark(name), "value")
            self._inputs[name].add_class("inb-json")
        columns = [
            widgets.VBox((self._inputs[name], self._flaws[name]), layout=filling())
            for name in _PAYLOADS
        ]
        self.widgets = (
            row(self.status, self.error, align="flex-start"),
            row(*columns, align="flex-start"),
        )
        self.show(WorkflowState(workflow_id=""))

    def on_edit(self, call: Callable[[], None]) -> None:
        """Call something after every change of a field."""
        for field in self._inputs.values():
            field.observe(lambda _: call(), "value")

    def show(self, state: WorkflowState) -> None:
        """Fill the fields from a state, over what was typed."""
        for name, text in self._texts(state).items():
            self._set(name, text)

    def rebase(self, before: WorkflowState, after: WorkflowState) -> None:
        """Show `after` in the fields that still show `before`; keep what was typed in others."""
        untouched = self._untouched(before)
        new = self._texts(after)
        for name in untouched:
            self._set(name, new[name])

    def edited(self, base: WorkflowState) -> list[str]:
        """Return the names of the fields that were changed since they showed `base`."""
        untouched = self._untouched(base)
        return [name for name in self._inputs if name not in untouched]

    def changes(self, base: WorkflowState) -> dict[str, Any]:
        """Return the changed fields with their values. Raises `ValueError` for bad JSON."""
        self._last_texts = None  # payloads may have been changed in place since
        changed = self.edited(base)
        self._close_up()
        if flawed := [
            _LABELS[name].split()[0] for name in changed if name in _PAYLOADS and self._mark(name)
        ]:
            raise ValueError(
                "Input and Result are not valid JSON (see the marks)"
                if len(flawed) > 1
                else f"{flawed[0]} is not valid JSON (see the mark)"
            )
        return {name: self._value(name) for name in changed}

    def facts(self) -> list[tuple[str, str]]:
        """Give each field's label and text."""
        texts = {name: field.value for name, field in self._inputs.items()}
        return [(_LABELS[name].split(" (")[0], text) for name, text in texts.items()]

    def areas(self) -> list[Area]:
        """Give the areas that mark bad JSON."""
        return list(self._flaws.values())

    def _set(self, name: str, text: str) -> None:
        field, self._filled[name] = self._inputs[name], text
        if name == "status":
            words = [*dict.fromkeys([*WorkflowStatus, WorkflowStatus(text)])]
            options = [(status_choice(word), str(word)) for word in words]
            if list(field.options) != options:
                field.options = options
        field.value = text
        self._close_up()

    def _value(self, name: str) -> Any:
        return self._read(name) if name in _PAYLOADS else self._inputs[name].value

    def _read(self, name: str) -> Raw:
        text = self._inputs[name].value
        if name not in self._last_read or self._last_read[name][0] != text:
            self._last_read[name] = text, read_payload(text)
        return self._last_read[name][1]

    def _texts(self, state: WorkflowState) -> dict[str, str]:
        if self._last_texts is None or self._last_texts[0] is not state:
            texts = {"status": str(state.status), "error": state.error}
            self._last_texts = state, texts | payload_texts(state, _PAYLOADS)
        return self._last_texts[1]

    def _untouched(self, state: WorkflowState) -> set[str]:
        """Name the fields that say what the state says."""
        return {name for name, text in self._texts(state).items() if self._says(name, text)}

    def _says(self, name: str, text: str) -> bool:
        """Tell whether a field says the same as a text, in whatever spacing."""
        typed = self._inputs[name].value
        if typed == text:
            return True
        if name not in _PAYLOADS:  # a browser has but one kind of line break
            return _lines(typed) == _lines(text)
        try:
            return pretty(str(bytes(self._read(name)), "utf-8")) == (text or "null")
        except BadJsonError:
            return False

    def _mark(self, name: str) -> bool:
        """Mark the place where a payload is not JSON, and tell whether there is one."""
        area = self._flaws[name]
        try:
            if self._inputs[name].value != self._filled[name]:  # as deep as it may be
                self._read(name)
        except BadJsonError as flaw:
            area.show(fragment("flaw", label=_LABELS[name].split()[0], flaw=flaw))
            return True
        area.fade()
        return False

    def _close_up(self) -> None:
        """Take the room of faded marks away."""
        for area in self._flaws.values():
            if not area.markup:
                area.show()


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _textarea(name: str, rows: int) -> Any:
    # Sent when the field is left, so that it comes before the click that follows.
    layout = filling() if name == "error" else widgets.Layout(width="auto")
    return widgets.Textarea(
        description=_LABELS[name], rows=rows, continuous_update=False, layout=layout
    )
