"""A frame as people read it: few columns, short times, durations in words, marks, errors whole."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_scalar, is_timedelta64_dtype

from inngest_nb import words
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._markup import markup

ROWS = 20  # that are shown
_ERROR = 400  # characters; of a longer one it is said how many are missing
_CELL = 60
# Payloads need more room than a cell has; an id of a run and a last update say little here.
_HIDDEN = {"input", "result", "payload", "output"}
_SAID_BY_OTHERS = (
    ("run_id", {"workflow_id"}),
    ("workflow", {"workflow_id"}),
    ("events", {"activities"}),
    ("step", {"workflow_id", "waiting_for"}),  # it is what `stuck()` is about
    ("signal", {"waiting_for"}),
    ("updated_at", {"created_at", "duration"}),
    ("inngest_status", {"status"}),
    ("started_at", {"queued_at", "duration", "inngest_status"}),
    ("ended_at", {"created_at", "duration"}),
    ("ended_at", {"queued_at", "duration"}),
    ("step_id", {"step"}),
    ("event_id", {"event_name"}),
)

# A queue is over once its step has begun, and an allowance stays as it is.
_GROW = {"queue_delay": ("queued",), "allowed": ()}


def html(rows: pd.DataFrame, kind: columns.Kind) -> str:
    """Return the first rows as an HTML table, each error below its row; last how many there are."""
    shown = _table(rows, kind)
    errors = list(shown.pop("error")) if "error" in shown.columns else [""] * len(shown)
    lines = zip(shown.itertuples(index=False), errors, strict=True)
    return markup("readable", caption=_caption(rows, kind), heads=shown.columns, lines=lines)


def text(rows: pd.DataFrame, kind: columns.Kind) -> str:
    """Return the first rows as aligned text, below it how many there are."""
    shown, said = _table(rows, kind).map(words.folded), _caption(rows, kind)
    if shown.empty:
        return said
    lines = [list(shown.columns), *shown.itertuples(index=False)]
    return "\n".join([*words.in_columns(lines), said])


def caption(rows: pd.DataFrame, noun: str, plural: str, part: str = "first") -> str:
    """Say how many rows there are, which part is shown, as of when, and what is missing."""
    attrs = rows.attrs
    said = f"{len(rows):,} {noun if len(rows) == 1 else plural}"
    if len(rows) > ROWS:
        said = f"The {part} {ROWS} of {said}"
    if fetched := str(attrs.get("fetched_at") or ""):
        said += f", as of {words.short(fetched[:19].replace('T', ' '))} UTC"
    if attrs.get("truncated"):
        why = words.short(
            str(attrs.get("truncated_because") or "older ones left out by limit="), 120
        )
        said += f"; {why}"
    if attrs.get("listed") is False:
        said += "; only what this client saved or refreshed"
    if unreadable := attrs.get("unreadable"):
        said += f"; {words.unreadable_text(unreadable)}"
    return said


def _caption(rows: pd.DataFrame, kind: columns.Kind) -> str:
    return caption(rows, kind.noun, kind.plural)


def _table(rows: pd.DataFrame, kind: columns.Kind) -> pd.DataFrame:
    """Return the first rows as texts; columns in which there is nothing are left out."""
    named = [name for name in rows.index.names if name is not None]
    top = rows.head(ROWS).reset_index(named) if named else rows.head(ROWS)
    top = top.loc[:, ~top.columns.duplicated()]
    names = [str(name) for name in top.columns]
    hidden = _HIDDEN | {name for name, others in _SAID_BY_OTHERS if others <= set(names)}
    names = [name for name in names if name not in hidden]
    names.sort(key=lambda name: (name == "error", name != kind.word))
    texts = {heading(name, top[name]): _texts(name, top, kind) for name in names}
    kept = {head: cells for head, cells in texts.items() if any(cells) or top.empty}
    return pd.DataFrame(kept, dtype=object)


def heading(name: str, column: pd.Series[Any]) -> str:
    """Name a column; that of times also says their zone, and the year that they share."""
    if is_datetime64_any_dtype(column.dtype):
        year = _shared_year(column)
        said = [str(column.dt.tz or "no zone"), *([str(year)] if year else [])]
        return f"{words.short(name)} ({', '.join(said)})"
    return words.short(name)


def _shared_year(times: pd.Series[Any]) -> int | None:
    years = times.dropna().dt.year.unique()
    return int(years[0]) if len(years) == 1 else None


def times(column: pd.Series[Any], is_short: bool = False) -> list[str]:
    """Write times, without the year that they share; "" for what is missing.

    Short ones are without seconds, or without a clock, too, where these are zero in all of them.
    """
    clock = " %H:%M:%S"
    if is_short and (column.dropna() == column.dropna().dt.floor("min")).all():
        clock = "" if (column.dropna() == column.dropna().dt.normalize()).all() else " %H:%M"
    form = ("%b %d" if _shared_year(column) else "%Y-%m-%d") + clock
    return list(column.dt.strftime(form).fillna(""))


def _texts(name: str, top: pd.DataFrame, kind: columns.Kind) -> list[str]:
    """Write the cells of a column, "" for what is missing and for no retries."""
    column = top[name]
    if is_timedelta64_dtype(column.dtype):
        grows = _GROW.get(name, kind.open_words)
        still = top[kind.word].isin(grows)
        return [
            "" if pd.isna(span) else words.duration_text(span) + (" so far" if going_on else "")
            for span, going_on in zip(column, still, strict=True)
        ]
    if is_datetime64_any_dtype(column.dtype):
        return times(column)
    return [
        "" if is_scalar(value) and pd.isna(value) else _text(name, value, kind) for value in column
    ]


def _text(name: str, value: Any, kind: columns.Kind) -> str:
    if name == kind.word:
        return marked(str(value))
    if name == "error":
        return error(str(value))
    if (name == "retries" and value == 0) or (name == "is_batch" and not value):
        return ""
    return words.short(str(value), _CELL)


def marked(word: str) -> str:
    """Write a status, an outcome or a type with its mark."""
    return f"{words.status_mark(words.event_word(word))} {words.short(word, 40)}"


def error(text: str) -> str:
    """Write an error with its lines, and say how many characters of a long one are missing."""
    part = words.excerpt(text, _ERROR)
    more = f" … {words.count_text(part.more, 'more character')}" if part.more else ""
    return words.visible_lines(part.text) + more
