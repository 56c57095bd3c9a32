"""Conditions on workflows: what `where=` says, as a tree that can be written as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from inngest_nb.query._paths import Path
from inngest_nb.query._reading import quoted


@dataclass(frozen=True)
class Column:
    """A column of a workflow's head."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Literal:
    """A value that is written in a condition: text, a number, true or false."""

    value: str | int | float | bool
    kind: type = field(init=False, repr=False)  # because True, 1 and 1.0 are equal in Python

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", type(self.value))

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return quoted(self.value) if isinstance(self.value, str) else repr(self.value)


Operand = Column | Path | Literal


@dataclass(frozen=True)
class Compare:
    """A comparison by one of `=`, `<`, `<=`, `>`, `>=`; `!=` is a `Not` around `=`."""

    sign: str
    left: Operand
    right: Operand

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"


@dataclass(frozen=True)
class In:
    """Whether a value is one of several."""

    left: Column | Path
    values: tuple[Literal, ...]

    def __str__(self) -> str:
        return f"{self.left} in [{', '.join(map(str, self.values))}]"


@dataclass(frozen=True)
class Contains:
    """Whether a string contains a text, or a list an element."""

    left: Column | Path
    right: Operand

    def __str__(self) -> str:
        return f"{self.left} contains {self.right}"


@dataclass(frozen=True)
class IsMissing:
    """Whether nothing is there: no key, no element, or null."""

    left: Column | Path

    def __str__(self) -> str:
        return f"{self.left} is missing"


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    part: Condition

    def __str__(self) -> str:
        match self.part:
            case Compare("=", left, right):
                return f"{left} != {right}"
            case In(left, values):
                return f"{left} not in [{', '.join(map(str, values))}]"
            case IsMissing(left):
                return f"{left} is not missing"
            case And() | Or():
                return f"not ({self.part})"
        return f"not {self.part}"


@dataclass(frozen=True)
class And:
    """All of several conditions."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(
            f"({part})" if isinstance(part, And | Or) else str(part) for part in self.parts
        )


@dataclass(frozen=True)
class Or:
    """Any of several conditions."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(
            f"({part})" if isinstance(part, Or) else str(part) for part in self.parts
        )


Condition = Compare | In | Contains | IsMissing | Not | And | Or


class Names(NamedTuple):
    """What has to be read of a workflow: columns of its head, and payloads."""

    columns: frozenset[str] = frozenset()
    payloads: frozenset[str] = frozenset()


def names_in(condition: Condition) -> Names:
    """Return the names that a condition uses."""
    found = [*_operands(condition)]
    return Names(
        frozenset(one.name for one in found if isinstance(one, Column)),
        frozenset(one.root for one in found if isinstance(one, Path)),
    )


def _operands(condition: Condition) -> Iterator[Operand]:
    match condition:
        case Compare(_, left, right) | Contains(left, right):
            yield from (left, right)
        case In(left, _) | IsMissing(left):
            yield left
        case Not(part):
            yield from _operands(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _operands(part)


def needed_all(condition: Condition) -> Iterator[Condition]:
    """Yield the conditions that must all hold for this one to hold."""
    if isinstance(condition, And):
        for part in condition.parts:
            yield from needed_all(part)
    else:
        yield condition
