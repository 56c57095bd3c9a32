"""Runs as the columns of a frame, collected page by page.

The runs are taken as the server lists them, and columns are made of many at once: a value for each
run costs more than all else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from inngest_nb.api import Listed, quirks
from inngest_nb.frames.basics import _columns as columns

Word = TypeVar("Word", str, str | None)

_A_MICROSECOND = 26  # so many characters of a time
_GO_ZERO = columns.microseconds([datetime.fromisoformat("0001-01-02T00:00:00+00:00")])[0]


class Rows:
    """The columns of runs, in the order in which they were added."""

    def __init__(self, *, outputs: bool, errors: bool) -> None:
        self._outputs, self._errors = outputs, errors
        self._run_ids: list[str] = []
        self._apps: list[str] = []
        self._functions: list[str] = []
        self._statuses: list[str] = []
        self._queued: list[str | None] = []
        self._started: list[str | None] = []
        self._ended: list[str | None] = []
        self._event_ids: list[str | None] = []
        self._batches: list[bool] = []
        self._crons: list[str | None] = []
        self._results: list[Any] = []
        self._error_texts: list[str] = []

    def __len__(self) -> int:
        return len(self._run_ids)

    def add(self, runs: Sequence[Listed]) -> None:
        """Add runs."""
        self._run_ids += [run.id for run in runs]
        self._apps += [run.app.id for run in runs]
        self._functions += [run.function.id for run in runs]
        self._statuses += [run.status for run in runs]
        self._queued += [run.queued_at for run in runs]
        self._started += [run.started_at for run in runs]
        self._ended += [run.ended_at for run in runs]
        causes = [run.trigger for run in runs]
        self._event_ids += [cause.event_ids[0] if cause.event_ids else None for cause in causes]
        self._batches += [cause.is_batch for cause in causes]
        self._crons += [cause.cron_schedule for cause in causes]
        if self._outputs:
            self._results += [run.result for run in runs]
        if self._errors:
            self._error_texts += [str(run.error or "") for run in runs]

    def causes(self, most: int | None) -> list[str]:
        """Return the events that are to be named; a schedule's is Inngest's own."""
        pairs = zip(self._event_ids[:most], self._crons[:most], strict=True)
        return [event_id for event_id, cron in pairs if event_id and not cron]

    def frame(self, names: Mapping[str, str], at: datetime, most: int | None) -> pd.DataFrame:
        """Return the columns as a frame, for `most` runs at most; a run that is open lasts to `at`.

        `names` are those of events.
        """
        statuses, status_of = _few(self._statuses[:most])
        queued, started, ended = (
            _microseconds(texts[:most]) for texts in (self._queued, self._started, self._ended)
        )
        late = columns.span_counts(quirks.lateness(status) for status in statuses)
        is_over = np.array([text is not None for text in self._ended[:most]], dtype=bool)
        has_end = ended != columns.NOT_SET
        ended[has_end] -= late[status_of[has_end]]
        began = np.where(started == columns.NOT_SET, queued, started)
        until = np.where(is_over, ended, columns.microseconds([at])[0])
        words = [
            quirks.true_status(status, is_over=over)
            for status in statuses
            for over in (False, True)
        ]
        events = self._event_ids[:most]
        crons = self._crons[:most]
        named = [
            None if cron else names.get(event or "")
            for event, cron in zip(events, crons, strict=True)
        ]
        series = {
            "run_id": columns.text(self._run_ids[:most]),
            "app": _repeated(self._apps[:most]),
            "function": _repeated(self._functions[:most]),
            "status": columns.words(words, columns.RUN_WORDS).take(2 * status_of + is_over),
            "inngest_status": columns.text(statuses).take(status_of),
            "queued_at": columns.times(queued),
            "started_at": columns.times(started),
            "ended_at": columns.times(ended),
            "duration": columns.durations(columns.spans(began, until)),
            "event_name": _repeated(named),
            "event_id": columns.text(events),
            "is_batch": np.array(self._batches[:most], dtype=bool),
            "cron": _repeated(crons),
        }
        if self._outputs:
            series["output"] = columns.payloads(self._results[:most])
        if self._errors:
            series["error"] = columns.text(self._error_texts[:most])
        return pd.DataFrame(series)


def _few(values: Sequence[Word]) -> tuple[list[Word], npt.NDArray[np.int64]]:
    """Return the different values, of which there are few, and which of them each value is."""
    place = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return [*place], np.fromiter(map(place.__getitem__, values), np.int64, len(values))


def _repeated(values: Sequence[str | None]) -> Any:
    """Return a column of text in which few values repeat."""
    different, which = _few(values)
    return columns.text(different).take(which)


def _microseconds(texts: Sequence[str | None]) -> columns.Microseconds:
    """Read times of the server's, all at once."""
    try:
        read = np.array([_bare(text) for text in texts], dtype="datetime64[us]")
    except ValueError:  # one that is no time
        return columns.microseconds(map(quirks.time, texts))
    counts = read.view(np.int64)
    return np.where(counts < _GO_ZERO, columns.NOT_SET, counts)


def _bare(text: str | None) -> str:
    """Return a time without its zone, which numpy does not know, and without nanoseconds."""
    if not text:
        return "NaT"
    if text[-1] == "Z":
        return text[:_A_MICROSECOND] if len(text) > _A_MICROSECOND else text[:-1]
    moment = quirks.time(text)
    return moment.replace(tzinfo=None).isoformat() if moment else "NaT"
