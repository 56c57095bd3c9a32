"""Reading a long list of runs, newest first: what is kept from there, all else from the server."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from inngest_nb.api._client import InngestAPI
from inngest_nb.api.basics._checks import check_apps, check_statuses
from inngest_nb.api.basics._listed import Listed, Page, run_of
from inngest_nb.api.basics._values import Run
from inngest_nb.api.reading._again import Part, ReplacedError, parts_of
from inngest_nb.api.reading._ahead import pages_of
from inngest_nb.api.reading._kept import Kept, Kind
from inngest_nb.api.reading._moments import Span, moment, span_of
from inngest_nb.api.reading._stretch import OVERLAP, Window
from inngest_nb.history import OPEN

# Where runs are kept: None is this client's memory, False nowhere.
Cache = str | os.PathLike[str] | Literal[False] | None

_in_memory: weakref.WeakKeyDictionary[InngestAPI, Kept] = weakref.WeakKeyDictionary()


def runs_in(
    api: InngestAPI,
    start: datetime | None,
    end: datetime | None,
    most: int | None,
    *,
    status: str | Iterable[str] | None = None,
    app: str | Iterable[str] | None = None,
    function: str | None = None,
    output: bool = False,
    cache: Cache = None,
) -> Iterator[list[Run]]:
    """Yield the runs of a window page by page, newest first, each run once.

    At least `most` of them are read, if there are as many. Runs that have ended are kept, and not
    fetched again: in the client's memory, in the file that `cache` names, or, with False, nowhere.
    """
    reading = Reading(api, status, app, function, output=output, cache=cache)
    with reading:
        for page in reading.listed(start, end, most):
            yield [run_of(each, listed=True) for each in page]


class Reading:
    """Reading the runs of some app, function and status; a context that closes its file."""

    def __init__(
        self,
        api: InngestAPI,
        status: str | Iterable[str] | None,
        app: str | Iterable[str] | None,
        function: str | None,
        *,
        output: bool,
        cache: Cache,
    ) -> None:
        self._api = api
        self._statuses, self._apps = check_statuses(status), check_apps(app)
        self._function, self._output = function, output
        # What is read of some app or function is all of that; what is read of some status is not
        # all for long.
        self._scope = repr((sorted(self._apps), function)) if self._apps or function else ""
        self.kept = kept_of(api, cache)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *error: object) -> None:
        if self.kept is not None and self.kept.path is not None:
            self.kept.close()

    def listed(
        self, start: datetime | None, end: datetime | None, most: int | None
    ) -> Iterator[list[Listed]]:
        """Yield the runs of a window page by page, newest first, each once, as they are listed."""
        if self._function and not self._apps:
            self._apps = tuple(each.app_id for each in self._api.apps())
            if not self._apps:
                return
        seen: set[str] = set()
        for part in self._parts(span_of(start, end)):
            left = None if most is None else most - len(seen)
            pages = self._kept_of(part) if part.is_kept else self._asked_of(part, left, not seen)
            for page in pages:
                fresh = [each for each in page if each.id not in seen]
                seen.update(each.id for each in fresh)
                yield fresh
                if most is not None and len(seen) >= most:
                    return

    def _parts(self, window: Span) -> list[Part]:
        if self.kept is None:
            return [Part(window, False)]
        scopes = {"", self._scope}
        try:
            return parts_of(
                self._api, self.kept, window, scopes, self._output, self._is_of, self._open_now
            )
        except ReplacedError:
            if self.kept.path is not None:
                raise self.kept.replaced() from None
            # Another thread may still be reading the old ones.
            self.kept = _in_memory[self._api] = Kept(self._api.base_url)
            return [Part(window, False)]

    def _kept_of(self, part: Part) -> Iterator[Sequence[Listed]]:
        for page in self.kept.runs(self._output, part.span) if self.kept else ():
            yield [each for each in page if self._fits(each)]

    def _asked_of(self, part: Part, most: int | None, is_first: bool) -> Iterator[Sequence[Listed]]:
        low, high = moment(part.span.low), moment(part.span.high)
        if high is not None and part.span.high % 1000:  # beside what is kept
            high += OVERLAP
        oldest = self._oldest(high)
        return pages_of(self._page, oldest, self._keep, low, high, most, alone=is_first)

    def _open_now(self, span: Span) -> Iterator[Listed]:
        """Ask for the runs that have not ended; what is kept of them is brought up to date."""
        low, high = moment(span.low), moment(span.high)
        ask = self._asking([*OPEN])
        for page in pages_of(ask, lambda: low, lambda _, page: self._update(page), low, high):
            yield from page

    # Asking

    def _page(self, window: Window, size: int) -> Page:
        return self._asking(self._statuses)(window, size)

    def _asking(self, statuses: list[str]) -> Callable[[Window, int], Page]:
        def ask(window: Window, size: int) -> Page:
            return self._api.runs_page(
                status=statuses or None,
                app=self._apps or None,
                function=self._function,
                since=window.low,
                until=window.high,
                output=self._output,
                limit=size,
                cursor=window.cursor,
            )

        return ask

    def _oldest(self, end: datetime | None) -> Callable[[], datetime | None]:
        """Return what finds a moment before all runs."""

        def find() -> datetime | None:
            page = self._api.runs_page(
                status=self._statuses or None,
                app=self._apps or None,
                function=self._function,
                until=end,
                order="oldest",
                limit=1,
            )
            times = [at - OVERLAP for each in page.listed if (at := each.scheduled_at)]
            return times[0] if times else None

        return find

    # Keeping

    def _keep(self, read: Window | None, page: Page) -> None:
        if self.kept is not None and not self._statuses:
            span = read and span_of(read.low, read.high)
            self.kept.keep(Kind(self._scope, self._output), span, page)

    def _update(self, page: Page) -> None:
        if self.kept is not None:
            self.kept.keep(Kind(self._scope, self._output), None, page)

    # Which are wanted

    def _fits(self, run: Listed) -> bool:
        return self._is_of(run) and (not self._statuses or run.status.upper() in self._statuses)

    def _is_of(self, run: Listed) -> bool:
        if self._apps and run.app.id not in self._apps:
            return False
        name = self._function
        return name is None or name in (run.function.id, f"{run.app.id}-{run.function.id}")


def kept_of(api: InngestAPI, cache: Cache = None) -> Kept | None:
    """Open what is kept of a server."""
    if cache is False:
        return None
    if cache is not None:
        return Kept(api.base_url, cache)
    found = _in_memory.get(api)
    if found is None or not found.is_usable:
        found = _in_memory[api] = Kept(api.base_url)
    return found
