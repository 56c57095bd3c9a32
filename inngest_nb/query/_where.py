"""`where=`: a small language that says which workflows are wanted. Nothing in it is executed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from inngest_nb.query._columns import Row
from inngest_nb.query._conditions import And, Condition, Names, names_in, needed_all
from inngest_nb.query._evaluate import test_of
from inngest_nb.query._parser import parse


@dataclass(frozen=True)
class Where:
    """A condition on workflows, such as `input.total > 100 and result.paid != true`.

    `str(where)` is its text in one spelling, which `parse` reads back.
    """

    condition: Condition

    @classmethod
    def parse(cls, text: str, *, name: str = "where") -> Self:
        """Read a condition; `name` is the argument that an error names.

        * Names are paths in payloads (`input.order`, `result.items[].price`) and the columns
          `workflow_id`, `run_id`, `workflow`, `status`, `created_at`, `updated_at`, `ended_at`,
          `duration`, `events`, `activities`, `retries`, `error`, `step`, `waiting_for` and
          `parent_id`.
        * Comparisons are `=` (or `==`), `!=`, `<`, `<=`, `>`, `>=`, `in ["a", "b"]`, `not in`,
          `contains` (text in a string, an element in a list; upper and lower case differ),
          `is missing` and `is not missing`; `= null` is the same as `is missing`.
        * They are combined by `and`, `or`, `not` and parentheses. Keywords may have any case.
        * Values are strings in double or single quotes, numbers, `true` and `false`. Whole numbers
          are exact, whatever their size; others are floats, as in payloads. Times and durations
          are strings when compared with their columns: `updated_at > "2026-11-01"`,
          `duration > "5min"`; a date is its first moment in UTC, and a bare number compared with
          `duration` means seconds.
        * A comparison with something missing doesn't hold, and `a != b` is the opposite of
          `a = b`: `result.paid != true` also finds what has no result yet. Values of different
          types are never equal and have no order; true is not a number.
        * With a step `[]`, a comparison holds if it does for any element; nothing is missing as
          long as one element has a value.

        Raises `ValueError` with the place marked, and `TypeError` for anything but a string.
        """
        return cls(parse(text, name))

    @cached_property
    def holds(self) -> Callable[[Row], bool]:
        """Tell whether the condition holds for a row, as in `where.holds(row)`.

        Raises `StoreDecodeError` for a payload that is not JSON or is nested too deep.
        """
        return test_of(self.condition)

    @cached_property
    def names(self) -> Names:
        """The columns and the payloads that it needs."""
        return names_in(self.condition)

    @property
    def columns_only(self) -> bool:
        """Whether it needs no payloads."""
        return not self.names.payloads

    def split(self) -> tuple[Where | None, Where | None]:
        """Divide it into what needs only columns and the rest; both must hold."""
        parts = [*needed_all(self.condition)]
        heads = [part for part in parts if not names_in(part).payloads]
        return _joined(heads), _joined([part for part in parts if names_in(part).payloads])

    def __str__(self) -> str:
        return str(self.condition)

    def __reduce__(self) -> tuple[type[Where], tuple[Condition]]:
        return Where, (self.condition,)


def _joined(parts: Sequence[Condition]) -> Where | None:
    if len(parts) < 2:
        return Where(parts[0]) if parts else None
    return Where(And(tuple(parts)))
