"""Forms, used as a front end uses them: by the messages that a page would send, without a page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import ipywidgets as widgets

_PATIENCE = 60


def type_into(form: Any, field: Any, text: str) -> None:
    """Leave a text in a field, and wait for what the form makes of it."""
    field.set_state({"value": text})
    form.wait()


def choose(form: Any, field: Any, value: object) -> None:
    """Choose an entry of a list by its value."""
    form.wait()  # for the entries
    values = [value for _, value in field.options]
    field.set_state({"index": values.index(value)})
    form.wait()


def press(form: Any, button: Any) -> None:
    """Click a button once it can be clicked, and wait until the form has done its work."""
    form.wait()
    click(button)
    form.wait()


def click(button: Any) -> None:
    """Click a button; a page sends the message for one that is shown and enabled."""
    button._handle_button_msg(button, {"event": "click"}, [])


def words(area: Any) -> str:
    """Return what one reads in an area, or in HTML, with its spaces folded."""
    return " ".join(Reading(getattr(area, "markup", area)).text.split())


def until(area: Any, text: str) -> None:
    """Wait until a text stands in an area."""
    there = threading.Event()
    area.observe(lambda _: there.set() if text in words(area) else None, "value")
    if text not in words(area):
        assert there.wait(_PATIENCE), f"{text!r} is not in {words(area)!r}"


class Reading(HTMLParser):
    """HTML taken apart: its `text`, and its `shape`, every tag with the names of its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.shape: list[tuple[str, ...]] = []
        self.feed(str(html))  # a Markup would escape what it is joined with
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, *(name for name, _ in attrs)))
        if tag in ("dd", "div", "p", "pre"):  # what a browser begins on a line of its own
            self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self.shape.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.shape.append(("!--",))

    def handle_data(self, data: str) -> None:
        self.text += data


def every_widget(widget: Any) -> Iterator[Any]:
    """Yield a widget and all that is in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every_widget(child)


def all_html(form: Any) -> str:
    """Return all HTML that a form shows now."""
    return "\n".join(each.value for each in every_widget(form) if isinstance(each, widgets.HTML))
