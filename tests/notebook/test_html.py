"""The base of all views: nothing reaches a page unescaped, and the stylesheet stays small."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from form_driver import Reading
from hostile_strings import HOSTILE_STRINGS
from jinja2 import UndefinedError
from markupsafe import Markup

import inngest_nb.notebook
from inngest_nb import HistoryEvent, WorkflowState
from inngest_nb.findings import Checkup, Finding, Level
from inngest_nb.history import Attempt, Step, Times, Value

# Each template is given every text that it can show, also where no history would give it one.
from inngest_nb.notebook.compare._alignment import Pair
from inngest_nb.notebook.compare._comparison_lines import Line as ComparisonLine
from inngest_nb.notebook.forms._typed_json import BadJsonError
from inngest_nb.notebook.overview._chart import Bars, Block, Label, Tip
from inngest_nb.notebook.overview._chart import Chart as StartsChart
from inngest_nb.notebook.overview._picture import Count
from inngest_nb.notebook.overview._picture import Picture as Survey
from inngest_nb.notebook.overview._sections import Head, Section
from inngest_nb.notebook.overview._sections import Line as Group
from inngest_nb.notebook.overview._verdict import Said, Verdict
from inngest_nb.notebook.page import Change, Line, fragment, output
from inngest_nb.notebook.replay._moments import CodeLine, Moment
from inngest_nb.notebook.timeline import Picture
from inngest_nb.notebook.timeline._chart import Chart, Row
from inngest_nb.notebook.timeline._scale import Bar, Tick
from inngest_nb.notebook.waterfall._payloads import Payload, Payloads
from inngest_nb.notebook.waterfall._picture import Picture as FallPicture

TEMPLATES = Path(inngest_nb.notebook.__file__).parent / "page" / "templates"
SOURCES = sorted(file.name.removesuffix(".html.j2") for file in TEMPLATES.glob("*.j2"))
NAMES = [name for name in SOURCES if not name.startswith("_")]  # the others are macros


Text = Callable[[], str]

TWICE = (Attempt(None, None, None, None, None),) * 2


def state_with(text: Text, *history: HistoryEvent) -> WorkflowState:
    begin = datetime(2025, 7, 14, 9, 8, 7, tzinfo=UTC)
    return WorkflowState(
        workflow_id=text(),
        run_id=text(),
        status=text(),
        error=text(),
        history=history,
        created_at=begin,
        updated_at=begin + timedelta(seconds=3),
    )


def changes_with(text: Text) -> list[Change]:
    lines = (Line("-", text()), Line("+", text()), Line(" ", text()), Line("…", text()))
    return [Change(text(), text(), text()), Change(text(), None, None, lines)]


def chart_with(text: Text, word: Text) -> Chart:
    bars = (Bar(1, 2, word(), text()), Bar(1, 2, "received"), Bar(3, 4, "waiting", text()))
    row = Row(
        kind=text(),
        name=text(),
        part=text(),
        begin=text(),
        bars=bars,
        word=word(),
        outcome=text(),
        result=text(),
        error=text(),
        lane=1,
        lanes=1,
    )
    return Chart((row,), (Tick(1, text()),), frozenset([word(), "failed"]), (text(),))


def payload(text: str) -> Value:
    document = json.dumps(text.encode(errors="replace").decode())  # no half of a pair is JSON
    return Value(read=lambda: document)


def step_with(text: Text, word: Text) -> Step:
    """Make a step whose kind, name, outcome, error and result count as texts."""
    values = {"input": payload(word()), "result": payload(text())}
    return Step(text(), text(), text(), TWICE, timedelta(1), text(), **values)


def comparison_with(text: Text, word: Text) -> list[ComparisonLine]:
    """Make lines of which two show their step's outcome, and all its kind and name."""
    values = {"input": payload(word()), "result": payload(word())}
    step = Step(text(), text(), text(), TWICE, timedelta(1), word(), **values)
    pairs = (Pair(step, step, moved=True), Pair(step, None), Pair(None, step))
    lines = [
        ComparisonLine(
            pair, changes=changes_with(text), same=[(text(), text())], change=timedelta(1)
        )
        for pair in pairs
    ]
    return [ComparisonLine(None, text()), *lines]


def happens(text: Text) -> HistoryEvent:
    return HistoryEvent(type=text(), activity_name=text(), error=text(), duration=1)


