"""An answer: a plain DataFrame that reads well as the last line of a cell."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import pandas as pd
from pandas.api.types import (
    is_bool_dtype,
    is_datetime64_any_dtype,
    is_float_dtype,
    is_numeric_dtype,
    is_scalar,
    is_timedelta64_dtype,
)

from inngest_nb import words
from inngest_nb.frames.basics import _readable as readable
from inngest_nb.frames.basics._columns import Kind
from inngest_nb.frames.basics._markup import markup

_SHARES = {"share", "share_failed", "failure_share", "failure_rate"}
_WORDS = {"status", "outcome", "type"}
_CELL = 40


class Answer(pd.DataFrame):
    """A DataFrame whose durations, shares and times are written as people say them.

    Only what a cell and `print` show differs: the values are those of a DataFrame, and whatever is
    made of it, a copy, a selection or a pickle, is one of pandas' own. `kind` tells that its rows
    are those of a frame, which are shown as `df.wf` shows them.
    """

    _kind: Kind | None = None  # or pandas takes it for a column

    def __init__(
        self, made: pd.DataFrame, attrs: Mapping[Any, Any], kind: Kind | None = None
    ) -> None:
        super().__init__(made)  # type: ignore[call-arg]  # its stubs know no __init__
        self._kind = kind
        self.attrs.update(deepcopy(dict(attrs)))

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __reduce__(self) -> Any:
        return self.copy(deep=False).__reduce__()

    def __repr__(self) -> str:
        if self._kind is not None:
            return readable.text(self, self._kind)
        shown = _columns(self)
        if not len(self):
            return f"{_caption(self)}: {', '.join(column.head for column in shown)}"
        lines = zip(
            *([words.folded(cell) for cell in column.cells] for column in shown), strict=True
        )
        right = [place for place, column in enumerate(shown) if column.look == "number"]
        heads = [column.head for column in shown]
        return "\n".join([*words.in_columns([heads, *map(list, lines)], right), _caption(self)])

    def _repr_html_(self) -> str | None:
        if not pd.get_option("display.notebook_repr_html"):
            return None
        if self._kind is not None:
            return readable.html(self, self._kind)
        shown = _columns(self)
        lines = list(zip(*(column.cells for column in shown), strict=True))
        return markup("answer", caption=_caption(self), columns=shown, lines=lines)


class _Column(NamedTuple):
    """A column as it is shown; `look` is "number", "text" or ""."""

    head: str
    cells: list[str]
    look: str


def _caption(answer: pd.DataFrame) -> str:
    part = "last" if _is_by_time(answer) else "first"
    return readable.caption(answer, "row", "rows", part)


def _is_by_time(answer: pd.DataFrame) -> bool:
    """Tell whether rows are spans of time, of which the last ones matter most."""
    return is_datetime64_any_dtype(answer.index.get_level_values(0).dtype)


def _columns(answer: pd.DataFrame) -> list[_Column]:
    """Return the columns of the few rows that are shown, those of the index first."""
    top = answer.tail(readable.ROWS) if _is_by_time(answer) else answer.head(readable.ROWS)
    index = [
        _column(name, top.index.get_level_values(level).to_series(), missing="not set")
        for level, name in enumerate(top.index.names)
        if name is not None or not isinstance(top.index, pd.RangeIndex)
    ]
    return index + [_column(name, top.iloc[:, place]) for place, name in enumerate(top.columns)]


def _column(name: Any, given: pd.Series[Any], missing: str = "") -> _Column:
    name = "" if name is None else str(name)
    if is_datetime64_any_dtype(given.dtype):
        return _Column(readable.heading(name, given), readable.times(given, is_short=True), "")
    is_number = is_numeric_dtype(given.dtype) and not is_bool_dtype(given.dtype)
    is_number = is_number or is_timedelta64_dtype(given.dtype)
    look = "number" if is_number else "text" if name == "error" else ""
    cells = [
        missing if is_scalar(value) and pd.isna(value) else _cell(name, value, given.dtype)
        for value in given
    ]
    return _Column(words.short(name), cells, look)


def _cell(name: str, value: Any, dtype: Any) -> str:
    if is_timedelta64_dtype(dtype):
        return words.duration_text(value)
    if is_float_dtype(dtype) and name in _SHARES:
        return words.share_text(value)
    if is_numeric_dtype(dtype) and not is_bool_dtype(dtype):
        return f"{value:,.4g}" if is_float_dtype(dtype) else f"{value:,}"
    if name in _WORDS:
        return readable.marked(str(value))
    return readable.error(str(value)) if name == "error" else words.short(str(value), _CELL)
