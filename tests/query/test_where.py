"""where=: what each part of the language means, and what is said of a wrong text."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hostile_strings import HOSTILE_STRINGS
from plain_rows import NoPayloads, PlainRow, pickled

from inngest_nb import WorkflowStatus
from inngest_nb.query import COLUMNS, Names, Where

ROW = PlainRow(
    input=b"""{"total": 120, "order": 12345678901234567890123, "rate": 0.1, "whole": 5.0,
               "paid": true, "nothing": null, "name": "Ada", "tags": ["new", "big", 7, null],
               "items": [{"price": 5, "sku": "a"}, {"price": 7}, {}], "none": [],
               "a.b": 1, "huge": 1e400, "deep": {"x": [1, {"y": 2.0}]}, "flags": [true]}""",
    result=None,
    workflow_id="order-7",
    run_id="run-1",
    workflow="order",
    status="failed",
    created_at=datetime(2026, 11, 1, 10, tzinfo=UTC),
    updated_at=datetime(2026, 11, 2, tzinfo=UTC),
    ended_at=None,
    duration=timedelta(minutes=5),
    events=8,
    activities=3,
    retries=0,
    error="card declined: Ada",
    step="",
)

HOLDS = [
    # numbers
    "input.total = 120", "input.total == 120.0", "input.total > 100", "input.total >= 120",
    "input.total < 120.5", "input.total <= 1.2e2", "100 < input.total", "120 = input.total",
    "input.total != 5", "input.total <> 5", "input.total > -5", "input.whole = 5", "input.rate = 0.1",
    "input.order = 12345678901234567890123", "input.order != 12345678901234567890124",
    "input.order > 12345678901234567890122", "input.huge > 99999999999999999999999999",
    # text
    'input.name = "Ada"', "input.name = 'Ada'", 'input.name > "A"', 'input.name < "a"',
    r'input.name = "\u0041da"', 'input.name contains "d"', 'input.name contains ""',
    "not input.name contains 'ada'", 'status = "failed"', 'error contains "declined"',
    "error contains input.name", 'workflow_id > "order-6"',
    # true, false
    "input.paid = true", "input.paid = TRUE", "input.paid != false", "input.paid != 1",
    "input.paid != 'true'", "input.flags contains true", "not input.flags contains 1",
    # lists
    'input.tags contains "new"', "input.tags contains 7", "input.tags contains 7.0",
    "not input.tags contains 'ne'", "input.tags[0] = 'new'", "input.tags[-2] = 7",
    "input.tags[] = 'big'", "input.tags[] contains 'ig'", "input.items[].price > 6",
    "input.items[].price < 6", "input.items[].price != 6", "not input.items[].price != 5",
    "input.items[].price in [1, 7]", "input.items[].price not in [1, 2]",
    "input.items[].price is not missing", "input.items[].nobody is missing",
    "input.none[] is missing", "input.none is not missing", "not input.none[] = 1",
    "input.deep.x[1].y = 2", "input.items[].price = input.items[1].price",
    "input.items[].price < input.items[].price",
    # in
    'status in ["running", "failed"]', "input.total in [1, 120]", "input.total not in [1, '120']",
    "input.paid not in [1, 'true']", "input.paid in [1, true]", "retries in [0]",
    'created_at in ["2026-11-01T10:00:00Z"]', 'duration in ["5min"]',
    # missing
    "input.nobody is missing", "input.nothing is missing", "result is missing",
    "result.paid is missing", "ended_at is missing", "step is missing", "waiting_for IS MISSING",
    "input.total is not missing", "input is not missing",
    "result.paid = null", "input.total != null", "input.total != NULL", "result = None",
    "result.paid != true", "result.paid != 'x'", "result.paid not in [true]", "ended_at != '2026-11-01'",
    "not result.paid > 5", "not result.paid < 5", "not result.paid = result.charged",
    "not input.nothing = input.nobody", "not result contains 'x'",
    # types that differ
    "input.total != '120'", "not input.total > '1'", "not input.name > 1", "not input.paid > 0",
    "not input.paid > false", "not input.tags > 1", "not input.deep < 'x'", "not input.tags < input.tags",
    "input.tags = input.tags", "input.deep != input.tags", "input.tags != input.items", "input.none != input.tags", "not input.total contains 1",
    # times and durations
    'updated_at > "2026-11-01"', "updated_at = '2026-11-02'", 'updated_at <= "2026-11-02T01:00:00+01:00"',
    '"2026-11-01" < created_at', "updated_at > created_at", "not ended_at > '2020-01-01'",
    'duration >= "5min"', "duration < '1h'", "duration = 300", "duration > 299.9", "duration = '300'", "duration != '1 day'",
    # columns
    "events = 8", "events > activities", "retries = 0", "retries is not missing",
    # combined
    "input.total > 100 and result.paid != true", "events = 1 or events = 8",
    "events = 8 or events = 1 and events = 2", "not (events = 8 and events = 1)",
    "(events = 1 or events = 8) and status = 'failed'", "NOT events = 1 AND events = 8",
    "not not events = 8", "events = 8\n  and status = 'failed'\n", "(events=8)and(status='failed')",
    'input["a.b"] = 1', "input['a.b'] = 1", "input.total>100",
]  # fmt: skip


@pytest.mark.parametrize("text", HOLDS)
def test_a_condition_and_its_opposite(text: str) -> None:
    where = Where.parse(text)
    assert where.holds(ROW) is True
    assert Where.parse(str(where)) == where
    assert Where.parse(f"not ({text})").holds(ROW) is False
    assert Where.parse(f"events = 1 or {text}").holds(ROW) is True
    assert Where.parse(f"events = 8 and events > 7 and ({text})").holds(ROW) is True


def test_nothing_holds_or_fails_for_a_row_without_anything() -> None:
    for name in COLUMNS:
        assert Where.parse(f"{name} is missing").holds(PlainRow()) is True
    for raw in (b"", b"null"):
        assert Where.parse("input is missing and input.a != 1").holds(PlainRow(raw, raw)) is True


WRITTEN = {
    "input.a==1": "input.a = 1",
    "not input.a = 1": "input.a != 1",
    "not input.a in [1]": "input.a not in [1]",
    "not input.a is missing": "input.a is not missing",
    "not (events = 1)": "events != 1",
    "(events = 1)": "events = 1",
    "(events = 1 or events = 2) and events = 3": "(events = 1 or events = 2) and events = 3",
    "events = 1 or events = 2 and events = 3": "events = 1 or events = 2 and events = 3",
    "not (events = 1 or events = 2)": "not (events = 1 or events = 2)",
    "status = 'it\"s'": 'status = "it\\"s"',
    "status = 'a\u202eb'": 'status = "a\\u202eb"',
    "input.a = 1e22": "input.a = 1e+22",
    "input.a = 1.50": "input.a = 1.5",
    "input.a = null": "input.a is missing",
    "input.a in [ 'x' ,TRUE ]": 'input.a in ["x", true]',
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_condition_has_one_spelling(text: str) -> None:
    assert str(Where.parse(text)) == WRITTEN[text]
    assert str(Where.parse(WRITTEN[text])) == WRITTEN[text]


THERE = f"known names: input.…, result.…, {', '.join(COLUMNS)}"
TIMES = 'a date or a time, such as "2026-11-22" or "2026-11-22T19:00:00+00:00"'

REFUSED = {
    "input.total > and result.paid": """\
