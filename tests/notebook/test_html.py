"""The base of all views: nothing reaches a page unescaped, and the stylesheet stays small."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from form_driver import Reading
from hostile_strings import HOSTILE_STRINGS

import inngest_nb.notebook
from inngest_nb import HistoryEvent, WorkflowState
from inngest_nb.notebook._alignment import Pair
from inngest_nb.notebook._chart import Bar, Chart, Row, Tick
from inngest_nb.notebook._comparison_lines import Line as ComparisonLine
from inngest_nb.notebook._detail import Happening
from inngest_nb.notebook._diff import Change, Line
from inngest_nb.notebook._html import fragment, output
from inngest_nb.notebook._moments import CodeLine, Moment
from inngest_nb.notebook._payload import BadJsonError
from inngest_nb.notebook._picture import Picture
from inngest_nb.notebook._steps import Step, Value

TEMPLATES = Path(inngest_nb.notebook.__file__).parent / "templates"
NAMES = sorted(file.name.removesuffix(".html.j2") for file in TEMPLATES.glob("*.j2"))


def state_with(text: str) -> WorkflowState:
    begin = datetime(2025, 7, 14, 9, 8, 7, tzinfo=UTC)
    event = HistoryEvent(type=text, activity_name=text, error=text)
    return WorkflowState(
        workflow_id=text,
        run_id=text,
        status=text,
        error=text,
        history=[event],
        created_at=begin,
        updated_at=begin + timedelta(seconds=3),
    )


def changes_with(text: str) -> list[Change]:
    lines = (Line("-", text), Line("+", text), Line(" ", text), Line("…", text))
    return [Change(text, text, text), Change(text, None, None, lines)]


def picture_with(text: str) -> Picture:
    bars = (Bar(1, 2, text, text), Bar(1, 2, "received", text))
    row = Row(text, text, text, bars, text, text, text, lane=1, lanes=1)
    chart = Chart((row,), (Tick(1, text),), frozenset([text, "failed"]), (text,))
    return Picture(state_with(text), chart, None, None, culprit=text)


def step_with(text: str) -> Step:
    return Step(text, text, text, 2, timedelta(1), text, Value(text), Value(text))


def comparison_with(text: str) -> list[ComparisonLine]:
    step = step_with(text)
    pairs = (Pair(step, step, moved=True), Pair(step, None), Pair(None, step))
    filled = {"changes": changes_with(text), "same": [(text, text)], "change": timedelta(1)}
    return [ComparisonLine(None, text), *(ComparisonLine(pair, **filled) for pair in pairs)]


def moment_with(text: str) -> Moment:
    line = CodeLine(text, text, text)
    event = state_with(text).history[0].replace(duration=1)
    return Moment(1, event, timedelta(1), [(text, text)], line, [line], [text])


# What each template needs, full of one text. A template that has no entry here fails below.
CONTEXTS: dict[str, Any] = {
    "chart": lambda text: {"chart": picture_with(text).chart},
    "code": lambda text: {"line": CodeLine(text, text, text), "asks": True},
    "compare": lambda text: {
        "sides": SimpleNamespace(a=state_with(text), b=state_with(text)),
        "kind": "note",
        "headline": text,
        "lines": [text],
        "rows": comparison_with(text),
    },
    "diff": lambda text: {"changes": changes_with(text)},
    "error": lambda text: {"error": text},
    "explore": lambda text: {
        "title": text,
        "store": text,
        "caption": text,
        "columns": [["status", text], ["workflow", text]],
        "rows": [{"tone": "good", "mark": text, "cells": [text, text]}],
        "messages": [fragment("heading", title=text, store=text)],
    },
    "flaw": lambda text: {"label": text, "flaw": BadJsonError(text, text, 3)},
    "form": lambda text: {
        "title": text,
        "store": text,
        "facts": [(text, text), (text, f"{text}\n{text}")],
        "above": [fragment("heading", title=text, store=text)],
        "below": [fragment("heading", title=text, store=text)],
    },
    "happening": lambda text: {
        "event": state_with(text).history[0],
        "payloads": [(text, text)],
    },
    "heading": lambda text: {"title": text, "store": text},
    "history": lambda text: {
        "happenings": [Happening(event, [(text, text)]) for event in state_with(text).history],
        "before": 3,
    },
    "moment": lambda text: {
        "moment": moment_with(text),
        "count": 2,
        "known": [step_with(text)],
        "more": True,
    },
    "notice": lambda text: {
        "kind": "error",
        "headline": text,
        "lines": [text],
        "changes": changes_with(text),
        "hints": [text],
    },
    "output": lambda text: {"body": fragment("heading", title=text, store=text)},
    "payload": lambda text: {"label": text, "text": text},
    "remark": lambda text: {"lines": [text]},
    "replay": lambda text: {
        "state": state_with(text),
        "moments": [moment_with(text)],
        "more": 1,
        "messages": [fragment("heading", title=text, store=text)],
    },
    "replay_heading": lambda text: {"state": state_with(text)},
    "status": lambda text: {"status": text},
    "timeline": lambda text: {"picture": picture_with(text)},
    "workflow": lambda text: {
        "state": state_with(text),
        "payloads": [(text, text)],
        "brief": False,
    },
}


def test_every_template_is_tried_here() -> None:
    assert sorted(CONTEXTS) == NAMES


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_string_adds_no_tag_and_no_attribute(name: str, hostile: str) -> None:
    harmless = Reading(fragment(name, **CONTEXTS[name]("x" * len(hostile))))
    reading = Reading(fragment(name, **CONTEXTS[name](hostile)))
    assert reading.shape == harmless.shape
    assert hostile[:40] in reading.text, "the template did not show it at all"


@pytest.mark.parametrize("name", NAMES)
def test_a_text_cannot_turn_its_direction_or_hide(name: str) -> None:
    html = fragment(name, **CONTEXTS[name]("a\u202ebc\u2066\x00d\ud800"))
    assert not {"\u202e", "\u2066", "\x00", "\ud800"} & set(html)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_has_no_script_and_no_style_of_its_own(name: str) -> None:
    source = (TEMPLATES / f"{name}.html.j2").read_text(encoding="utf-8")
    assert re.findall(r"<script|<link|style=|\bon\w+=|\|\s*safe", source) == []


def test_an_output_brings_the_stylesheet_once_and_a_fragment_none() -> None:
    assert output("heading", title="a", store="b").count("<style>") == 1
    assert "<style>" not in fragment("heading", title="a", store="b")


def test_the_stylesheet_is_small_and_follows_the_theme() -> None:
    sheet = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    assert len(sheet.encode()) < 6_000  # forms, timelines and the explorer share it
    assert "--jp-content-font-color1" in sheet
    theirs = {".widget-html-content", ".widget-inline-hbox", ".widget-label", ".widget-dropdown"}
    classes = set(re.findall(r"\.[a-z][\w-]+", sheet)) - theirs
    assert [name for name in classes if not name.startswith(".inb")] == []


def test_a_template_that_misses_something_says_so() -> None:
    with pytest.raises(Exception, match="'store' is undefined"):
        fragment("heading", title="a")
