"""Numbers as the real server passes them on: JSON in its canonical form, which has only doubles."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

_EXACT = 2**53
_PLAIN = 1e21  # from here on the canonical form is written with an exponent


def bent(value: Any) -> Any:
    """Return a JSON value as it comes out of the server: 1.0 is 1, big integers lose digits.

    2**60 + 1 becomes 1152921504606847000: the shortest digits that name the same double, and zeros.
    """
    if isinstance(value, dict):
        return {key: bent(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [bent(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else _written(float(value))
    return _written(value)


def _written(number: float) -> int | float:
    if number.is_integer() and abs(number) < _PLAIN:
        return int(Decimal(repr(number)))
    return number
