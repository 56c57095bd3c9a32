"""From a history to what is drawn: each thing where its time says, and told apart."""

from typing import Any
from xml.etree import ElementTree

import pytest
from frame_states import after, history, state

from inngest_nb import HistoryEvent
from inngest_nb.notebook.timeline import chart_markup


def drawn(*events: tuple[Any, ...], status: str = "completed") -> Any:
    """Draw a run of these events, 10 seconds after noon."""
    return page_of(history(*events), status)


def page_of(events: tuple[HistoryEvent, ...], status: str = "completed") -> Any:
    html = chart_markup(state(status=status, history=events), after(10))
    return ElementTree.fromstring(f"<html>{html}</html>")  # noqa: S314  # our own


def activity(name: str, begin: float, end: float, **fields: Any) -> tuple[Any, ...]:
    kind = "activity_failed" if "error" in fields else "activity_completed"
    return ("activity_started", name, begin), (kind, name, end, fields)


def text_of(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def bars_of(page: Any) -> list[tuple[Any, ...]]:
    return [
        (bar.attrib["x"], bar.attrib["width"], bar.findtext("title")) for bar in page.iter("rect")
    ]


def test_labels_stand_at_their_ticks_and_lines_run_through_every_row() -> None:
    page = drawn(*activity("a", 0, 10), *activity("b", 0, 10))
    ticks = [
        (each.attrib["x"], each.attrib["text-anchor"], each.text) for each in page.iter("text")
    ]
    assert ticks == [
        ("0.5%", "start", "0"),
        ("20.3%", "middle", "2 s"),
        ("40.1%", "middle", "4 s"),
        ("59.9%", "middle", "6 s"),
        ("79.7%", "middle", "8 s"),
        ("99.5%", "end", "10 s"),
    ]
    lines = [(each.attrib["x1"], each.attrib["x2"]) for each in page.iter("line")]
    assert lines == [(place, place) for place, _, _ in ticks] * 2


@pytest.mark.parametrize(
    ("seconds", "place", "anchor"), [(2.165, "91.95%", "middle"), (2.16, "92.17%", "end")]
)
def test_a_label_near_the_edge_ends_at_its_tick(seconds: float, place: str, anchor: str) -> None:
    *_, last = drawn(*activity("a", 0, seconds)).iter("text")
    assert (last.text, last.attrib["x"], last.attrib["text-anchor"]) == ("2 s", place, anchor)


def test_a_chart_without_times_has_no_axis() -> None:
    page = page_of((HistoryEvent(type="activity_started", activity_name="a"),))
    assert page.find(".//thead") is None
    assert page.find(".//tbody") is not None


def test_bars_stand_where_they_should_and_their_notes_are_read_by_a_mouse() -> None:
    page = drawn(
        *activity("a", 0, 2, error="no money"),
        *activity("a", 4, 5),
        *activity("b", 5, 10),
    )
    assert bars_of(page) == [
        ("0.5%", "19.8%", "attempt 1 failed, 2 s: no money"),
        ("40.1%", "9.9%", "attempt 2 completed, 1 s"),
        ("50.0%", "49.5%", "attempt 1 completed, 5 s"),
    ]


def test_each_end_of_a_bar_looks_different_without_its_colour() -> None:
    left_open = ("activity_started", "open", 2)
    ends = (*activity("a", 0, 1), *activity("b", 1, 2, error="no money"), left_open)
    looks, keys = {}, []
    for status in ("running", "canceled", "failed"):
        ended = () if status == "running" else ((f"workflow_{status}", "", 3),)
        page = drawn(*ends, *ended, status=status)
        *others, last = (
            [bar.attrib.get(name, "") for name in ("class", "fill-opacity", "stroke-dasharray")]
            for bar in page.iter("rect")
        )
        assert others == [["inb-good", "", ""], ["inb-bad", "0", ""]]
        looks[status] = last
        keys.append(text_of(page.find(".//p")))
    assert looks == {
        "running": ["inb-busy", "0.3", ""],
        "canceled": ["inb-idle", "0", "4 3"],
        "failed": ["inb-idle", "0", "4 3"],
    }
    assert keys == [
        "Key: filled = completed, outlined = failed, pale = running.",
        "Key: filled = completed, outlined = failed, dashed = canceled.",
        "Key: filled = completed, outlined = failed, dashed = abandoned.",
    ]


def test_of_too_many_bars_none_has_a_note() -> None:
    page = drawn(*(event for n in range(201) for event in activity("a", n, n + 1)))
    assert {title for _, _, title in bars_of(page)} == {None}


def waiting_in(page: Any) -> list[tuple[Any, ...]]:
    """Give the places of the lines that stand for waiting, and their notes."""
    lines = [line for line in page.iter("line") if "y1" in line.attrib]
    names = ("x1", "x2", "y1", "y2")
    return [(*(line.attrib[name] for name in names), line.findtext("title")) for line in lines]


def test_waiting_is_a_line_through_the_middle_of_the_bars_with_its_note() -> None:
    page = drawn(("timer_fired", "", 10, {"duration": 2}), ("workflow_completed", "", 20))
    assert waiting_in(page) == [("0.5%", "17.0%", "9", "9", None)]
    assert page.find(".//rect") is None
    assert text_of(page.find(".//p")) == "Key: thin line = waiting."
    page = drawn(*activity("a", 0, 2, error="no money"), *activity("a", 4, 10))
    assert waiting_in(page) == [("20.3%", "40.1%", "9", "9", "2 s of waiting for attempt 2")]


def test_a_signal_is_a_dot() -> None:
    page = drawn(
        ("workflow_started", "", 0),
        ("signal_received", "", 3, {"signal_name": "approve"}),
        ("workflow_completed", "", 9),
    )
    (dot,) = page.iter("circle")
    assert (dot.attrib["cx"], dot.attrib["class"]) == ("33.5%", "inb-busy")
    assert page.find(".//rect") is None
    assert text_of(page.find(".//p")) == "Key: dot = a signal."


def test_bars_that_all_completed_need_no_words_on_how_they_look() -> None:
    assert drawn(*activity("a", 0, 1)).find(".//p") is None


def test_what_is_no_activity_says_what_it_is() -> None:
    page = drawn(
        *activity("charge", 0, 1),
        ("signal_received", "", 2, {"signal_name": "approve"}),
        ("timer_fired", "", 9, {"duration": 5}),
    )
    assert [text_of(each[0]) for each in page.find(".//tbody")] == [
        "charge",
        "signal approve",
        "timer",
    ]


def test_what_tells_an_activity_apart_stands_beside_its_name_and_a_result_beside_its_end() -> None:
    page = drawn(
        ("activity_started", "get", 0, {"input": "Oslo"}),
        ("activity_completed", "get", 1, {"result": 21}),
        ("activity_started", "get", 1, {"input": "Lima"}),
    )
    name, _, _, outcome = page.find(".//tbody")[0]
    assert (text_of(name), text_of(outcome)) == ("get Oslo", "✓ completed, 1 s → 21")


def test_lanes_share_their_words_and_an_error_below_them() -> None:
    calls = [
        (kind, "get", number + later, {"input": number, "seq": number} | more)
        for number in range(1, 61)
        for kind, later, more in (
            ("activity_started", 0, {}),
            ("activity_failed", 1.5, {"error": "no money"}),
        )
    ]
    mail = activity("mail", 70, 71)
    page = drawn(*sorted(calls, key=lambda event: event[2]), *mail, status="failed")
    first, second, error, third = page.find(".//tbody")
    assert [each.attrib.get("rowspan") for each in first] == ["2", "2", None, "2"]
    assert [each.attrib.get("class") for each in second] == ["inb-bars"]
    assert [each.attrib.get("rowspan") for each in third] == ["1", "1", None, "1"]
    assert text_of(first[-1]) == "✕ 60 failed, 1 min 30 s in all"
    assert text_of(error) == "the last error: no money"
    assert error[0].attrib["colspan"] == "4"
    assert first[-1][0].attrib["class"] == "inb-bad"
