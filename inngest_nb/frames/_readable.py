"""A frame as people read it: few columns, short times, durations in words, marks, errors whole."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_scalar, is_timedelta64_dtype

from inngest_nb import words
from inngest_nb.frames import _columns as columns
from inngest_nb.history import OPEN

_ROWS = 20
_ERROR = 400  # characters; of a longer one it is said how many are missing
_CELL = 60
# Payloads need more room than a cell has; an id of a run and a last update say little here.
_HIDDEN = {"input", "result", "payload"}
_SAID_BY_OTHERS = {"run_id": {"workflow_id"}, "updated_at": {"created_at", "duration"}}
_STYLES: list[Any] = [
    {
        "selector": "th, td",
        "props": "text-align: left; vertical-align: top; white-space: nowrap; padding: 2px 8px",
    },
    {
        "selector": "td.inb-error",
        "props": "white-space: pre-wrap; overflow-wrap: anywhere; min-width: 16em",
    },
    {"selector": "caption", "props": "text-align: left; caption-side: bottom"},
]


def html(rows: pd.DataFrame, kind: columns.Kind) -> str:
    """Return the first rows as an HTML table, below it how many there are."""
    from pandas.io.formats.style import Styler  # which loads Jinja

    shown = _table(rows, kind)
    styler = Styler(shown, cell_ids=False, caption=escape(caption(rows, kind)))
    styler = styler.format(escape="html").format_index(escape="html", axis="columns")
    if "error" in shown.columns:
        classes = pd.DataFrame({"error": "inb-error"}, index=shown.index)
        styler = styler.set_td_classes(classes)
    styler = styler.hide(axis="index").set_table_styles(_STYLES)
    return str(styler.to_html(table_attributes='class="dataframe"'))


def text(rows: pd.DataFrame, kind: columns.Kind) -> str:
    """Return the first rows as aligned text, below it how many there are."""
    shown, said = _table(rows, kind).map(words.folded), caption(rows, kind)
    if shown.empty:
        return said
    lines = [list(shown.columns), *shown.itertuples(index=False)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*aligned, said])


def caption(rows: pd.DataFrame, kind: columns.Kind) -> str:
    """Say how many rows there are, as of when, and which are missing."""
    noun, attrs = kind.noun if len(rows) == 1 else kind.plural, rows.attrs
    said = f"{len(rows):,} {noun}"
    if len(rows) > _ROWS:
        said = f"The first {_ROWS} of {said}"
    if fetched := str(attrs.get("fetched_at") or ""):
        said += f", as of {words.short(fetched[:19].replace('T', ' '))} UTC"
    if attrs.get("truncated"):
        said += "; older ones left out by limit="
    if attrs.get("listed") is False:
        said += "; only what this client saved or refreshed"
    if unreadable := attrs.get("unreadable"):
        said += f"; {words.left_out_text(unreadable)}"
    return said


def _table(rows: pd.DataFrame, kind: columns.Kind) -> pd.DataFrame:
    """Return the first rows as texts; columns in which there is nothing are left out."""
    named = [name for name in rows.index.names if name is not None]
    top = rows.head(_ROWS).reset_index(named) if named else rows.head(_ROWS)
    top = top.loc[:, ~top.columns.duplicated()]
    names = [str(name) for name in top.columns]
    names = [
        name
        for name in names
        if name not in _HIDDEN and not _SAID_BY_OTHERS.get(name, {""}) <= set(names)
    ]
    names.sort(key=lambda name: (name == "error", name != kind.word))
    texts = {_heading(name, top[name]): _texts(name, top, kind) for name in names}
    kept = {head: cells for head, cells in texts.items() if any(cells) or top.empty}
    return pd.DataFrame(kept, dtype=object)


def _heading(name: str, column: pd.Series[Any]) -> str:
    if is_datetime64_any_dtype(column.dtype):
        return f"{words.short(name)} ({column.dt.tz or 'no zone'})"
    return words.short(name)


def _texts(name: str, top: pd.DataFrame, kind: columns.Kind) -> list[str]:
    """Write the cells of a column, "" for what is missing and for no retries."""
    column = top[name]
    if is_timedelta64_dtype(column.dtype):
        still = top[kind.word].isin(OPEN)
        return [
            "" if pd.isna(span) else words.duration_text(span) + (" so far" if going_on else "")
            for span, going_on in zip(column, still, strict=True)
        ]
    if is_datetime64_any_dtype(column.dtype):
        return ["" if pd.isna(time) else str(time)[:19] for time in column]
    return [
        "" if is_scalar(value) and pd.isna(value) else _text(name, value, kind) for value in column
    ]


def _text(name: str, value: Any, kind: columns.Kind) -> str:
    if name == kind.word:
        word = str(value)
        return f"{words.status_mark(words.event_word(word))} {words.short(word, 40)}"
    if name == "error":
        part = words.excerpt(str(value), _ERROR)
        more = f" … {words.count_text(part.more, 'more character')}" if part.more else ""
        return words.visible_lines(part.text) + more
    if name == "retries" and value == 0:
        return ""
    return words.short(str(value), _CELL)
