"""HTML of frames and plans: templates hold the markup, and escape all that goes into it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def markup(template: str, /, **context: Any) -> str:
    """Render `<template>.html.j2`."""
    return _templates().get_template(f"{template}.html.j2").render(context)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # for a notebook only

    return Environment(
        loader=PackageLoader("inngest_nb.frames.basics"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
