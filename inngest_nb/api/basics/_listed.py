"""An entry of a run list, as the server writes it.

It is decoded without a detour through objects, because lists are long; what has another shape than
was seen is read leniently instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._values import Run, RunError


class _Named(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    name: str = ""


class _Cause(
    msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True, kw_only=True
):
    event_ids: tuple[str, ...] = ()
    is_batch: bool = False
    batch_id: str | None = None
    cron_schedule: str | None = None


class Listed(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """A run as the server writes it: times as text, and a canceled run's end as it is listed."""

    id: str = ""
    status: str = ""
    app: _Named = _Named()
    function: _Named = _Named()
    trigger: _Cause = _Cause()
    queued_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    duration_ms: str | int | None = None
    output: Any = None

    @property
    def event_id(self) -> str:
        """Return the first of the events that triggered it; a schedule's is Inngest's own."""
        ids = self.trigger.event_ids
        return ids[0] if ids and not self.trigger.cron_schedule else ""

    @property
    def our_status(self) -> str:
        """Return its status in our words."""
        return _quirks.true_status(self.status, is_over=_quirks.time(self.ended_at) is not None)

    @property
    def scheduled_at(self) -> datetime | None:
        """Return the time by which lists are cut and ordered."""
        return _quirks.time(self.started_at)

    @property
    def error(self) -> RunError | None:
        """Return why it failed, if it did, and if outputs were asked for."""
        return _quirks.error_of(self.output) if self.our_status == "failed" else None

    @property
    def result(self) -> Any:
        """Return what it returned.

        Lists show of what is not over, or was canceled, the output of the last step.
        """
        return _quirks.unwrapped(self.output) if self.our_status == "completed" else None

    def true_end(self, *, in_list: bool = True) -> tuple[datetime | None, timedelta | None]:
        """Return when it ended, and its duration."""
        late = _quirks.lateness(self.status) if in_list else timedelta()
        ended, took = _quirks.time(self.ended_at), _quirks.duration(self.duration_ms)
        return ended and ended - late, took and max(timedelta(), took - late)


def listed_of(item: Mapping[str, Any]) -> Listed:
    """Read an entry whatever its shape; what is not there is empty."""
    trigger = _quirks.part(item, "trigger")
    app, function = _quirks.part(item, "app"), _quirks.part(item, "function")
    ids = trigger.get("eventIds")
    return Listed(
        _quirks.text(item.get("id")),
        _quirks.text(item.get("status")),
        _Named(_quirks.text(app.get("id"))),
        _Named(_quirks.text(function.get("id")), _quirks.text(function.get("name"))),
        _Cause(
            event_ids=tuple(map(_quirks.text, ids)) if isinstance(ids, list) else (),
            is_batch=bool(trigger.get("isBatch")),
            batch_id=_quirks.text(trigger.get("batchId")) or None,
            cron_schedule=_quirks.text(trigger.get("cronSchedule")) or None,
        ),
        queued_at=_quirks.text(item.get("queuedAt")) or None,
        started_at=_quirks.text(item.get("startedAt")) or None,
        ended_at=_quirks.text(item["endedAt"]) if "endedAt" in item else None,
        duration_ms=_quirks.text(item.get("durationMs")) or None,
        output=item.get("output"),
    )


def run_of(item: Listed | Mapping[str, Any], *, listed: bool) -> Run:
    """Make a run of an entry of a list, or of the detail."""
    entry = item if isinstance(item, Listed) else listed_of(item)
    ended, took = entry.true_end(in_list=listed)
    return Run(
        run_id=entry.id,
        app=entry.app.id,
        function=entry.function.id,
        function_name=entry.function.name,
        status=entry.our_status,
        inngest_status=entry.status,
        queued_at=_quirks.time(entry.queued_at),
        started_at=entry.scheduled_at,
        ended_at=ended,
        duration=took,
        event_ids=entry.trigger.event_ids,
        is_batch=entry.trigger.is_batch,
        batch_id=entry.trigger.batch_id or None,
        cron=entry.trigger.cron_schedule or None,
        output=entry.result,
        error=entry.error,
    )


class Page(msgspec.Struct, frozen=True, dict=True):
    """One page of a run list; `cursor` is where the next one begins, None on the last.

    `listed` are the runs as the server wrote them, at `fetched_at` by its own clock.
    """

    listed: tuple[Listed, ...]
    cursor: str | None = None
    fetched_at: datetime | None = None

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The runs of the page."""
        return tuple(run_of(each, listed=True) for each in self.listed)


class _More(msgspec.Struct, frozen=True, rename="camel"):
    cursor: str = ""
    has_more: bool = False


class _Fetched(msgspec.Struct, frozen=True, rename="camel"):
    fetched_at: str = ""


class _Body(msgspec.Struct, frozen=True):
    data: tuple[Listed, ...] = ()
    page: _More = _More()
    metadata: _Fetched = _Fetched()
    error: msgspec.Raw | None = None
    errors: msgspec.Raw | None = None


_decoder = msgspec.json.Decoder(_Body)
_entries = msgspec.json.Decoder(tuple[Listed, ...])


def page_of(said: Mapping[str, Any] | bytes) -> Page | None:
    """Make a page of an answer, or of its bytes; None for bytes of another shape, or an error."""
    if not isinstance(said, bytes):
        more, metadata = _quirks.part(said, "page"), _quirks.part(said, "metadata")
        cursor = _quirks.text(more.get("cursor")) if more.get("hasMore") else ""
        listed = tuple(listed_of(item) for item in _quirks.items(said))
        return Page(listed, cursor or None, _quirks.time(metadata.get("fetchedAt")))
    try:
        body = _decoder.decode(said)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if body.error is not None or body.errors is not None:
        return None
    cursor = body.page.cursor if body.page.has_more else ""
    return Page(body.data, cursor or None, _quirks.time(body.metadata.fetched_at))


def written(entry: Listed) -> bytes:
    """Write an entry as JSON, for `read_written`."""
    return msgspec.json.encode(entry)


def read_written(entries: list[bytes]) -> tuple[Listed, ...]:
    """Read entries that were written as JSON. Raises `ValueError`."""
    try:
        return _entries.decode(b"[" + b",".join(entries) + b"]")
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
