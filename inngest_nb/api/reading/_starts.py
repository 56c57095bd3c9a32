"""When canceled runs began.

Lists have of each run when it was scheduled, and of a canceled one a duration that is wrong. The
server's detail counts that from the first execution. As canceled runs are few, this is asked for,
of many at once, and kept; where GraphQL is off, they last from their scheduling.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from msgspec.structs import replace

from inngest_nb.api._client import InngestAPI
from inngest_nb.api.basics._checks import is_ulid
from inngest_nb.api.basics._values import Run
from inngest_nb.api.reading._kept import Kept
from inngest_nb.api.reading._windows import kept_of

_AT_ONCE = 2  # more is no faster
_MANY = 200  # what one request asks


def starts_of(
    api: InngestAPI, run_ids: Iterable[str], kept: Kept | None = None
) -> dict[str, datetime]:
    """Return when canceled runs were first executed, as far as that is known."""
    wanted = {key for key in run_ids if is_ulid(key)}
    if not wanted:
        return {}
    known = kept.starts(wanted) if kept else {}
    found: dict[str, datetime | None] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for told in pool.map(api.first_executions, halves(wanted - known.keys(), _MANY)):
            found |= told
    if kept and found:
        kept.keep_starts(found)
    return {key: at for key, at in (known | found).items() if at is not None}


def begun(api: InngestAPI, runs: Sequence[Run]) -> list[Run]:
    """Return runs of lists, of which the canceled ones last from their first execution."""
    canceled = [run.run_id for run in runs if run.status == "canceled"]
    starts = starts_of(api, canceled, kept_of(api)) if canceled else {}
    return [_from(run, starts[run.run_id]) if run.run_id in starts else run for run in runs]


def begun_pages(api: InngestAPI, pages: Iterable[Sequence[Run]]) -> Iterator[list[Run]]:
    """Yield pages of such runs; canceled ones come later, when there are enough of them to ask."""
    waiting: list[Run] = []
    for page in pages:
        waiting += [run for run in page if run.status == "canceled"]
        yield [run for run in page if run.status != "canceled"]
        if len(waiting) >= _MANY:
            yield begun(api, waiting)
            waiting = []
    if waiting:
        yield begun(api, waiting)


def halves(ids: Iterable[str], whole: int) -> list[list[str]]:
    """Divide ids into two parts, the latest ones first; what one request asks is not divided."""
    keys = sorted(ids, reverse=True)
    half = -(-len(keys) // whole // 2) * whole
    return [part for part in (keys[:half], keys[half:]) if part]


def _from(run: Run, start: datetime) -> Run:
    took = None if run.ended_at is None else max(run.ended_at - start, timedelta())
    return replace(run, started_at=start, duration=took)