where: expected a value after '>'
    input.total > and result.paid
                  ^""",
    "input.total >": """\
where: expected a value after '>'
    input.total >
                 ^""",
    "": "where: expected a condition",
    " \n": "where: expected a condition",
    "events = 1 and": """\
where: expected a condition after 'and'
    events = 1 and
                  ^""",
    "stauts = 'failed'": f"""\
where: unknown name 'stauts'; did you mean 'status'?
    stauts = 'failed'
    ^
{THERE}""",
    "status = failed": f"""\
where: unknown name 'failed'; put strings in quotes
    status = failed
             ^
{THERE}""",
    "output.total = 1": f"""\
where: only payloads have paths: input.… and result.…
    output.total = 1
    ^
{THERE}""",
    "status.x = 1": """\
where: only payloads have paths: input.… and result.…
    status.x = 1
    ^""",
    "input.a & input.b": """\
where: write 'and' instead of '&'
    input.a & input.b
            ^""",
    "!events = 1": """\
where: write 'not' instead of '!'
    !events = 1
    ^""",
    "input.paid": """\
where: expected a comparison after 'input.paid', such as = true
    input.paid
              ^""",
    "input.paid and events = 1": """\
where: expected a comparison after 'input.paid', such as = true
    input.paid and events = 1
               ^""",
    "status 'failed'": """\
where: expected a comparison, such as = or >, after 'status'
    status 'failed'
           ^""",
    "1 < events < 3": """\
where: expected 'and', 'or' or the end after 'events'
    1 < events < 3
               ^""",
    "1 = 1": """\
where: a comparison needs a name, such as input.total or status
    1 = 1
    ^""",
    "'x' in ['x']": """\