def moment_with(text: Text, elsewhere: Text | None = None) -> Moment:
    """Make a moment; what only the moment by itself shows may come from elsewhere."""
    own = elsewhere or text
    line = CodeLine(own(), own(), "")
    then = [CodeLine(text(), text(), text())]
    return Moment(1, happens(text), timedelta(1), [(text(), text())], line, then, [own()])


def picture_with(text: Text, word: Text) -> Picture:
    state = state_with(text)
    return Picture(
        state,
        chart_with(text, word),
        Times(None, None, True),
        None,
        failed_activity=text(),
        status=str(state.status),
        note=text(),
    )


def fall_with(text: Text, word: Text) -> FallPicture:
    return FallPicture(
        run_id=text(),
        status=text(),
        facts=((text(), text()),),
        failed=text(),
        error=text(),
        chart=chart_with(text, word),
        payloads=Payloads((Payload(text(), text()),), 7),
        note=text(),
    )


def survey_with(text: Text, word: Text) -> Survey:
    chart = StartsChart(
        bars=(Bars(word(), text(), (Block(1, 2, 3),)), Bars("completed", text(), ())),
        tips=(Tip(1, text()),),
        labels=(Label(1, text()), Label(50, text()), Label(99, text())),
        width=3,
        slot=4,
        caption=text(),
    )
    section = Section(
        title=text(),
        said=text(),
        call=text(),
        heads=(Head(text(), is_number=True), Head(text(), leads=True), Head(text())),
        lines=(
            Group((text(), text(), text()), (text(), text())),
            Group((text(), text(), text()), ()),
        ),
        rest=text(),
    )
    return Survey(
        of=text(),
        verdict=Verdict(word(), text(), (Said(word(), text()), Said("failed", text()))),
        counts=(Count(text(), text(), text()),),
        chart=chart,
        sections=(section,),
        remarks=(text(),),
        note=text(),
    )


# What each template needs, full of texts; a `word` only tells how something looks. A template that
# has no entry here fails below.
CONTEXTS: dict[str, Callable[[Text, Text], dict[str, Any]]] = {
    "caused": lambda text, word: {
        "runs": [
            {
                "status": text(),
                "name": text(),
                "took": text(),
                "run_id": text(),
                "error": text(),
            }
        ]
    },
    "chart": lambda text, word: {"chart": chart_with(text, word)},
    "code": lambda text, word: {"line": CodeLine(text(), text(), text()), "asks": True},
    "compare": lambda text, word: {
        "sides": SimpleNamespace(
            a=WorkflowState(workflow_id=text()), b=WorkflowState(workflow_id=text())
        ),
        "kind": "note",
        "headline": text(),
        "lines": [text()],
        "rows": comparison_with(text, word),
    },
    "diff": lambda text, word: {"changes": changes_with(text)},
    "error": lambda text, word: {"error": text()},
    "explore": lambda text, word: {
        "title": text(),
        "store": text(),
        "caption": text(),
        "columns": [["status", text()], ["workflow", text()]],
        "rows": [{"tone": "good", "mark": text(), "cells": [text(), text()]}],
        "messages": [fragment("heading", title=text(), store=text())],
        "note": text(),
    },
    "findings": lambda text, word: {
        "checkup": Checkup(
            (
                Finding(Level.TO_DO, text(), text(), text(), (text(), text())),
                Finding(Level.OK, text(), text()),
            )
        ),
    },
    "flaw": lambda text, word: {"label": text(), "flaw": BadJsonError(text(), text(), 3)},
    "form": lambda text, word: {
        "title": text(),
        "store": text(),
        "facts": [(text(), text()), (text(), "\n" + text())],
        "above": [fragment("heading", title=text(), store=text())],
        "below": [fragment("heading", title=text(), store=text())],
        "note": text(),
    },
    "happening": lambda text, word: {
        "event": happens(text),
        "payloads": [(text(), text())],
    },
    "heading": lambda text, word: {"title": text(), "store": text()},
    "history": lambda text, word: {
        "happenings": [
            (HistoryEvent(type=text(), activity_name=text(), error=text()), [(text(), text())]),
            (HistoryEvent(type=text(), signal_name=text()), []),
        ],
        "before": 3,
    },
    "misread": lambda text, word: {"problem": text(), "place": text()},
    "moment": lambda text, word: {
        "moment": moment_with(text),
        "count": 2,
        "known": [step_with(text, word)],
        "more": True,
    },
    "notice": lambda text, word: {
        "kind": "error",
        "headline": text(),
        "lines": [text()],
        "changes": changes_with(text),
        "hints": [text(), text()],
    },
    "output": lambda text, word: {"body": fragment("heading", title=text(), store=text())},
    "overview": lambda text, word: {"picture": survey_with(text, word)},
    "payload": lambda text, word: {"label": text(), "text": text()},
    "remark": lambda text, word: {"lines": [text()]},
    "replay": lambda text, word: {
        "state": WorkflowState(workflow_id=text(), status=text()),
        "moments": [moment_with(text, word)],
        "more": 1,
        "messages": [fragment("heading", title=text(), store=text())],
        "note": text(),
    },
    "replay_heading": lambda text, word: {
        "state": WorkflowState(workflow_id=text(), status=text()),
    },
    "status": lambda text, word: {"status": text()},
    "steps": lambda text, word: {"steps": [step_with(text, word)], "more": True},
    "timeline": lambda text, word: {"picture": picture_with(text, word)},
    "waterfall": lambda text, word: {"picture": fall_with(text, word)},
    "workflow": lambda text, word: {
        "state": state_with(text, HistoryEvent(type=text(), activity_name=text())),
        "payloads": [(text(), text())],
        "brief": False,
    },
}


