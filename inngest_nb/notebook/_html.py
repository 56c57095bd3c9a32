"""HTML of every view: one environment, one stylesheet, nothing that reaches a page unescaped."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inngest_nb.notebook import _words

__all__ = ["fragment", "output"]

_TEMPLATES = Environment(
    loader=PackageLoader("inngest_nb.notebook"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "change": _words.change_text,
    "count": _words.count_text,
    "duration": _words.duration_text,
    "event_word": _words.event_word,
    "excerpt": _words.excerpt,
    "fold": _words.folded,
    "short": _words.short,
    "status_mark": _words.status_mark,
    "status_tone": _words.status_tone,
    "time": _words.time_text,
    "visible": _words.visible,
    "visible_lines": _words.visible_lines,
}
_TEMPLATES.tests["finished"] = _words.is_finished


def fragment(template: str, /, **context: Any) -> Markup:
    """Render `<template>.html.j2`: a part of an output, which brings no stylesheet of its own."""
    text = _TEMPLATES.get_template(f"{template}.html.j2").render(context)
    return Markup(text)  # noqa: S704  # autoescape has seen to it


def output(template: str, /, **context: Any) -> Markup:
    """Render a template as an output of its own, with the stylesheet in it once."""
    return fragment("output", body=fragment(template, **context))
