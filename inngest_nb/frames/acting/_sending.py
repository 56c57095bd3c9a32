"""Sending events again, under ids by which the server knows them again."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from inngest_nb.api import Function, InngestAPI, NewEvent, Run, checks
from inngest_nb.errors import InngestSendError, InngestStatusError
from inngest_nb.frames.acting._rows import DONE, TO_DO, UNKNOWN, Row, Source

_SKEW = timedelta(minutes=10)  # by which the server's clock may differ from ours
_KEY_LETTERS = 24


class Keys:
    """The ids under which a plan sends events again and invokes functions.

    They are the same for each plan of the same events, so that a second plan starts nothing twice;
    with `again` they are this plan's own.
    """

    def __init__(self, *, again: bool) -> None:
        self._salt = uuid.uuid4().hex if again else ""

    def of(self, source: Source, to: str = "") -> str:
        """Return the id for an event, or for invoking a function with its data."""
        text = "\n".join((source.key, to, self._salt))
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        return f"inngest-nb-{digest[:_KEY_LETTERS]}"


def of_batch(api: InngestAPI, run: Run) -> tuple[Source, ...]:
    """Return all events of a batch, which only its trace shows."""
    events = api.trace(run.run_id).events
    return tuple(
        _source(event, run, number) for number, event in enumerate(events) if _is_event(event)
    )


def _is_event(event: Any) -> bool:
    return isinstance(event, dict) and isinstance(event.get("name"), str)


def _source(event: dict[str, Any], run: Run, number: int) -> Source:
    data, user, key = event.get("data"), event.get("user"), str(event.get("id"))
    return Source(
        # An id that its sender gave, others may have too.
        key=key if checks.is_ulid(key) else f"{run.run_id}/{number}",
        name=event["name"],
        data=data if isinstance(data, dict) else {},
        user=user if isinstance(user, dict) else None,
        version=event["v"] if isinstance(event.get("v"), str) else None,
    )


def started_by(name: str, functions: Sequence[Function]) -> str:
    """Name the functions that an event starts."""
    return ", ".join(
        f"{each.app}/{each.function_id}"
        for each in functions
        if any(trigger.fits(name) for trigger in each.triggers)
    )


def send(api: InngestAPI, rows: Sequence[Row], keys: Keys) -> None:
    """Send the events of rows in one go, and settle the rows that were accepted."""
    whose = [row for row in rows for _ in row.sources]
    events = [_new(source, keys) for row in rows for source in row.sources]
    try:
        accepted = api.send_many(events)
    except InngestSendError as error:
        _settle_accepted(whose, error.accepted)
        lost = {id(whose[place]) for place in error.unknown}
        for row in rows:
            if row.result == UNKNOWN and id(row) not in lost:
                row.settle(TO_DO, "the server accepted only some of the events sent with it")
        raise
    except InngestStatusError:
        # The server stops at the first bad event; it has not looked at those after that one.
        for row in rows[1:]:
            row.settle(TO_DO, "the server rejected an event before it")
        raise
    _settle_accepted(whose, accepted)


def _settle_accepted(whose: Sequence[Row], accepted: Sequence[str]) -> None:
    """Settle the rows of which all events were accepted; those come first."""
    for row in {id(row): row for row in whose[: len(accepted)]}.values():
        ids = tuple(key for owner, key in zip(whose, accepted, strict=False) if owner is row)
        if len(ids) == len(row.sources):
            row.new_event_ids = ids
            row.settle(DONE)


def _new(source: Source, keys: Keys) -> NewEvent:
    event = NewEvent(name=source.name, data=source.data, id=keys.of(source))
    if source.user:
        event["user"] = source.user
    if source.version:
        event["v"] = source.version
    return event


def look(api: InngestAPI, rows: Sequence[Row], keys: Keys) -> None:
    """Look for the events of rows whose response was lost, by their ids, among the newest."""
    tried = [row.tried_at for row in rows if row.tried_at]
    since = min(tried, default=datetime.now(UTC)) - _SKEW
    there: dict[str, str] = {}
    for name in {source.name for row in rows for source in row.sources}:
        found = api.events(name, since=since, limit=None)
        there.update((event.id, event.event_id) for event in found)
    for row in rows:
        ids = [there.get(keys.of(source), "") for source in row.sources]
        if all(ids):
            row.new_event_ids = tuple(ids)
            row.settle(DONE, "no response came, but it was sent")
        else:
            row.settle(TO_DO, "no response came, and it was not sent")
