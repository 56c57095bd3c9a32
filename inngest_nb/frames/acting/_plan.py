"""A plan: what would be done, doing it, and continuing after a stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Self

import pandas as pd

from inngest_nb import words
from inngest_nb.api import InngestAPI
from inngest_nb.errors import InngestError
from inngest_nb.frames.acting import _tables as tables
from inngest_nb.frames.acting._rows import TO_DO, UNKNOWN, Row, attempt
from inngest_nb.frames.acting._work import Work
from inngest_nb.frames.inngest._asking import at_once
from inngest_nb.progress import progress

_MOST_LOST = 16  # responses in a row, after which the server counts as offline


class Plan:
    """What `cancel_runs`, `rerun_runs` and `replay_events` would do, before and after it is done.

    As the last line of a cell it is a summary. `frame` has a row for each run or event that was
    given, with its `action`, or with the reason in `left_out`. `run` does it; `results` has what
    became of each row.
    """

    def __init__(self, api: InngestAPI, work: Work, rows: Sequence[Row]) -> None:
        self._api, self._work = api, work
        self._rows = list(rows)
        self._made_at = datetime.now(UTC)
        self._confirmed = False
        self._lost = 0  # responses in a row
        self._acting = threading.Lock()

    @property
    def frame(self) -> pd.DataFrame:
        """A DataFrame with one row per run or event that was given: what is to be done, or not.

        `action` is missing where nothing is to be done, and `left_out` says why. The other columns
        are those of `search_runs` or `search_events`, as they were when the plan was made.
        """
        return tables.planned(self._api, self._work, self._rows, self._made_at)

    @property
    def results(self) -> pd.DataFrame:
        """A DataFrame with one row per run or event that the plan acts on.

        `result` is done, refused, unknown or to do (categorical), `reason` what the server said,
        `at` when it was tried last, in UTC. `new_run_id` and `new_event_id` name what was started
        or sent; several have commas between them.
        """
        return tables.results(self._api, self._work, self._to_act_on, self._made_at)

    def __len__(self) -> int:
        """How many rows there are to act on, which is what `confirm` has to be."""
        return len(self._to_act_on)

    def run(self, confirm: int | None = None) -> Self:
        """Do what is planned, several requests at a time, and return the plan.

            plan.run(confirm=412)

        More than 100 rows need `confirm`, their number, once per plan. Call it again after an
        interrupt or an error: rows that are done or refused stay as they are, and rows whose
        response was lost are looked up first, so that nothing is done twice.

        Raises `ValueError` if `confirm` is missing or another number. Raises `InngestError`, with
        the plan as it stands, if the server is offline or rejects the key, but not for a row that
        it refuses.
        """
        with self._acting, self._stop_noted():
            self._check(confirm)
            self._look()
            again = (TO_DO, UNKNOWN) if self._work.repeats else (TO_DO,)
            rows = [row for row in self._to_act_on if row.result in again]
            groups = self._work.groups(rows)
            self._lost = 0
            with (
                progress(self._work.doing, self._work.plural, len(rows)) as advance,
                closing(at_once(self._do, groups, self._work.at_once)) as acted,
            ):
                for group, _ in acted:
                    advance(len(group))
        return self

    def settle(self) -> Self:
        """Look up what became of rows whose response was lost, and return the plan.

        Nothing is done. A row that turns out not to have been done is `to do` again.
        """
        with self._acting:
            self._look()
        return self

    @property
    def _to_act_on(self) -> list[Row]:
        return [row for row in self._rows if row.action]

    def _check(self, confirm: int | None) -> None:
        count, work = len(self), self._work
        if confirm is None and (self._confirmed or count <= tables.UNCONFIRMED):
            return
        if isinstance(confirm, bool) or confirm != count:
            got = f", got {confirm!r}" if confirm is not None else ""
            raise ValueError(
                f"confirm must be {count}, the number of {work.plural} to {work.verb}, as in "
                f"run(confirm={count}){got}"
            )
        self._confirmed = True

    def _do(self, rows: Sequence[Row]) -> None:
        lost = attempt(rows, partial(self._work.do, self._api, rows))
        self._lost = 0 if lost is None else self._lost + 1
        if lost is not None and self._lost >= _MOST_LOST:
            raise lost

    def _look(self) -> None:
        if rows := [row for row in self._to_act_on if row.result == UNKNOWN]:
            self._work.look(self._api, rows)

    @contextmanager
    def _stop_noted(self) -> Iterator[None]:
        """Note on the error that stops a plan what was done before."""
        try:
            yield
        except (KeyboardInterrupt, InngestError) as error:
            error.add_note(f"{tables.counts(self._rows)}; call run() again to continue")
            raise

    def __repr__(self) -> str:
        told = self._told()
        lines = words.in_columns(told.lines, right={0})
        return "\n".join([told.headline, *lines, *told.after])

    def _repr_html_(self) -> str:
        return tables.html(self._told())

    def _told(self) -> tables.Told:
        return tables.told(self._api.base_url, self._work, self._rows)