def drawn(name: str, text: str) -> Markup:
    """Render a template with one text in every place."""
    return fragment(name, **CONTEXTS[name](lambda: text, lambda: text))


def test_every_template_is_tried_here() -> None:
    assert sorted(CONTEXTS) == NAMES


@pytest.mark.parametrize("hostile", HOSTILE_STRINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_string_adds_no_tag_and_no_attribute(name: str, hostile: str) -> None:
    harmless = Reading(drawn(name, "x" * len(hostile)))
    reading = Reading(drawn(name, hostile))
    assert reading.shape == harmless.shape
    assert hostile[:40] in reading.text, "the template did not show it at all"


@pytest.mark.parametrize("name", NAMES)
def test_every_text_that_a_template_is_given_is_shown(name: str) -> None:
    given: list[str] = []

    def text() -> str:
        given.append(f"<text {len(given)}>")
        return given[-1]

    shown = Reading(fragment(name, **CONTEXTS[name](text, lambda: "failed"))).text
    assert [each for each in given if each not in shown] == []


# After how many characters a long text ends, in each template that cuts one.
CUTS = [
    ("error", 600),
    ("form", 1_999),  # after a line break
    ("history", 400),
    ("payload", 2_000),
    ("steps", 398),  # between its quotes
    ("timeline", 600),
    ("waterfall", 600),
    ("workflow", 300),
]


@pytest.mark.parametrize(("name", "size"), CUTS)
def test_what_is_cut_off_a_long_text_is_counted(name: str, size: int) -> None:
    assert "more character" not in Reading(drawn(name, "x" * size)).text
    assert f"… {7:,} more characters" in Reading(drawn(name, "x" * (size + 7))).text


@pytest.mark.parametrize("name", NAMES)
def test_a_text_cannot_turn_its_direction_or_hide(name: str) -> None:
    html = drawn(name, "a\u202ebc\u2066\x00d\ud800")
    assert not {"\u202e", "\u2066", "\x00", "\ud800"} & set(html)


@pytest.mark.parametrize("name", SOURCES)
def test_a_template_has_no_script_and_no_style_of_its_own(name: str) -> None:
    source = (TEMPLATES / f"{name}.html.j2").read_text(encoding="utf-8")
    assert re.findall(r"<script|<link|style=|\bon\w+=|\|\s*safe", source) == []


def test_an_output_brings_the_stylesheet_once_and_a_fragment_none() -> None:
    assert output("heading", title="a", store="b").count("<style>") == 1
    assert "<style>" not in fragment("heading", title="a", store="b")


def test_the_stylesheet_is_small_and_follows_the_theme() -> None:
    sheet = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    assert len(sheet.encode()) < 7_500  # forms, timelines, the explorer and overviews share it
    assert "--jp-content-font-color1" in sheet
    theirs = {".widget-html-content", ".widget-inline-hbox", ".widget-label", ".widget-dropdown"}
    theirs |= {".widget-box", ".jupyter-widgets"}
    classes = set(re.findall(r"\.[a-z][\w-]+", sheet)) - theirs
    assert [name for name in classes if not name.startswith(".inb")] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_template_that_misses_something_says_so(name: str) -> None:
    whole = CONTEXTS[name](lambda: "text", lambda: "failed")
    for missing in whole:
        context = {key: value for key, value in whole.items() if key != missing}
        with pytest.raises(UndefinedError, match=f"'{missing}' is undefined"):
            fragment(name, **context)
