"""Reading a long list of runs newest first, two requests at a time: more is no faster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

from inngest_nb.api.basics._listed import Listed, Page
from inngest_nb.api.reading._stretch import OVERLAP, Stretch, Window, edge_of
from inngest_nb.errors import InngestError

_PAGE = 100
_AT_ONCE = 2
_AHEAD = 4  # stretches, of which all but the first wait to be shown
_STRETCH = 1_000  # runs in a stretch
_WINDOW = 200  # and in the first window of it
_LONGEST = timedelta(days=36_500)
_FEW = 300  # for so few, nothing is read ahead
_PATIENCE = 1.0  # seconds for what is under way when the reading is given up

Ask = Callable[[Window, int], Page]
Keep = Callable[[Window | None, Page], object]
Runs = tuple[Listed, ...]


class _Lane(Stretch):
    """A stretch that is being read, and the pages of it that are not shown yet."""

    asked: Future[Page] | None = None

    def __init__(self, low: datetime | None, high: datetime | None, width: timedelta) -> None:
        super().__init__(low, high, width)
        self.pages: deque[Runs] = deque()


def pages_of(
    ask: Ask,
    oldest: Callable[[], datetime | None],
    keep: Keep,
    low: datetime | None,
    high: datetime | None,
    most: int | None = None,
    *,
    alone: bool = False,
) -> Iterator[Runs]:
    """Yield the runs of a window page by page, newest first; at a border, a run may come twice.

    `oldest` finds a moment before all runs, where the window has no lower bound. It is up to the
    caller to stop when there are `most`, of which `alone` says that none is known yet. When the
    server fails, what was read beyond the next page is yielded too, before the error is raised.
    """
    size = min(_PAGE, most) if alone and most is not None else _PAGE
    first = _Lane(low, high, timedelta())
    page = ask(Window(low, high), size)
    keep(first.take(page), page)
    yield page.listed
    if first.next is None:
        return
    if low is None:
        first.low = low = oldest()
        if low is not None:
            keep(Window(None, low), Page((), fetched_at=page.fetched_at))  # there is nothing
    edge = page.listed and edge_of(page.listed[-1])
    if low is None or not edge or edge <= low:
        span = timedelta()  # nothing to divide by
    else:
        span = Stretch.per_run(page, edge) * _STRETCH
    first.end_at(low)
    at_once = 1 if most is not None and most <= _FEW else _AT_ONCE
    plan = _Plan(first, low, span, at_once)
    pool = ThreadPoolExecutor(at_once, "inngest-read")
    try:
        yield from _in_order(plan, pool, ask, keep)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        wait([lane.asked for lane in plan.lanes if lane.asked], timeout=_PATIENCE)


class _Plan:
    """Which stretches are read at the moment, the first of which is shown."""

    def __init__(self, first: _Lane, low: datetime | None, span: timedelta, at_once: int) -> None:
        self.lanes = deque([first])
        self._low, self.at_once = low, at_once
        self._span = span
        self._was_empty = False
        self._floor = low  # down to where stretches are planned
        if at_once > 1 and span and first.next is not None and first.next.high is not None:
            self._floor = self._below(first.next.high)
            first.end_at(self._floor)

    def _below(self, high: datetime) -> datetime | None:
        """Return where a stretch ends that begins at a moment."""
        if self._low is None or high - self._low <= self._span:
            return self._low
        return high - self._span

    def open(self) -> list[_Lane]:
        """Return the stretches of which pages are wanted now."""
        reading = [lane for lane in self.lanes if lane.next is not None]
        while (
            len(reading) < self.at_once
            and len(self.lanes) < _AHEAD
            and self._floor is not None
            and self._low is not None
            and self._floor > self._low
        ):
            low = self._below(self._floor)
            # Where there was nothing, there may be nothing for long.
            width = self._span * 2 if self._was_empty else self._span * _WINDOW / _STRETCH
            lane = _Lane(low, self._floor + OVERLAP, width)
            self._floor = low
            self.lanes.append(lane)
            reading.append(lane)
        return reading[: self.at_once]

    def close_first(self) -> None:
        """Let the next stretch be shown; later ones are as long as this one's density tells."""
        read = self.lanes.popleft()
        self._was_empty = not read.count
        growth = min(_STRETCH / read.count, 8) if read.count else 64
        self._span = min(self._span * max(growth, 1 / 8), _LONGEST)


def _in_order(plan: _Plan, pool: ThreadPoolExecutor, ask: Ask, keep: Keep) -> Iterator[Runs]:
    while plan.lanes:
        first = plan.lanes[0]
        reading = plan.open()
        for lane in reading if plan.at_once > 1 or not first.pages else ():
            if lane.asked is None and lane.next is not None:
                lane.asked = pool.submit(ask, lane.next, _PAGE)
        if first.pages:
            yield first.pages.popleft()
        elif first.next is None:
            plan.close_first()
        else:
            wait([lane.asked for lane in reading if lane.asked], return_when=FIRST_COMPLETED)
        try:
            for lane in plan.lanes:
                if lane.asked is not None and lane.asked.done():
                    page = lane.asked.result()
                    lane.asked = None
                    keep(lane.take(page), page)
                    lane.pages.append(page.listed)
        except InngestError:
            for lane in plan.lanes:
                yield from lane.pages
            raise
