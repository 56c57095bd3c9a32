"""From numbers and labels to what is drawn: each where the chart says, and told apart."""

from typing import Any
from xml.etree import ElementTree

from inngest_nb.notebook.page._html import fragment
from inngest_nb.notebook.timeline._chart import Chart, Row
from inngest_nb.notebook.timeline._scale import Bar, Tick

WORDS = ("completed", "failed", "running", "canceled", "abandoned")


def row(kind: str, name: str, *bars: Bar, **more: Any) -> Row:
    words = dict.fromkeys(("part", "word", "outcome", "result", "error"), "")
    return Row(
        kind=kind, name=name, begin="+1 s", bars=bars, **words | {"lane": 1, "lanes": 1} | more
    )


def drawn(*rows: Row, ticks: tuple[Tick, ...] = ()) -> Any:
    words = frozenset(bar.word for each in rows for bar in each.bars)
    html = fragment("chart", chart=Chart(rows, ticks, words, ()))
    return ElementTree.fromstring(f"<html>{html}</html>")  # noqa: S314  # our own


def text_of(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def test_labels_stand_at_their_ticks_and_lines_run_through_every_row() -> None:
    ticks = (Tick(0.5, "0"), Tick(40.25, "1 s"), Tick(92, "2 s"), Tick(99.5, "3 s"))
    page = drawn(row("activity", "a"), row("activity", "b"), ticks=ticks)
    assert [(each.attrib["x"], each.attrib["text-anchor"], each.text) for each in page.iter("text")] == [
        ("0.5%", "start", "0"),
        ("40.25%", "middle", "1 s"),
        ("92%", "middle", "2 s"),
        ("99.5%", "end", "3 s"),
    ]  # fmt: skip
    lines = [(each.attrib["x1"], each.attrib["x2"]) for each in page.iter("line")]
    assert lines == [(f"{tick.place}%", f"{tick.place}%") for tick in ticks] * 2


def test_a_chart_without_times_has_no_axis() -> None:
    page = drawn(row("activity", "a"))
    assert page.find(".//thead") is None
    assert page.find(".//tbody") is not None


def test_bars_stand_where_they_should_and_their_notes_are_read_by_a_mouse() -> None:
    page = drawn(row("activity", "a", Bar(1.5, 20, "failed", "no money"), Bar(30, 40.5, "running")))
    bars = [
        (bar.attrib["x"], bar.attrib["width"], bar.findtext("title")) for bar in page.iter("rect")
    ]
    assert bars == [("1.5%", "20%", "no money"), ("30%", "40.5%", None)]


def test_each_end_of_a_bar_looks_different_without_its_colour() -> None:
    page = drawn(row("activity", "a", *(Bar(1, 2, word) for word in WORDS)))
    looks = {
        word: tuple(bar.attrib.get(name, "") for name in ("fill-opacity", "stroke-dasharray"))
        for word, bar in zip(WORDS, page.iter("rect"), strict=True)
    }
    assert looks == {
        "completed": ("", ""),
        "failed": ("0", ""),
        "running": ("0.3", ""),
        "canceled": ("0", "4 3"),
        "abandoned": ("0", "4 3"),
    }
    tones = [bar.attrib["class"] for bar in page.iter("rect")]
    assert tones == ["inb-good", "inb-bad", "inb-busy", "inb-idle", "inb-idle"]
    assert text_of(page.find(".//p")) == (
        "Key: filled = completed, outlined = failed, pale = running, dashed = canceled, "
        "dashed = abandoned."
    )


def test_waiting_is_a_line_through_the_middle_of_the_bars_with_its_note() -> None:
    page = drawn(row("timer", "", Bar(1.1, 2.2, "waiting", "2 s of waiting")))
    (line,) = page.iter("line")
    places = [line.attrib[name] for name in ("x1", "x2", "y1", "y2")]
    assert (places, line.findtext("title")) == (["1.1%", "3.3%", "9", "9"], "2 s of waiting")
    assert page.find(".//rect") is None
    assert text_of(page.find(".//p")) == "Key: thin line = waiting."


def test_a_signal_is_a_dot() -> None:
    page = drawn(row("signal", "approve", Bar(33, 0.3, "received")))
    (dot,) = page.iter("circle")
    assert (dot.attrib["cx"], dot.attrib["class"]) == ("33%", "inb-busy")
    assert page.find(".//rect") is None
    assert text_of(page.find(".//p")) == "Key: dot = a signal."


def test_bars_that_all_completed_need_no_words_on_how_they_look() -> None:
    assert drawn(row("activity", "a", Bar(1, 2, "completed"))).find(".//p") is None


def test_what_is_no_activity_says_what_it_is() -> None:
    page = drawn(row("activity", "charge"), row("signal", "approve"), row("timer", ""))
    assert [text_of(each[0]) for each in page.find(".//tbody")] == [
        "charge",
        "signal approve",
        "timer",
    ]


def test_what_tells_an_activity_apart_stands_beside_its_name_and_a_result_beside_its_end() -> None:
    page = drawn(row("activity", "get", part="Oslo", word="completed", outcome="done", result="21"))
    ((name, _, _, outcome),) = page.find(".//tbody")
    assert (text_of(name), text_of(outcome)) == ("get Oslo", "✓ done → 21")


def test_lanes_share_their_words_and_an_error_below_them() -> None:
    page = drawn(
        row("activity", "get", lanes=2, word="failed", outcome="2 failed, 3 s"),
        row("activity", "get", lane=2, lanes=2, error="no money"),
        row("activity", "mail"),
    )
    first, second, error, third = page.find(".//tbody")
    assert [each.attrib.get("rowspan") for each in first] == ["2", "2", None, "2"]
    assert [each.attrib.get("class") for each in second] == ["inb-bars"]
    assert [each.attrib.get("rowspan") for each in third] == ["1", "1", None, "1"]
    assert text_of(first[-1]) == "✕ 2 failed, 3 s"
    assert (text_of(error), error[0].attrib["colspan"]) == ("no money", "4")
    assert first[-1][0].attrib["class"] == "inb-bad"
