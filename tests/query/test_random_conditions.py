"""Any condition: its text is read back, and it holds as it does for loaded values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from plain_rows import PlainRow

from inngest_nb.query import COLUMNS, DURATION, NUMBER, TEXT, TIME, Path, Where
from inngest_nb.query._conditions import (
    And,
    Column,
    Compare,
    Condition,
    Contains,
    In,
    IsMissing,
    Literal,
    Not,
    Or,
)

# Few of each kind, so that they meet.
KEYS = st.sampled_from(["a", "b", "x y", "a.b", "in", '"'])
TEXTS = st.sampled_from(["", "a", "ab", "B", 'q"\\\u202e', "é", "2026-11-01"])
INTEGERS = st.integers(-2, 2) | st.sampled_from([2**53, 2**53 + 1, 10**23, -(10**23)])
FLOATS = st.sampled_from([0.0, -0.0, 0.1, 1.0, 2.0, -1.5, float(2**53), 1e23, 1e-300, 1e300])
SCALARS = st.booleans() | INTEGERS | FLOATS | TEXTS
PAYLOADS = st.recursive(
    st.none() | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TIMES = [datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 1, 10, 30, tzinfo=UTC)]
SPANS = [timedelta(0), timedelta(seconds=1), timedelta(minutes=5)]
TIME_TEXTS = {"2026-11-01": TIMES[0], "2026-11-01T11:30:00+01:00": TIMES[1]}
SPAN_TEXTS = {"1s": SPANS[1], "5min": SPANS[2], "300 s": SPANS[2], 0: SPANS[0], 1.0: SPANS[1]}

VALUES_OF = {
    TEXT: TEXTS,
    NUMBER: st.integers(0, 3),
    TIME: st.sampled_from(TIMES),
    DURATION: st.sampled_from(SPANS),
}
LITERALS_OF = {
    TEXT: TEXTS,
    NUMBER: INTEGERS | FLOATS,
    TIME: st.sampled_from([*TIME_TEXTS]),
    DURATION: st.sampled_from([*SPAN_TEXTS]),
}
ROWS = st.builds(
    PlainRow,
    input=PAYLOADS,
    result=PAYLOADS,
    **{name: st.none() | VALUES_OF[kind] for name, kind in COLUMNS.items()},
)
PATHS = st.builds(
    Path,
    st.sampled_from(["input", "result"]),
    st.lists(KEYS | st.sampled_from([..., 0, -1]), max_size=3).map(tuple),
)
LITERALS = SCALARS.map(Literal)
SIGNS = st.sampled_from(["=", "<", "<=", ">", ">="])


@st.composite
def about_a_column(draw: Any) -> Condition:
    name = draw(st.sampled_from([*COLUMNS]))
    kind, column = COLUMNS[name], Column(name)
    literal = LITERALS_OF[kind].map(Literal)
    match draw(st.sampled_from(["missing", "in", "contains", "compare", "mirrored", "columns"])):
        case "missing":
            return IsMissing(column)
        case "in":
            return In(column, tuple(draw(st.lists(literal, min_size=1, max_size=3))))
        case "contains" if kind == TEXT:
            return Contains(column, draw(literal | PATHS))
        case "mirrored":
            return Compare(draw(SIGNS), draw(literal), column)
        case "columns":
            alike = [Column(other) for other in COLUMNS if COLUMNS[other] == kind]
            return Compare(draw(SIGNS), column, draw(st.sampled_from(alike)))
    return Compare(draw(SIGNS), column, draw(literal))


CONDITIONS = st.recursive(
    about_a_column()
    | st.builds(IsMissing, PATHS)
    | st.builds(In, PATHS, st.lists(LITERALS, min_size=1, max_size=3).map(tuple))
    | st.builds(Contains, PATHS, LITERALS | PATHS)
    | st.builds(Compare, SIGNS, PATHS, LITERALS | PATHS)
    | st.builds(Compare, SIGNS, LITERALS, PATHS),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@given(CONDITIONS)
def test_the_text_of_a_condition_is_read_back(condition: Condition) -> None:
    where = Where(condition)
    assert Where.parse(str(where)) == where
    assert str(where).isprintable()


@settings(max_examples=250)
@given(CONDITIONS, ROWS)
def test_a_condition_holds_as_it_does_for_loaded_values(
    condition: Condition, row: PlainRow
) -> None:
    where = Where(condition)
    wanted = naive(condition, row)
    assert where.holds(row) is wanted
    parts = [part for part in where.split() if part is not None]
    assert all(part.holds(row) for part in parts) is wanted


@given(st.text(max_size=60) | st.text("inputresl.ad[]()\"'=<>! 1,not", max_size=60))
def test_any_text_is_read_or_refused_with_a_value_error(text: str) -> None:
    said = ""
    try:
        where = Where.parse(text)
    except ValueError as error:
        said = str(error)
    assert said.startswith("where: ") or Where.parse(str(where)) == where


# The same rules, over loaded values


def naive(condition: Condition, row: PlainRow) -> bool:
    match condition:
        case And(parts):
            return all(naive(part, row) for part in parts)
        case Or(parts):
            return any(naive(part, row) for part in parts)
        case Not(part):
            return not naive(part, row)
        case IsMissing(left):
            return candidates(left, row) == []
        case In(left, values):
            return any(
                equal(one, other)
                for one in candidates(left, row)
                for value in values
                for other in candidates(value, row, left)
            )
        case Contains(left, right):
            return related(left, right, row, has)
        case Compare("=", left, right):
            return related(left, right, row, equal)
        case Compare(sign, left, right):
            return related(left, right, row, lambda one, other: ordered(sign, one, other))


def related(left: Any, right: Any, row: PlainRow, relation: Callable[[Any, Any], bool]) -> bool:
    return any(
        relation(one, other)
        for one in candidates(left, row, right)
        for other in candidates(right, row, left)
    )


def candidates(operand: Any, row: PlainRow, beside: Any = None) -> list[Any]:
    """Return all that an operand may be: nothing, one value, or each element of a list."""
    if isinstance(operand, Literal):
        kind = COLUMNS[beside.name] if isinstance(beside, Column) else ""
        meant: Any = {TIME: TIME_TEXTS, DURATION: SPAN_TEXTS}.get(kind, {})
        return [meant[operand.value] if kind in (TIME, DURATION) else operand.value]
    if isinstance(operand, Column):
        value = row.columns.get(operand.name)
        return [] if value in (None, "") else [value]
    found = [json.loads(row.payloads[operand.root])]
    for step in operand.steps:
        found = [inner for one in found for inner in at(one, step)]
    return [one for one in found if one is not None]


def at(value: Any, step: Any) -> Sequence[Any]:
    if isinstance(step, str):
        return [value[step]] if isinstance(value, dict) and step in value else []
    if not isinstance(value, list):
        return []
    if step is ...:
        return value
    return [value[step]] if -len(value) <= step < len(value) else []


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and {*one} == {*other}
            and all(equal(one[key], other[key]) for key in one)
        )
    return bool(one == other)


def ordered(sign: str, one: Any, other: Any) -> bool:
    def kind(value: Any) -> str:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "number" if number else type(value).__name__

    if kind(one) != kind(other) or kind(one) not in ("number", "str", "datetime", "timedelta"):
        return False
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign])


def has(one: Any, other: Any) -> bool:
    if isinstance(one, str):
        return isinstance(other, str) and one.find(other) >= 0
    return isinstance(one, list) and any(equal(each, other) for each in one)
