"""HTML of every view: one environment, one stylesheet, nothing that reaches a page unescaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from inngest_nb import words
from inngest_nb.history import events_of, recorded, registered_name, times_of

__all__ = ["bundle", "fragment", "output"]

_MOST_TEXT = 20_000  # characters of plain text that an output leaves in a notebook

_TEMPLATES = Environment(
    loader=PackageLoader("inngest_nb.notebook.page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "change": words.change_text,
    "count": words.count_text,
    "duration": words.duration_text,
    "event_word": words.event_word,
    "events_of": events_of,
    "excerpt": words.excerpt,
    "fold": words.folded,
    "recorded": recorded,
    "registered_name": registered_name,
    "short": words.short,
    "status_mark": words.status_mark,
    "status_tone": words.status_tone,
    "time": words.time_text,
    "times": times_of,
    "visible": words.visible,
    "visible_lines": words.visible_lines,
}


def fragment(template: str, /, **context: Any) -> Markup:
    """Render `<template>.html.j2`: a part of an output, which brings no stylesheet of its own."""
    text = _template(template).render(context)
    return Markup(text)  # noqa: S704  # autoescape has seen to it


@cache  # Jinja's own makes a new key for each hit; amid what is soon freed, it keeps a page alive
def _template(name: str) -> Template:
    return _TEMPLATES.get_template(f"{name}.html.j2")


def output(template: str, /, **context: Any) -> Markup:
    """Render a template as an output of its own, with the stylesheet in it once."""
    return fragment("output", body=fragment(template, **context))


def bundle(html: Markup, text: str) -> dict[str, str]:
    """Give what a notebook keeps of a view: its HTML, and its text, cut where it is too long.

    Both are plain `str`: some front ends refuse what only derives from it.
    """
    part = words.excerpt(text, _MOST_TEXT)
    more = f"\n… {words.count_text(part.more, 'more character')}" if part.more else ""
    return {"text/html": str(html), "text/plain": part.text + more}
