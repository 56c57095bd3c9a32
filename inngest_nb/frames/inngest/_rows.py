"""Runs as the columns of a frame, collected page by page.

The runs are taken as the server lists them, and some pages at a time become columns: that is when
their values are at hand, and few objects outlive them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from msgspec.structs import astuple

from inngest_nb.api import Listed, quirks
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._collected import Recurring

_DIGITS = 26  # characters of a time that numpy reads exactly
_AT_ONCE = 500  # runs: more would only make the garbage collector walk through them
_YEAR_1 = columns.microseconds([datetime(1, 1, 2, tzinfo=UTC)])[0]  # Go's zero time is before it


class Rows:
    """The columns of runs, in the order in which they were added."""

    def __init__(self, *, outputs: bool, errors: bool) -> None:
        self._outputs, self._errors = outputs, errors
        self._fresh: list[Listed] = []  # that are no columns yet
        self._run_ids: list[str] = []
        self._event_ids: list[str | None] = []
        self._apps, self._functions, self._statuses, self._crons = (Recurring() for _ in range(4))
        self._times: list[columns.Microseconds] = []  # of each page: queued, started, ended
        self._batches = bytearray()
        self._results: list[Any] = []
        self._error_texts: list[str] = []

    def __len__(self) -> int:
        return len(self._run_ids) + len(self._fresh)

    def add(self, runs: Sequence[Listed]) -> None:
        """Add runs."""
        self._fresh += runs
        if len(self._fresh) >= _AT_ONCE:
            self._take()

    def _take(self) -> None:
        """Make columns of the runs that were added last."""
        runs, self._fresh = self._fresh, []
        if not runs:
            return
        ids, statuses, apps, functions, causes, queued, started, ended, _, _ = zip(
            *map(astuple, runs), strict=True
        )
        self._run_ids += ids
        self._statuses.add(statuses)
        self._apps.add([app.id for app in apps])
        self._functions.add([function.id for function in functions])
        self._times.append(np.array([*map(_microseconds, (queued, started, ended))]))
        events, are_batches, _, crons = zip(*map(astuple, causes), strict=True)
        self._event_ids += [ids[0] if ids else None for ids in events]
        self._batches += bytes(are_batches)
        self._crons.add(crons)
        if self._outputs:
            self._results += [run.result for run in runs]
        if self._errors:
            self._error_texts += [str(run.error or "") for run in runs]

    def causes(self, most: int | None) -> list[str]:
        """Return the events that are to be named; a schedule's is Inngest's own."""
        self._take()
        pairs = zip(self._event_ids[:most], self._crons.are(None)[:most].tolist(), strict=True)
        return [event_id for event_id, is_alone in pairs if event_id and is_alone]

    def canceled(self, most: int | None) -> list[str]:
        """Return the runs that were canceled."""
        self._take()
        return [self._run_ids[place] for place in self._places(quirks.CANCELED, most)]

    def _places(self, status: str, most: int | None) -> list[int]:
        """Tell which runs have a status of the server's."""
        return [*np.flatnonzero(self._statuses.are(status)[:most])]

    def frame(
        self,
        names: Mapping[str, str],
        at: datetime,
        most: int | None = None,
        starts: Mapping[str, datetime] | None = None,
    ) -> pd.DataFrame:
        """Return the columns as a frame, for `most` runs at most; a run that is open lasts to `at`.

        `names` are those of events, `starts` are when canceled runs were first executed.
        """
        self._take()
        statuses, which = self._statuses.values, self._statuses.codes[:most]
        pages = self._times or [np.empty((3, 0), np.int64)]
        queued, started, ended = np.concatenate(pages, axis=1)[:, :most]
        if starts:
            places = [n for n in self._places(quirks.CANCELED, most) if self._run_ids[n] in starts]
            started = started.copy()
            started[places] = columns.microseconds(starts[self._run_ids[n]] for n in places)
        late = columns.span_counts(quirks.lateness(status or "") for status in statuses)
        is_over = ended != columns.NOT_SET
        ended[is_over] -= late[which[is_over]]
        # As `Run.took` and `Run.is_over` have it, of whole columns.
        began = np.where(started == columns.NOT_SET, queued, started)
        until = np.where(is_over, ended, columns.microseconds([at])[0])
        ours = [
            quirks.true_status(status or "", is_over=over)
            for status in statuses
            for over in (False, True)
        ]
        series = {
            "run_id": columns.text(self._run_ids[:most]),
            "app": self._apps.text(most),
            "function": self._functions.text(most),
            "status": columns.words(ours, columns.RUN_WORDS).take(2 * which + is_over),
            "inngest_status": self._statuses.text(most),
            "queued_at": columns.times(queued),
            "started_at": columns.times(started),
            "ended_at": columns.times(ended),
            "duration": columns.durations(columns.spans(began, until)),
            "event_name": self._named(names, most),
            "event_id": columns.text(self._event_ids[:most]),
            "is_batch": np.frombuffer(self._batches, dtype=bool)[:most].copy(),
            "cron": self._crons.text(most),
        }
        if self._outputs:
            series["output"] = columns.payloads(self._results[:most])
        if self._errors:
            series["error"] = columns.text(self._error_texts[:most])
        return pd.DataFrame(series, copy=False)

    def _named(self, names: Mapping[str, str], most: int | None) -> Any:
        found = Recurring()
        if names:
            pairs = zip(self._event_ids[:most], self._crons.are(None)[:most].tolist(), strict=True)
            found.add([names.get(key or "") if is_alone else None for key, is_alone in pairs])
        else:
            found.add([None] * len(self._event_ids[:most]))
        return found.text(most)


def _microseconds(texts: Sequence[str | None]) -> columns.Microseconds:
    """Read times of the server's; None is missing, and so is what is no time."""
    usual = next(filter(None, texts), None)
    if usual is None:
        return np.full(len(texts), columns.NOT_SET)
    gaps = [place for place, text in enumerate(texts) if text is None] if None in texts else []
    try:
        counts = _of_one_form([text or usual for text in texts] if gaps else texts, len(usual))
    except ValueError:
        return columns.microseconds(map(quirks.time, texts))
    counts[counts < _YEAR_1] = columns.NOT_SET
    counts[gaps] = columns.NOT_SET
    return counts


def _of_one_form(texts: Sequence[Any], width: int) -> columns.Microseconds:
    """Read times in UTC that are written alike, all at once. Raises `ValueError` for others.

    The sign of the zone is left out, and so are nanoseconds: numpy knows neither.
    """
    written = "".join(texts)
    if not written[width - 1 :: width].count("Z") == written.count("Z") == len(texts):
        raise ValueError("times of other lengths or zones")
    signs = np.frombuffer(written.encode("ascii"), dtype="S1").reshape(len(texts), width)
    digits = np.ascontiguousarray(signs[:, : min(width - 1, _DIGITS)])
    return digits.view(f"S{digits.shape[1]}")[:, 0].astype("datetime64[us]").view(np.int64)
