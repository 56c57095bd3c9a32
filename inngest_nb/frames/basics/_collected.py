"""Columns that are collected in parts: the objects of one part can go when the next one comes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from inngest_nb.frames.basics import _columns as columns

Codes = npt.NDArray[np.intp]


class Numbers:
    """Whole numbers; one that is missing, or longer than 64 bits, is `NOT_SET`."""

    def __init__(self) -> None:
        self._parts: list[npt.NDArray[np.int64]] = []

    def add(self, values: Sequence[int | None]) -> None:
        """Add numbers."""
        self._parts.append(columns.counted(values))

    def all(self) -> npt.NDArray[np.int64]:
        """Return them all."""
        return _joined(self._parts, np.int64)


class Recurring:
    """Text that recurs: the different values, and which of them each one is."""

    def __init__(self, values: Sequence[str | None] = ()) -> None:
        self._place: dict[str | None, int] = defaultdict(count().__next__)
        self._parts: list[Codes] = []
        self.add(values)

    def add(self, values: Sequence[str | None]) -> None:
        """Add values."""
        size = len(values)
        if size and values.count(values[0]) == size:  # most often all are missing
            self._parts.append(np.full(size, self._place[values[0]]))
        elif size:
            self._parts.append(np.fromiter(map(self._place.__getitem__, values), np.intp, size))

    @property
    def values(self) -> list[str | None]:
        """The different values, in the order in which they came."""
        return [*self._place]

    @property
    def codes(self) -> Codes:
        """Which of the values each one is."""
        return _joined(self._parts, np.intp)

    def are(self, value: str | None) -> npt.NDArray[np.bool_]:
        """Tell which ones are this value."""
        return np.equal(self.codes, self._place.get(value, -1))

    def text(self, most: int | None = None) -> Any:
        """Return them as a column of text, at most so many."""
        return columns.text(self.values).take(self.codes[:most])

    def words(self, known: Sequence[str]) -> pd.Categorical[str]:
        """Return them as a categorical; see `columns.words`."""
        return columns.words(self.values, known).take(self.codes)


def _joined(parts: list[npt.NDArray[Any]], dtype: type[np.integer[Any]]) -> npt.NDArray[Any]:
    """Join parts, which are one from then on."""
    if len(parts) != 1:
        parts[:] = [np.concatenate([np.empty(0, dtype), *parts])]
    return parts[0]