where: expected a name here, such as input.total or status
    'x' in ['x']
    ^""",
    "(events = 1": """\
where: this ( is never closed
    (events = 1
    ^""",
    "(events = 1]": """\
where: expected 'and', 'or' or ')' after '1'
    (events = 1]
               ^""",
    "events = 1)": """\
where: expected 'and', 'or' or the end after '1'
    events = 1)
              ^""",
    "events in 1": """\
where: expected a list, such as ["a", "b"], after 'in'
    events in 1
              ^""",
    "events in []": """\
where: expected a value after '['
    events in []
               ^""",
    "events in [1 2]": """\
where: expected ',' or ']' after '1'
    events in [1 2]
                 ^""",
    "events in [1": """\
where: this [ is never closed
    events in [1
              ^""",
    "input.a in [1, status]": """\
where: a list has only values, no names
    input.a in [1, status]
                   ^""",
    "input.a in [null]": """\
where: null is only compared by = and !=; write 'is missing'
    input.a in [null]
                ^""",
    "input.a > null": """\
where: nothing is > null; write 'is missing'
    input.a > null
              ^""",
    "events is 1": """\
where: expected 'missing' or 'not missing' after 'is'
    events is 1
              ^""",
    "input.a.. = 1": """\
where: expected a key after '.'
    input.a.. = 1
            ^""",
    "input.a[x] = 1": """\
where: expected the number of an element, a key in quotes or ] after '['
    input.a[x] = 1
            ^""",
    "status = 'failed": """\
where: this ' is never closed
    status = 'failed
             ^""",
    "input.a = 12abc": """\
where: this number is not understood; put strings in quotes
    input.a = 12abc
              ^""",
    "input.a = 1.2.3": """\
where: this number is not understood; put strings in quotes
    input.a = 1.2.3
              ^""",
    "input.a > 1e999": """\
where: this number is too large
    input.a > 1e999
              ^""",
    "input.a = {}": """\
where: '{' is not understood here
    input.a = {}
              ^""",
    # values that a column never has
    "status = 5": """\
where: status is compared with a string in quotes, such as "failed"
    status = 5
             ^""",
    "events = 'many'": """\
where: events is compared with a number, such as 3
    events = 'many'
             ^""",
    "events = true": """\
where: events is compared with a number, such as 3
    events = true
             ^""",
    "events in [1, 'x']": """\
where: events is compared with a number, such as 3
    events in [1, 'x']
                  ^""",
    "'soon' < updated_at": f"""\
where: updated_at is compared with {TIMES}
    'soon' < updated_at
    ^""",
    "updated_at > '2h'": f"""\
where: updated_at is compared with {TIMES}; for a time before now, use since= or until=
    updated_at > '2h'
                 ^""",
    "updated_at > '2026-11-01T10:00'": f"""\
where: updated_at is compared with {TIMES}; add a time zone, for example +00:00
    updated_at > '2026-11-01T10:00'
                 ^""",
    "updated_at > 5": f"""\
where: updated_at is compared with {TIMES}
    updated_at > 5
                 ^""",
    "duration > 'long'": """\
where: duration is compared with a duration, such as "5min", or a number of seconds
    duration > 'long'
               ^""",
    "duration > 1e300": """\
where: duration is compared with a duration, such as "5min", or a number of seconds
    duration > 1e300
               ^""",
    "duration > input.limit": """\
where: duration is compared with a duration, such as "5min", or a number of seconds, not with a payload
    duration > input.limit
               ^""",
    "duration > events": """\
where: duration is a duration, and events a number
    duration > events
               ^""",
    "events contains 1": """\
where: contains needs a string, and events is a number
    events contains 1
                    ^""",
    "input.a contains updated_at": f"""\
where: updated_at is compared with {TIMES}, not with a payload
    input.a contains updated_at
                     ^""",
    # where it is shown
    "events = 1\n  and events =\n  or events = 2": """\
where: expected a value after '='
    or events = 2
    ^""",
    "events = 1 and \u202e": """\
where: '\\u202e' is not understood here
    events = 1 and \\u202e
                   ^""",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_text_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ValueError, match="^where: ") as refused:
        Where.parse(text)
    assert str(refused.value) == REFUSED[text]


def test_a_long_text_is_shown_around_the_place() -> None:
    text = " and ".join(f"events != {n}" for n in range(200))
    with pytest.raises(ValueError, match="^condition: ") as refused:
        Where.parse(text.replace("events != 150", "evens != 150"), name="condition")
    first, shown, mark, _ = str(refused.value).splitlines()
    assert first == "condition: unknown name 'evens'; did you mean 'events'?"
    assert shown[len(mark) - 1 :].startswith("evens != 150 and")
    assert shown[4] == shown[-1] == "…"
    assert len(shown) < 150


@pytest.mark.parametrize("given", [None, 5, b"events = 1", ["events = 1"]])
def test_a_condition_that_is_no_text_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError, match=f"^where must be a string, got {type(given).__name__}$"):
        Where.parse(given)


@pytest.mark.parametrize("hostile", [*HOSTILE_STRINGS, "a\0b\u202ec", "\ud800", "x" * 9_000])
def test_hostile_text_in_an_error_is_short_and_visible(hostile: str) -> None:
    for text in (hostile, f"{hostile} = 1", f"status = '{hostile}' x", f"input[{hostile}] = 1"):
        with pytest.raises(ValueError, match="^where: ") as refused:
            Where.parse(text)
        assert all(line.isprintable() for line in str(refused.value).splitlines())
        assert len(str(refused.value)) < 600


def test_a_condition_has_limits() -> None:
    with pytest.raises(ValueError, match="^where must have at most 10,000 characters, got 10,0"):
        Where.parse("events = 1" + " " * 9_991)
    for opened, closed in (("(", ")"), ("not ", ""), ("not (", ")")):
        depth = 25 if opened == "not (" else 50
        Where.parse(opened * depth + "events = 1" + closed * depth)
        for more in (depth + 1, 1_500):
            with pytest.raises(ValueError, match="^where: conditions nest at most 50 levels\n"):
                Where.parse(opened * more + "events = 1" + closed * more)
    many = " and ".join(["(not events = 1)"] * 60)
    assert Where.parse(many).holds(ROW), "beside each other, not within"
    digits = "9" * 1_000
    assert Where.parse(f"input.a = {digits}").holds(PlainRow(f'{{"a": {digits}}}'.encode()))
    with pytest.raises(ValueError, match="^where: a number has at most 1,000 characters\n"):
        Where.parse(f"input.a = {digits}1")


def test_the_deepest_condition_can_be_written_copied_and_evaluated() -> None:
    text = "events = 8"
    for _ in range(25):
        text = f"not (events = 1 or events = 8 and {text})"
    where = Where.parse(text)
    assert where.holds(ROW) in (True, False)
    assert Where.parse(str(where)) == where == pickled(where)
    assert where.names == Names(frozenset({"events"}))


def test_columns_may_be_of_subclasses() -> None:
    row = PlainRow(
        status=WorkflowStatus.FAILED,
        updated_at=pd.Timestamp("2026-11-02", tz="Europe/Berlin"),
        duration=pd.Timedelta(minutes=5),
    )
    for text in (
        "status > 'a' and status < 'g' and status = 'failed' and status in ['failed']",
        "updated_at > '2026-11-01' and '2026-11-02' > updated_at",
        "duration > 299 and 301 > duration and duration in ['5min']",
    ):
        assert Where.parse(text).holds(row), text


def test_it_says_what_has_to_be_read() -> None:
    where = Where.parse("events > 1 and (input.a = 1 or not updated_at > '2026-01-01')")
    assert where.names == Names(frozenset({"events", "updated_at"}), frozenset({"input"}))
    assert not where.columns_only
    assert Where.parse("status in ['x'] or error is missing").columns_only
    assert Where.parse("result[] contains input.a").names.payloads == {"input", "result"}


def test_it_is_split_into_columns_and_payloads() -> None:
    where = Where.parse(
        "(events = 8 and (input.total = 1 and status = 'failed')) and (events = 1 or result.a = 2)"
    )
    columns, payloads = where.split()
    assert str(columns) == 'events = 8 and status = "failed"'
    assert str(payloads) == "input.total = 1 and (events = 1 or result.a = 2)"
    assert Where.parse("events = 8").split() == (Where.parse("events = 8"), None)
    assert Where.parse("input.a = 8").split() == (None, Where.parse("input.a = 8"))


def test_payloads_are_not_read_where_columns_decide() -> None:
    row = NoPayloads(events=8)
    assert Where.parse("events = 8 or input.a = 1").holds(row)
    assert not Where.parse("events = 1 and input.a = 1").holds(row)


def test_conditions_are_values() -> None:
    where = Where.parse("input.a = 1")
    assert where.holds(PlainRow({"a": 1}))
    for twin in (copy.deepcopy(where), pickled(where)):
        assert twin == where
        assert hash(twin) == hash(where)
        assert twin.holds(PlainRow({"a": 1}))
    for other in ("input.a = 1.0", "input.a = true", "input.a = '1'", "input.a[1] = 1"):
        assert Where.parse(other) != where
