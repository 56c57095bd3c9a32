"""A box of fields whose handlers cannot fail unseen, nor run twice at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import ipywidgets as widgets
from markupsafe import Markup

from inngest_nb.errors import InngestError, StoreError
from inngest_nb.notebook.page import (
    Area,
    Errands,
    bundle,
    close_widgets,
    confirm_changes,
    hear_in_order,
    notice,
    output,
    shared_style,
)
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore, is_async
from inngest_nb.words import count_text, excerpt, short, store_name, time_text, visible_lines

__all__ = ["Form", "check_store", "complaint"]

# Seconds that a click waits for its work, and a cell for a form to fill. Longer work continues by
# itself, and the kernel is free for other cells.
_PATIENCE = 0.3
# Seconds after a click in which the keyboard focus may return to its button, which lost it while
# it was disabled.
_FOCUS_SECONDS = 2.0

_Task = tuple[str, Callable[[], None], "Area"]
_errands = Errands()  # one for all forms, so that fifty of them need no fifty threads


class Form(widgets.VBox):  # type: ignore[misc]
    """What the forms share.

    Handlers run in the background, one at a time; a click that comes meanwhile is dropped, or waits
    its turn where a form `queues` clicks. An error is shown in the form, and kept in `last_error`
    so that it can be raised in a cell for its traceback.
    """

    title = "Form"
    purpose = "use the form"
    queues = False

    def __init__(self, store: WorkflowStore) -> None:
        self._check(store)
        super().__init__()
        self.add_class("inb-form")
        self.layout.max_width = "1100px"
        self.last_error: Exception | None = None
        self._store = store
        self._buttons: list[Any] = []
        self._lock = threading.Lock()
        self._waiting_tasks: dict[str, _Task] = {}  # of each kind the last that was asked for
        self._idle = threading.Event()
        self._idle.set()
        self._focus: Any = None  # what has the keyboard after a click
        self._focus_until = 0.0
        self._progress = Area("inb-progress")
        self._listener_trouble = Area("inb-listener-trouble")
        self._listeners: list[Callable[[str, WorkflowState | None], None]] = []
        self._lasting = frozenset(vars(self))  # what is needed until work that is under way is done

    def _check(self, source: Any) -> None:
        """Raise a `TypeError` for what the form cannot work on."""
        check_store(source)

    def on_write(self, call: Callable[[str, WorkflowState | None], None]) -> None:
        """Call something with the id and the new state after each save; None after a deletion."""
        self._listeners.append(call)

    def _wrote(self, workflow_id: str, state: WorkflowState | None) -> None:
        """Tell the listeners what was written; what fails in them is theirs, not the form's."""
        self._listener_trouble.show()
        for call in self._listeners:
            try:
                call(workflow_id, state)
            except Exception as error:  # noqa: BLE001  # it is shown, and kept
                self.last_error = error
                name = getattr(call, "__qualname__", type(call).__name__)
                self._listener_trouble.show(_listener_complaint(name, error))

    def wait(self, timeout: float = 30) -> None:
        """Return once the form is idle; raises `TimeoutError`."""
        if not self._idle.wait(timeout):
            raise TimeoutError(f"the form is still working after {timeout} s")

    def close(self) -> None:
        """Take the form off the page, and everything in it out of the kernel's memory."""
        if self.comm is None:  # closed already, or its store was refused
            return
        with self._lock:
            self._waiting_tasks.clear()
            self._buttons.clear()
            close_widgets(self, kept=self._lasting)

    def _build(self, *children: Any, heading: bool = True) -> None:
        """Put the form together, below its heading, which brings the stylesheet."""
        title = output("heading", title=self.title, store=store_name(self._store))
        above = (Area("inb-heading", title),) if heading else ()
        self.children = (*above, *children, self._listener_trouble, self._progress)
        for field in _fields_in(self):
            hear_in_order(field)
            confirm_changes(field, "chosen" if "chosen" in field.keys else "value")

    def _button(
        self,
        text: str,
        doing: str,
        work: Callable[[], None],
        area: Area,
        style: str = "",
        *,
        waits: bool = False,
    ) -> Any:
        """Make a button; `doing` completes "Could not …", which would appear in `area`.

        Where it `waits`, a click that comes while something else is done is not dropped.
        """
        # A layout that replaced another would leave that one in the kernel's memory.
        layout = widgets.Layout(width="auto", flex="0 0 auto")
        alike = shared_style(widgets.Button)
        button = widgets.Button(
            description=text,
            button_style=style,
            layout=layout,
            style=alike,
            _dom_classes=(f"inb-{text.lower().replace(' ', '-')}",),
        )
        clicked, again = None if self.queues else button, waits or self.queues
        button.on_click(lambda _: self._start(doing, work, area, clicked=clicked, again=again))
        hear_in_order(button)
        self._buttons.append(button)
        return button

    def _start(
        self,
        doing: str,
        work: Callable[[], None],
        area: Area,
        *,
        clicked: Any = None,
        again: bool = False,
    ) -> None:
        """Begin a piece of work, unless one is under way; then do it afterwards if `again`."""
        with self._lock:
            if self.comm is None:
                return
            if not self._idle.is_set():
                if again:
                    self._waiting_tasks.pop(doing, None)
                    self._waiting_tasks[doing] = doing, work, area
                return
            self._idle.clear()
            self._focus, self._focus_until = clicked, time.monotonic() + _FOCUS_SECONDS
            self._enable(False)
        self._do(partial(self._work, (doing, work, area)))
        self._idle.wait(_PATIENCE)
        with self._lock:
            if not self._idle.is_set():
                self._progress.show(notice("note", f"Trying to {doing} …"))

    def _do(self, work: Callable[[], None], after: float = 0.0) -> Callable[[], None]:
        """Do something in the background; the returned function calls it off."""
        return _errands.do(work, after)

    def _work(self, task: _Task) -> None:
        next_task: _Task | None = task
        while next_task is not None:
            self._guard(*next_task)
            with self._lock:
                first = next(iter(self._waiting_tasks), None)
                next_task = None if first is None else self._waiting_tasks.pop(first)
                if next_task is None:
                    self._enable(True)
                    self._progress.show()
                    if self._focus is not None and time.monotonic() < self._focus_until:
                        self._focus.focus()
                    self._focus = None
                    self._idle.set()

    def _enable(self, on: bool) -> None:
        if self.queues:  # a button that is switched off loses the keyboard
            return
        for button in self._buttons:
            button.disabled = not on

    def _guard(self, doing: str, work: Callable[[], None], area: Area) -> None:
        """Do something, and show in `area` what goes wrong: nobody sees a callback's error."""
        try:
            area.show()
            work()
        except Exception as error:  # noqa: BLE001  # it is shown, and kept
            self.last_error = error
            area.show(complaint(doing, error))

    # What a notebook keeps where no kernel runs

    def _facts(self) -> list[tuple[str, str]]:
        """Give the labels of the fields and what is in them."""
        raise NotImplementedError

    def _areas(self) -> tuple[list[Area], list[Area]]:
        """Give the areas that may hold a message, above the fields and below them."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        widget: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return widget | self._snapshot(f"Snapshot. Re-run the cell to {self.purpose}.")

    def _mime_(self) -> tuple[str, str]:
        """Show a snapshot in marimo, which asks for it by this name and shows no boxes."""
        note = (
            f"Snapshot of {time_text(datetime.now(UTC))}. marimo does not show Jupyter's fields "
            f"and buttons: {self.purpose} in Jupyter or Voilà."
        )
        return "text/html", self._snapshot(note)["text/html"]

    def _snapshot(self, note: str) -> dict[str, str]:
        """Give the form as it is now, as HTML with a `note` below it and as text."""
        facts = self._facts()
        lines = [f"{label}: {_beginning(value) or 'not set'}" for label, value in facts]
        above, below = ([area.markup for area in areas] for areas in self._areas())
        below += [self._listener_trouble.markup, self._progress.markup]
        store = store_name(self._store)
        html = output(
            "form",
            title=self.title,
            store=store,
            facts=facts,
            above=above,
            below=below,
            note=note,
        )
        return bundle(html, "\n".join([f"{self.title} in {store}", *lines]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({store_name(self._store)})"


def check_store(store: Any) -> None:
    """Raise a `TypeError` for what a form cannot work on, and name what it can."""
    kind = f"the class {store.__name__}" if isinstance(store, type) else type(store).__name__
    if is_async(store):
        raise TypeError(
            "a form needs a blocking store, such as InngestStore with the same arguments, "
            f"got {kind}"
        )
    verbs = ("save", "load", "delete", "list")
    if isinstance(store, type) or not all(callable(getattr(store, verb, None)) for verb in verbs):
        raise TypeError(
            f"a store is needed here, such as inb.local() or SqliteStore(path), not {kind}"
        )


def _beginning(value: str) -> str:
    """Write the beginning of a value, as long as in HTML, and how much is left out."""
    part = excerpt(value)
    more = f" … {count_text(part.more, 'more character')}" if part.more else ""
    return visible_lines(part.text) + more


def _fields_in(widget: Any) -> Iterator[Any]:
    for child in widget.children:
        if isinstance(child, widgets.Box):
            if not isinstance(child, Form):  # which looks after its own
                yield from _fields_in(child)
        elif not isinstance(child, Area) and {"value", "chosen"} & set(child.keys):
            yield child


def complaint(doing: str, error: Exception) -> Markup:
    """Say what failed and what to try."""
    hints = list(getattr(error, "__notes__", ()))
    if isinstance(error, StoreError):
        hints.append("nothing you typed is lost, so try again once the store answers")
    elif not isinstance(error, ValueError | InngestError):  # whose texts say what to do
        hints.append("raise the form's last_error in a cell to see where it comes from")
    return notice("error", f"Could not {doing}", str(error) or type(error).__name__, hints=hints)


def _listener_complaint(name: str, error: Exception) -> Markup:
    """Say that a function passed to `on_write` raised, after the write itself had succeeded."""
    return notice(
        "warn",
        f"The listener {short(name)} raised {type(error).__name__}",
        str(error),
        "What the form did is not affected.",
        hints=["raise the form's last_error in a cell for its traceback"],
    )
