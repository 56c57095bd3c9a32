"""What the parts of views say and look like, each by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from form_driver import Reading, all_html, type_into, words

from inngest_nb import HistoryEvent, MemoryStore, WorkflowState, save_form, timeline
from inngest_nb.notebook.page import fragment


def test_a_history_tells_the_day_once_and_how_long_each_event_took() -> None:
    times = [datetime(2025, 7, 14, 9, 8, 7), datetime(2025, 7, 14, 10), datetime(2025, 7, 15, 1)]
    events = [HistoryEvent(type="a", timestamp=time.replace(tzinfo=UTC)) for time in times]
    events += [HistoryEvent(type="b_failed", duration=timedelta(seconds=3), error="no money")]
    shown = [(event, []) for event in events]
    html = str(fragment("history", happenings=shown, before=1_000))
    table = html[html.index("<table") : html.index("</table>") + len("</table>")]
    rows = ElementTree.fromstring(table).findall("tbody/tr")  # noqa: S314  # our own
    cells = [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in rows]
    assert cells == [
        ["2025-07-14 09:08:07", "a", ""],
        ["10:00:00", "a", ""],
        ["2025-07-15 01:00:00", "a", ""],
        ["not set", "✕ b_failed no money", "3 s"],
    ]
    assert [row.attrib.get("class") for row in rows] == [None, None, None, "inb-bad"]
    text = " ".join(Reading(html).text.split())
    assert text.startswith("History 1,004 events The last 4; 1,000 earlier events not shown here")
    assert "earlier" not in fragment("history", happenings=[], before=0)


def test_a_field_of_several_lines_keeps_them() -> None:
    facts = [("Error", "one line"), ("Input", "{\n}"), ("Result", "")]
    areas = {"above": ["", "above"], "below": ["below"]}
    html = fragment("form", title="a", store="b", facts=facts, note="", **areas)
    assert re.findall(r"<dd>(.*?)</dd>", html, re.DOTALL) == [
        "one line",
        "<pre>{\n}</pre>",
        "not set",
    ]


@pytest.mark.parametrize(
    ("kind", "mark", "tone", "role"),
    [
        ("done", "✓", "good", "status"),
        ("note", "i", "busy", "status"),
        ("ask", "?", "busy", "status"),
        ("warn", "!", "bad", "alert"),
        ("error", "✕", "bad", "alert"),
    ],
)
def test_each_kind_of_notice_has_its_mark_and_tone_and_is_read_out(
    kind: str, mark: str, tone: str, role: str
) -> None:
    html = fragment("notice", kind=kind, headline="h", lines=[], changes=[], hints=[])
    box = ElementTree.fromstring(str(html))  # noqa: S314  # our own
    assert (box.attrib["class"], box.attrib["role"]) == (f"inb-note inb-{tone}", role)
    assert box.findtext(".//span") == mark
    assert "What to try" not in html


def test_a_folded_payload_tells_how_long_it_is() -> None:
    text = Reading(fragment("payload", label="Input", text="x" * 1_234)).text
    assert text.split()[:3] == ["Input", "1,234", "characters"]


def test_a_caret_stands_under_the_flaw_of_a_line() -> None:
    form = save_form(MemoryStore())
    type_into(form, form.fields.input, '{\n"a": 1 "b": 2\n}')
    html = all_html(form)
    assert html.count("<pre>") == 1
    line, caret = html[html.index("<pre>") + 5 : html.index("</pre>")].splitlines()
    assert Reading(line).text == '"a": 1 "b": 2'
    assert caret == " " * 7 + "^"


def test_a_status_has_the_tone_of_its_word() -> None:
    tones = {"completed": "good", "failed": "bad", "running": "busy", "canceled": "idle"}
    for status, tone in tones.items():
        assert fragment("status", status=status).startswith(f'<span class="inb-{tone}">')


def test_a_workflow_and_its_timeline_say_when_it_began_and_how_that_is_known() -> None:
    begin = datetime(2025, 7, 14, 9, 8, 7, tzinfo=UTC)
    for known, how in (("created_at", ""), ("first_saved_at", " (first saved)")):
        state = WorkflowState(workflow_id="w", status="running", **{known: begin})
        text = words(fragment("workflow", state=state, payloads=[], brief=True))
        assert f"Began 2025-07-14 09:08:07 UTC{how} Updated" in text
        drawn = timeline(state, now=begin + timedelta(seconds=5))
        text = words(drawn._repr_mimebundle_()["text/html"])
        assert f"Began 2025-07-14 09:08:07 UTC{how} So far 5 s" in text
