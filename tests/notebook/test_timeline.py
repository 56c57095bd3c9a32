"""What a notebook gets of a run: HTML that survives, and plain text."""

import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from frame_states import after, go_states, history, state
from hostile_strings import HOSTILE_STRINGS
from markupsafe import Markup

from inngest_nb import HistoryEvent, SqliteStore, WorkflowState
from inngest_nb.notebook.timeline import chart_markup, timeline

FAILED = state(
    status="failed",
    error="activity charge: card declined",
    created_at=after(0),
    updated_at=after(9),
    history=history(
        ("workflow_started", "", 0),
        ("activity_started", "reserve", 0, {"input": 1}),
        ("activity_started", "charge", 1, {"input": 1}),
        ("activity_failed", "charge", 3, {"error": "card declined"}),
        ("activity_started", "charge", 5, {"input": 1}),
        ("activity_failed", "charge", 9, {"error": "card declined"}),
        ("workflow_failed", "", 9),
    ),
)


def html(one: WorkflowState, **when: Any) -> str:
    return timeline(one, **when)._repr_mimebundle_()["text/html"]


def reading(markup: str) -> str:
    """Return what is left when a viewer strips stylesheets, drawings, attributes and tags."""
    bare = re.sub(r"<(style|svg).*?</\1>", "", markup, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", bare)).split())


def test_a_failed_run_reads_in_words_when_everything_else_is_stripped() -> None:
    words = reading(html(FAILED))
    assert "Status ✕ failed" in words
    assert "Took 9 s" in words
    assert "The activity charge failed activity charge: card declined" in words
    assert "reserve +0 ⊘ abandoned" in words
    assert "charge +1 s ✕ failed, 2 attempts, 8 s card declined" in words
    assert "Key: outlined = failed, dashed = abandoned, thin line = waiting." in words


def test_plain_text_tells_the_same_and_draws_bars() -> None:
    assert repr(timeline(FAILED)).splitlines() == [
        "order-1: ✕ failed, 9 s",
        "began 2025-07-14 12:00:00 UTC",
        "error in charge: activity charge: card declined",
        "  reserve |┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄| ⊘ abandoned",
        "  charge  |   ▒▒▒▒▒▒▒▒──────▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒| ✕ failed, 2 attempts, 8 s",
    ]


def test_activities_of_one_name_are_told_apart_in_html_and_in_text() -> None:
    cities = ("Oslo", "Lima")
    events = [
        event
        for at, city in enumerate(cities)
        for event in (
            ("activity_started", "measure", at, {"input": {"city": city}}),
            ("activity_completed", "measure", at + 1, {"result": at + 0.5}),
        )
    ]
    one = state(created_at=after(0), updated_at=after(2), history=history(*events))
    words = reading(html(one))
    assert "measure Oslo +0 ✓ completed, 1 s → 0.5 measure Lima +1 s ✓ completed, 1 s" in words
    assert repr(timeline(one)).splitlines()[2:] == [
        "  measure Oslo |█████████████████               | ✓ completed, 1 s → 0.5",
        "  measure Lima |                ████████████████| ✓ completed, 1 s → 1.5",
    ]


def test_an_error_has_a_row_of_its_own_across_the_whole_chart() -> None:
    rows = re.findall(r"<tr.*?</tr>", html(FAILED), re.DOTALL)
    columns = rows[0].count("<th")
    assert f'<td colspan="{columns}"' in rows[-1]
    assert reading(rows[-1]) == "card declined"


def test_a_running_run_tells_the_time_so_far() -> None:
    running = state(
        status="running", created_at=after(0), history=history(("activity_started", "a", 0))
    )
    assert "So far 12 s" in reading(html(running, now=after(12)))
    assert "So far 1 min 2 s" in reading(html(running, now=after(62)))
    assert "order-1: ◐ running, 12 s so far" in repr(timeline(running, now=after(12)))


def test_a_stored_run_is_drawn_from_any_store(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "state.db") as store:
        store.save(FAILED)
        loaded = store.load("order-1")
        assert loaded is not None
        assert reading(html(loaded)) == reading(html(FAILED))


def test_a_go_state_without_history_says_so_and_when_it_was_first_saved() -> None:
    one = state(first_saved_at=after(0), updated_at=after(5))
    words = reading(html(one))
    assert "Go's executor drops it" in words
    assert "Took 5 s" in words
    assert "<table" not in html(one)


@pytest.mark.parametrize("one", go_states(), ids=lambda one: f"{len(one.history)} events")
def test_every_go_state_has_a_picture(one: WorkflowState) -> None:
    assert "<dl" in html(one)
    assert repr(timeline(one))


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_hostile_text_is_escaped_wherever_it_stands(text: str) -> None:
    events = history(
        ("activity_started", text, 0, {"input": {text: text}}),
        ("activity_failed", text, 1, {"error": text, "retry_at": after(5)}),
        ("signal_received", "", 2, {"signal_name": text}),
        ("activity_started", "b", 3, {"input": text}),
        ("activity_started", "b", 3, {"input": text[:20]}),
        ("activity_completed", "b", 4, {"result": text[:20]}),
    )
    one = WorkflowState(
        workflow_id=text,
        run_id=text,
        status=text,
        error=text,
        history=(*events, HistoryEvent(type=text)),
    )
    for markup in (html(one), chart_markup(one, after(9))):
        assert text not in markup
        assert not re.search(r"<(script|img|iframe|a|details)\b", markup)
        assert not re.search(r"<[^>]*\son\w+\s*=\s*[^>]*>", re.sub(r'"[^"]*"', '""', markup))


def test_text_that_runs_backwards_or_breaks_lines_is_made_visible() -> None:
    one = state(
        workflow_id="a\u202eb",
        history=history(("activity_started", "x\ny\x00", 0)),
        status="running",
    )
    for shown in (reading(html(one)), repr(timeline(one))):
        assert "a\\u202eb" in shown
        assert "x\\ny\\x00" in shown


def test_the_picture_of_a_long_history_is_bounded_in_bytes() -> None:
    starts = [
        ("activity_started", f"{'n' * 500}{number % 50}", number, {"input": number})
        for number in range(5_000)
    ]
    long = state(status="running", history=history(*starts), error="e" * 100_000)
    assert len(html(long)) < 200_000
    assert len(repr(timeline(long))) < 20_000


def test_the_chart_alone_brings_no_facts_and_no_stylesheet() -> None:
    part = chart_markup(FAILED, datetime.now(UTC))
    assert isinstance(part, Markup)
    assert part.lstrip().startswith('<div class="inb-fit"><table')
    assert "<style" not in part
    assert "order-1" not in part


def test_no_script_and_no_style_attribute_is_in_the_picture() -> None:
    assert not re.search(r"<script|\sstyle=|\son\w+=|href=|url\(", html(FAILED))


@pytest.mark.parametrize(
    ("given", "words"),
    [(None, "load\\(\\) returns for an id"), ("order-1", "needs store="), ([FAILED], "got list")],
)
def test_what_is_no_workflow_is_refused_with_what_to_give(given: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        timeline(given)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        timeline(FAILED, now=datetime(2026, 1, 1))


@pytest.mark.parametrize("place", range(1, 200))
def test_a_signal_is_one_mark_in_plain_text(place: int) -> None:
    events = history(("activity_started", "a", 0), ("activity_completed", "a", 200))
    signal = HistoryEvent(type="signal_received", signal_name="go", timestamp=after(place))
    drawn = repr(timeline(state(history=(*events, signal)), now=after(300)))
    assert drawn.count("◆|") + drawn.count("◆ ") >= 2  # on the line, and beside the word
    assert "◆◆" not in drawn
