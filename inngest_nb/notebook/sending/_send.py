"""A form that sends an event."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, cast

import ipywidgets as widgets
from markupsafe import Markup

from inngest_nb import wire
from inngest_nb.api import Function, InngestAPI, Trigger, check_api, checks
from inngest_nb.errors import InngestError
from inngest_nb.history import pretty
from inngest_nb.notebook.forms import Form, PayloadField
from inngest_nb.notebook.page import Area, filling, fragment, row
from inngest_nb.notebook.sending import _send_words as say
from inngest_nb.notebook.sending._following import FollowedRuns
from inngest_nb.words import visible

__all__ = ["SendForm", "send_form"]

_RECENT = 50  # events whose names are offered too


def send_form(
    api: InngestAPI | None = None,
    *,
    name: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> SendForm:
    """Return a form that sends an event to a real Inngest server and shows the runs it starts.

        inb.send_form()
        inb.send_form(api, name="shop/order.placed", data={"order_id": "A1"})

    It offers the events that trigger the server's functions, and those sent lately. It begins with
    the data of the last event of that `name`, or with `data`. Once an event is sent, the runs are
    followed until they have ended, 10 minutes at most.

    `api` is an `InngestAPI`, by default one with the settings of the environment. Raises
    `ValueError` for data that JSON cannot represent.
    """
    if data is not None and not isinstance(data, Mapping):
        raise ValueError(
            f"data must be an object such as {{'order_id': 'A1'}}, got {type(data).__name__}"
        )
    text = None if data is None else pretty(wire.encode_json(dict(data)).decode())
    return SendForm(InngestAPI() if api is None else api, name or "", text)


class SendForm(Form):
    """A form over a server; `send_form` makes one.

    Once an event is sent, the button is gone until "Send another event" is clicked, so that a
    double click sends one event. The listeners of `on_write` are called with its event_id and None.
    """

    title = "Send an event"
    queues = True

    def __init__(self, api: InngestAPI, name: str = "", data: str | None = None) -> None:
        super().__init__(cast(Any, api))
        self.add_class("inb-fields")
        self._api = api
        self._functions: list[Function] | None = None  # until they are read
        self._names: list[str] = []  # that are offered
        self._given = data
        self._asked = ""  # the name whose last event was asked for
        self._remark = ""  # where the data comes from
        self._draft = uuid.uuid4().hex  # what is being composed, whatever it says by now
        self._sent = False
        self._in_doubt: set[str] = set()  # the ids of events whose answer was lost
        self._make_fields()
        self._make_buttons()
        self._build(
            row(self.name),
            self.starts,
            self.payload,
            self.outcome,
            self.runs.area,
            self.trouble,
            self.runs.trouble,
            self.choices,
        )
        self._arrange()
        if data is not None:
            self.payload.fill("Data", data)
        self.name.value = visible(name)
        self._start("read the server's events", self._read_last, self.trouble)
        self.name.observe(lambda _: self._named(), "value")

    def _check(self, source: Any) -> None:
        check_api(source)

    def close(self) -> None:
        """Take the form away, and stop following the runs."""
        if self.comm is not None:
            self.runs.leave()
        super().close()

    def _make_fields(self) -> None:
        self.name = widgets.Combobox(description="Event", layout=filling())
        self.name.continuous_update = False
        self.name.placeholder = "choose or type a name, such as shop/order.placed"
        self.name.add_class("inb-event")
        self.payload = PayloadField("Data", '{"order_id": "A1"}')
        self.starts, self.outcome = Area("inb-starts"), Area("inb-outcome")
        self.trouble = Area("inb-trouble")
        self.runs = FollowedRuns(self._api, self._do, self._guard)

    def _make_buttons(self) -> None:
        # Two that take turns: a click on the one that stood there before is about other data.
        self._sends = [
            self._button("Send", "send the event", partial(self._send_typed, place), self.trouble)
            for place in (0, 1)
        ]
        self._place = 0
        self.another = self._button(
            "Send another event", "ask again", self._ask_again, self.trouble
        )
        self.choices = row()

    @property
    def send(self) -> Any:
        """The button that sends what the form shows now."""
        return self._sends[self._place]

    # What it begins with

    def _read_functions(self) -> None:
        """Read what starts them, and offer that, and what was sent lately."""
        functions = self._api.functions()
        waited = [
            trigger.value
            for function in functions
            for trigger in function.triggers
            if trigger.kind == "EVENT" and "*" not in trigger.value
        ]
        lately = [event.name for event in self._api.events(limit=_RECENT)]
        names = dict.fromkeys([*sorted(waited), *lately])
        self._names = [name for name in names if not checks.is_internal(name)]
        self.name.options = [visible(name) for name in self._names]
        self._functions = functions

    def _named(self) -> None:
        if self._typed_name != self._asked:
            self._start("read the server's events", self._read_last, self.trouble, again=True)

    def _read_last(self) -> None:
        """Begin with the data of the last event of the name, unless somebody typed other data."""
        name = self._asked = self._typed_name
        self._remark = ""
        if self._functions is None:
            self._read_functions()
        self._tell_starts()
        if not name or checks.is_internal(name):
            return
        last = next(iter(self._api.events(name, limit=1)), None)
        if self._given is None and not self.payload.is_edited and name == self._typed_name:
            text = pretty(wire.encode_json(last.data).decode()) if last and last.data else ""
            self._remark = say.taken_from(last)
            if text != self.payload.text.value:
                self._place = 1 - self._place
                self.payload.fill("Data", text)
                self._arrange()
        self._tell_starts()

    def _tell_starts(self) -> None:
        known = self._functions is not None
        lines = [say.starts(self._typed_name, self._triggers) if known else "", self._remark]
        shown = fragment("remark", lines=lines) if any(lines) else Markup()
        self.starts.show(shown)

    @property
    def _typed_name(self) -> str:
        typed: str = self.name.value.strip()
        return {visible(name): name for name in self._names}.get(typed, typed)

    @property
    def _triggers(self) -> list[tuple[Function, Trigger]]:
        """What waits for an event of the name."""
        name = self._typed_name
        return [
            (function, trigger)
            for function in self._functions or ()
            for trigger in function.triggers
            if trigger.fits(name)
        ]

    def _arrange(self) -> None:
        """Let one do what can be done now."""
        for control in (self.name, self.payload.text):
            control.disabled = self._sent
        self.choices.children = (self.another,) if self._sent else (self.send,)

    # Sending

    def _send_typed(self, place: int) -> None:
        """Send what is typed, once."""
        if self._sent:
            return
        if place != self._place:
            raise ValueError(say.UNSEEN)
        name, data = self._typed_name, self.payload.read()
        if not name:
            raise ValueError(say.NO_NAME)
        if not isinstance(data, dict | None):
            raise ValueError(say.NOT_AN_OBJECT)
        key = self._id_of(name, data)
        try:
            event_id = self._api.send(name, data, id=key)
        except InngestError as error:
            if error.maybe_done:
                self._in_doubt.add(key)
                error.add_note(say.SAME_ID)
            raise
        self._sent, self._focus = True, self.another
        self.outcome.show(say.receipt(name, event_id))
        self._arrange()
        functions = {(function.app, function.function_id) for function, _ in self._triggers}
        followed = self._first_of(name, key, event_id) if key in self._in_doubt else event_id
        self.runs.follow(followed, len(functions))
        self._wrote(event_id, None)

    def _first_of(self, name: str, key: str, event_id: str) -> str:
        """Return the event that started the functions: the first of those with the same id."""
        with suppress(InngestError):  # it was sent, whatever can be read now
            same = [
                event.event_id for event in self._api.events(name, limit=_RECENT) if event.id == key
            ]
            return min([event_id, *same])
        return event_id

    def _id_of(self, name: str, data: Any) -> str:
        """Return the id of what is typed: the same for a second try, another for other data."""
        text = f"{self._draft}\n{name}\n".encode() + wire.encode_json(data)
        return f"inngest-nb-{hashlib.sha256(text).hexdigest()[:24]}"

    def _ask_again(self) -> None:
        self.runs.leave()
        self._sent, self._focus = False, self.name
        self._draft = uuid.uuid4().hex
        self.outcome.show()
        self._arrange()

    # What a notebook keeps

    def _facts(self) -> list[tuple[str, str]]:
        return [("Event", self.name.value), ("Data", self.payload.text.value)]

    def _areas(self) -> tuple[list[Area], list[Area]]:
        below = [self.payload.flaw, self.outcome, self.runs.area, self.trouble]
        return [self.starts], [*below, self.runs.trouble]
