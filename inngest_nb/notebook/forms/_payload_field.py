"""A field into which one types a payload as JSON."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from inngest_nb import wire
from inngest_nb.history import same_value
from inngest_nb.notebook.forms._typed_json import BadJsonError, read_payload
from inngest_nb.notebook.page import FlawArea, fragment

__all__ = ["PayloadField"]


class PayloadField(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A text field, and below it the place where what is typed is not JSON."""

    def __init__(self, label: str, placeholder: str = "") -> None:
        # Sent when the field is left, so that it comes before the click that follows.
        layout = widgets.Layout(width="auto")
        self.text = widgets.Textarea(rows=4, continuous_update=False, layout=layout)
        self.text.placeholder = placeholder
        for hook in ("inb-json", "inb-payload"):
            self.text.add_class(hook)
        self.flaw = FlawArea("inb-payload-flaw")
        super().__init__((self.text, self.flaw))
        self.fill(label, "")
        self.text.observe(lambda _: self._mark(), "value")

    def fill(self, label: str, text: str) -> None:
        """Ask for something, and begin with a text."""
        self._label, self._filled = label, text
        self.text.description = f"{label} (JSON; empty is null)"
        self.text.value = text
        self.flaw.show()

    @property
    def is_edited(self) -> bool:
        """Whether somebody typed something else than the field was filled with."""
        typed = self.text.value.strip()
        try:
            return not same_value(typed, self._filled)
        except ValueError:  # which `read` tells of, with its place
            return True

    def read(self) -> Any:
        """Return what is typed. Raises `ValueError` where it is not JSON."""
        if self._mark():
            raise ValueError(f"{self._label} is not valid JSON (see the mark)")
        self.flaw.show()
        return wire.decode_json(bytes(read_payload(self.text.value)))

    def _mark(self) -> bool:
        try:
            read_payload(self.text.value)
        except BadJsonError as flaw:
            self.flaw.show(fragment("flaw", label=self._label, flaw=flaw))
            return True
        self.flaw.fade()
        return False
