"""The events of runs, of which these have only the ids."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from inngest_nb.api import Event, InngestAPI, Kept, checks, halves
from inngest_nb.errors import InngestNotFoundError
from inngest_nb.frames.inngest._asking import at_once

_PAGE = 50  # one more tells whether there are more, and 51 are what the server gives at once
_TIME = 10  # so many letters of an id are its time
_AT_ONCE = 2
_MANY_EVENTS = 4 * _PAGE
_MANY_NAMES = 400  # what one question to GraphQL asks


def names_of(api: InngestAPI, event_ids: Iterable[str], kept: Kept | None = None) -> dict[str, str]:
    """Look up the names of events; Inngest's own and unknown ones have none, or "".

    What is looked up is kept, for an event stays as it is. GraphQL tells names alone; what it does
    not tell, or all of it where it is off, is read from the list of events.
    """
    wanted = {*event_ids}
    known = kept.names(wanted) if kept else {}
    missing = sorted(wanted - known.keys(), reverse=True)
    found: dict[str, str] = {}
    ids = [key for key in missing if checks.is_ulid(key)]
    for _, told in at_once(api.event_names, halves(ids, _MANY_NAMES), _AT_ONCE):
        found |= {key: "" if checks.is_internal(name) else name for key, name in told.items()}
    rest = [key for key in missing if key not in found]
    for _, events in at_once(partial(events_of, api), halves(rest, _MANY_EVENTS), _AT_ONCE):
        found |= {key: event.name for key, event in events.items()}
    if kept and missing:
        kept.keep_names({key: found.get(key, "") for key in missing})
    return known | found


def events_of(api: InngestAPI, event_ids: Iterable[str]) -> dict[str, Event]:
    """Look up events by their ids, and some more; Inngest's own and unknown ones are left out.

    An id holds the time of its event, and lists are in the order of ids. So each request shows the
    events from a wanted one back: as few requests as the list has pages, or as there are ids.
    """
    found: dict[str, Event] = {}
    shown_after: str | None = None  # the time in an id
    for key in sorted(event_ids, reverse=True):
        time = key[:_TIME]
        if key in found or (shown_after is not None and time > shown_after):
            continue
        page = api.events(before=time.ljust(len(key), "Z"), limit=_PAGE)
        found.update((event.event_id, event) for event in page)
        shown_after = page[-1].event_id[:_TIME] if page.truncated else ""
        if key not in found and time <= shown_after:  # there are too many of the same moment
            found |= _one(api, key)
    return found


def _one(api: InngestAPI, event_id: str) -> dict[str, Event]:
    try:
        event = api.event(event_id)
    except InngestNotFoundError:
        return {}
    return {} if event.name.startswith("inngest/") else {event_id: event}
