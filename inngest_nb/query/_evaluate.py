"""Makes a function of a condition, which tells whether it holds for a workflow.

It holds or it doesn't: what is missing is equal to nothing, and neither less nor more than
anything, so that `a != b` is always the opposite of `a = b`. Values of different types are never
equal and have no order; true and false are no numbers. Where a path has a step `[]`, a comparison
holds if it does for any of the elements.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from inngest_nb.query._columns import COLUMNS, Row, typed
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
    Operand,
    Or,
)
from inngest_nb.query._paths import Path
from inngest_nb.query._payloads import value_of

Test = Callable[[Row], bool]
Value = Callable[[Row], Any]
Relation = Callable[[Any, Any], bool]

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ORDERS: Mapping[str, Relation] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBERS = (int, float, Decimal)


def test_of(condition: Condition) -> Test:
    """Return the function that tells whether a condition holds for a row."""
    match condition:
        case And(parts):
            return _all([test_of(part) for part in parts])
        case Or(parts):
            return _any([test_of(part) for part in parts])
        case Not(part):
            inner = test_of(part)
            return lambda row: not inner(row)
        case IsMissing(left):
            return _missing(left)
        case In(left, values):
            return _related(left, [typed(one, _kind(left)) for one in values], _is_among(values))
        case Contains(left, right):
            return _between(left, right, contains)
        case Compare(sign, left, right):
            if isinstance(left, Literal):
                return _between(right, left, _relation(_MIRRORED[sign]))
            return _between(left, right, _relation(sign))


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda row: first(row) and second(row)
    return lambda row: all(test(row) for test in tests)


def _any(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda row: first(row) or second(row)
    return lambda row: any(test(row) for test in tests)


# Values


def _kind(name: Operand) -> str:
    return COLUMNS[name.name] if isinstance(name, Column) else ""


def _value(name: Operand) -> Value:
    """Return the function that reads a value of a row; None is missing."""
    if isinstance(name, Column):
        column = name.name

        def of_head(row: Row) -> Any:
            value = row.column(column)
            return None if value == "" else value

        return of_head
    assert isinstance(name, Path)  # noqa: S101  # literals are typed where they are compared
    root, find = name.root, name.of
    return lambda row: value_of(find(row.payload(root)))


def _missing(name: Column | Path) -> Test:
    value = _value(name)
    if isinstance(name, Path) and name.is_list:
        return lambda row: not any(one is not None for one in value(row) or ())
    return lambda row: value(row) is None


def _between(left: Operand, right: Operand, relation: Relation) -> Test:
    """Return the test of a relation between two operands, the left of which is a name."""
    if isinstance(right, Literal):
        return _related(left, typed(right, _kind(left)), relation)
    one, other = _values(left), _values(right)
    return lambda row: any(relation(a, b) for a in one(row) for b in other(row))


def _values(name: Operand) -> Value:
    """Return the function that reads all values that a relation may hold for."""
    value = _value(name)
    if isinstance(name, Path) and name.is_list:
        return lambda row: [one for one in value(row) or () if one is not None]

    def alone(row: Row) -> list[Any]:
        found = value(row)
        return [] if found is None else [found]

    return alone


def _related(left: Operand, right: Any, relation: Relation) -> Test:
    """Return the test of a relation between a name and a value that is known."""
    if isinstance(left, Path) and left.is_list:
        values = _values(left)
        return lambda row: any(relation(one, right) for one in values(row))
    value = _value(left)

    def test(row: Row) -> bool:
        found = value(row)
        return found is not None and relation(found, right)

    return test


# Relations


def _relation(sign: str) -> Relation:
    if sign == "=":
        return same
    order = _ORDERS[sign]

    def ordered(one: Any, other: Any) -> bool:
        kind = type(one)
        if kind in _NUMBERS:
            return type(other) in _NUMBERS and order(one, other)
        if kind is bool or kind is list or kind is dict:
            return False
        alike = isinstance(other, kind) or isinstance(one, type(other))  # either may be a subclass
        return alike and order(one, other)

    return ordered


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal; 1 and 1.0 are, 1 and true are not."""
    kind = type(one)
    if kind is bool or type(other) is bool:
        return one is other
    if kind is not list and kind is not dict:
        return bool(one == other)
    todo = [(one, other)]
    while todo:
        one, other = todo.pop()
        if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            todo += zip(one, other, strict=True)
        elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            todo += ((value, other[key]) for key, value in one.items())
        elif isinstance(one, list | dict) or not same(one, other):
            return False
    return True


def contains(one: Any, other: Any) -> bool:
    """Tell whether a string contains a text, or a list an element."""
    if isinstance(one, str):
        return isinstance(other, str) and other in one
    return isinstance(one, list) and any(same(each, other) for each in one)


def _is_among(values: tuple[Literal, ...]) -> Relation:
    if all(isinstance(one.value, str) for one in values):

        def among_texts(one: Any, others: list[Any]) -> bool:
            return one in others  # texts, times and durations equal only their like

        return among_texts
    return lambda one, others: any(same(one, each) for each in others)
