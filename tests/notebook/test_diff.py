"""What differs between two documents, as it is shown before saving."""

from __future__ import annotations

import json
import re
from typing import Any

from form_driver import Reading

from inngest_nb import HistoryEvent, WorkflowState, wire
from inngest_nb.notebook.page import Change, Line, changes, fragment


def document(**fields: Any) -> bytes:
    return wire.encode(WorkflowState(workflow_id="order-7", **fields))


def test_a_document_does_not_differ_from_itself(go_documents: list[bytes]) -> None:
    assert [changes(each, each) for each in go_documents] == [[]] * len(go_documents)


def test_short_values_stand_side_by_side() -> None:
    found = changes(document(status="running"), document(status="failed", error="no stock"))
    assert found == [Change("status", "running", "failed"), Change("error", "", "no stock")]


def test_a_payload_keeps_its_quotes_so_that_text_and_number_differ() -> None:
    (found,) = changes(document(input="5"), document(input=5))
    assert (found.before, found.after) == ('"5"', "5")
    (found,) = changes(document(input=1), document(input=1.0))
    assert (found.before, found.after) == ("1", "1.0")
    (found,) = changes(document(input=""), document(input=None))
    assert (found.before, found.after) == ('""', "null")


def test_ways_of_writing_the_same_are_no_change() -> None:
    assert (
        changes(b'{"WorkflowID":"a","Error":"\\u003c"}', b'{"Error": "<", "WorkflowID":"a"}') == []
    )
    assert changes(b'{"WorkflowID":"a","History":null}', b'{"WorkflowID":"a","History":[]}') == []
    zero = b'{"WorkflowID":"a","CreatedAt":"0001-01-01T00:00:00Z"}'
    assert changes(zero, b'{"WorkflowID":"a"}') == []


def test_a_nanosecond_and_an_unknown_key_count() -> None:
    before = b'{"WorkflowID":"a","UpdatedAt":"2025-07-14T09:08:07.000000001Z","X-Team":1}'
    after = b'{"WorkflowID":"a","UpdatedAt":"2025-07-14T09:08:07.000000002Z","X-Team":2}'
    assert [each.field for each in changes(before, after)] == ["updated at", "key 'X-Team'"]


def test_a_document_that_is_not_there_differs_in_all_that_is_set() -> None:
    found = changes(None, document(status="running"))
    assert [each.field for each in found] == ["workflow id", "status"]


def test_long_values_are_compared_line_by_line_with_a_little_around() -> None:
    before = {f"key {n}": n for n in range(30)}
    (found,) = changes(document(input=before), document(input=before | {"key 15": "x"}))
    signs = "".join(line.sign for line in found.lines)
    assert signs == "…  -+  …"
    assert [line.text for line in found.lines if line.sign in "-+"] == [
        '  "key 15": 15,',
        '  "key 15": "x",',
    ]


def test_two_changes_far_apart_leave_out_what_is_between() -> None:
    before = list(range(100))
    after = [-1, *before[1:99], -99]
    (found,) = changes(document(input=before), document(input=after))
    assert "".join(line.sign for line in found.lines) == " -+  …  -+ "


def test_new_events_of_a_history_are_seen() -> None:
    first = HistoryEvent(id=1, type="workflow_started")
    second = HistoryEvent(id=2, type="activity_failed", error="no stock")
    (found,) = changes(document(history=[first]), document(history=[first, second]))
    assert found.field == "history"
    assert any(line.sign == "+" and "no stock" in line.text for line in found.lines)


def test_a_large_change_is_cut_and_says_so() -> None:
    (found,) = changes(document(input=["a"] * 50), document(input=["b"] * 50))
    assert "…" not in {line.sign for line in found.lines}
    (found,) = changes(document(input=["a"] * 5_000), document(input=["b"] * 5_000))
    assert found.lines[-1] == ("…", "9,802 more lines of the comparison")


def test_a_very_long_line_is_cut_and_says_so() -> None:
    (found,) = changes(document(error=""), document(error="x" * 1_000))
    assert found.lines[-1].text == "x" * 300 + " … 700 more characters"


def test_many_long_payloads_are_compared_within_a_moment() -> None:
    many = [{"n": n, "text": "x" * 50} for n in range(20_000)]
    one, other = json.dumps(many), json.dumps(many[::-1])
    before = f'{{"WorkflowID":"a","Input":{one}}}'.encode()
    after = f'{{"WorkflowID":"a","Input":{other}}}'.encode()
    (found,) = changes(before, after)
    assert len(found.lines) == 201


def test_a_comparison_reads_without_its_colours() -> None:
    lines = (Line("…", "3 lines"), Line(" ", "same"), Line("-", "old"), Line("+", "new"))
    found = [Change("input", None, None, lines), Change("status", "running", "")]
    html = fragment("diff", changes=found)
    read = [line.strip() for line in Reading(html).text.splitlines() if line.strip()]
    assert read == ["input", "… 3 lines", "same", "- old", "+ new", "status", "running → not set"]
    marked = re.findall(r"<(ins|del)>(.*?)</\1>", html)
    assert marked == [("del", "- old"), ("ins", "+ new"), ("del", "running"), ("ins", "not set")]
