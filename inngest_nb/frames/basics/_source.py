"""Where the rows of a frame come from: a store that is searched, states, or a single state."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn, Self, TypedDict

from inngest_nb import wire
from inngest_nb.bundles import told_at
from inngest_nb.errors import ListingUnsupportedError, StoreDecodeError
from inngest_nb.frames.basics._given import state_in
from inngest_nb.history import OPEN, moment
from inngest_nb.progress import progress
from inngest_nb.query import By, Path, Search, When, Where
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store import (
    Found,
    Head,
    SearchableStore,
    WorkflowStore,
    search_states,
    state_of,
    unreadable_in,
)
from inngest_nb.words import short, store_name, unreadable_text

Source = WorkflowStore | WorkflowState | Iterable[WorkflowState]

_KNOWN = {*WorkflowStatus, *OPEN}


class Asked(TypedDict, total=False):
    """What a frame can be asked for besides a status and a limit; see `frame`."""

    workflow: str | Iterable[str] | None
    since: When | None
    until: When | None
    by: By
    prefix: str | None
    text: str | None
    error: str | None
    longer_than: timedelta | str | float | None
    where: str | Where | None
    sort: str | None


class Taken(NamedTuple):
    """What a source has of what was asked for, when it was read, and what `attrs` say of it.

    `states` are those at hand, by the numbers of their heads; those of a store are read from it.
    """

    found: Found
    fetched_at: datetime
    attrs: dict[str, Any]
    store: SearchableStore | None
    states: Sequence[WorkflowState | None]

    def settled(self) -> Self:
        """Read all states, so that whatever is made of them tells of the same ones."""
        whole = [*self.whole()]
        heads = [head._replace(number=place) for place, (head, _) in enumerate(whole)]
        states = [state for _, state in whole]
        return self._replace(found=self.found._replace(heads=heads), store=None, states=states)

    def whole(self) -> Iterator[tuple[Head, WorkflowState | None]]:
        """Yield each head with its state, in order; None for a state that cannot be read.

        A store sends them in parts. What has changed since the search has the head of now, and
        what is gone is left out.
        """
        heads = self.found.heads
        if self.store is None:
            for head in heads:
                yield head, None if head.flaw else self.states[head.number]
            return
        by_id = {head.workflow_id: head for head in heads}
        with progress("Reading workflows", "workflows", total=len(heads)) as advance:
            for row in self.store.documents([*by_id]):
                advance(1)
                head = by_id[row.workflow_id]
                try:
                    state = state_of(row)
                except StoreDecodeError as error:
                    yield head._replace(flaw=str(error.__cause__ or error)), None
                else:
                    same = head.etag == state.etag and not head.flaw
                    yield head if same else Head.of(state, head.number), state


def take(
    source: Source | Taken,
    status: WorkflowStatus | str | Iterable[str] | None,
    limit: int,
    asked: Mapping[str, Any],
    paths: Sequence[Path] = (),
    now: datetime | None = None,
) -> Taken:
    """Search a source, which for a store happens where its workflows are.

    `now` is as of when, else the source tells. What was taken already stays as it is. The `attrs`
    hold only what JSON can write, for formats that keep them as JSON.
    """
    if isinstance(source, Taken):
        return source
    if unknown := asked.keys() - Asked.__annotations__.keys():
        there = ", ".join(["status", "limit", *Asked.__annotations__])
        s = "s" * (len(unknown) > 1)
        raise TypeError(
            f"unknown argument{s} {', '.join(sorted(unknown))}; valid arguments: {there}"
        )
    fetched_at = told_at(source) if now is None else moment(now)
    search = Search.of(now=fetched_at, status=status, limit=limit, **asked)
    from_store = is_store(source)
    store = source if from_store and isinstance(source, SearchableStore) else None
    states: Sequence[WorkflowState] = ()
    found, listed = None, True
    if store is not None:
        try:
            found = store.find(search, paths)
        except ListingUnsupportedError:
            store = None
    if found is None:
        listing, listed = read(source, search) if from_store else (source, True)
        states = _states(listing)
        found = search_states(states, search, paths, unreadable_in(listing))
    if not listed:
        _warn(
            f"{store_name(source)} cannot list what its server keeps: the frame has only what "
            "this client saved or refreshed"
        )
    if misspelt := _misspelt(states if store is None else store, search, found):
        _warn(misspelt)
    unreadable = {head.workflow_id: head.flaw for head in found.heads if head.flaw}
    if unreadable:
        _warn(unreadable_text(unreadable))
    attrs = {
        "source": store_name(source) if from_store else None,
        "fetched_at": fetched_at.isoformat(),
        "filter": _filter(search, status, asked) if from_store else None,
        "truncated": from_store and len(found.heads) < found.total,
        "total": found.total,
        "listed": listed,
        "unreadable": unreadable,
        "last_change": None if store is None else found.change,
    }
    return Taken(found, fetched_at, attrs, store, states)


def _filter(search: Search, status: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Say what was asked for: the status as given, times as they were meant."""
    given = {name: value for name, value in asked.items() if value is not None}
    said = {name: getattr(search, name) for name in given if hasattr(search, name)}
    for name in ("since", "until"):
        us = getattr(search, f"{name}_us")
        if us is not None:
            said[name] = wire.time_of(us).isoformat()
    if search.longer_than_us is not None:
        said["longer_than"] = search.longer_than_us / 1_000_000
    words = search.status[0] if isinstance(status, str) else list(search.status)
    plain = {
        name: list(value) if isinstance(value, tuple) else value for name, value in said.items()
    }
    return {"status": words if status is not None else None, "limit": search.limit} | plain


def is_store(source: Any) -> bool:
    """Return whether something has a store's methods; a class is no store."""
    if isinstance(source, type):
        return False
    return all(callable(getattr(source, verb, None)) for verb in ("save", "load", "list"))


def read(store: Any, search: Search) -> tuple[Any, bool]:
    """Read what the store has, and tell whether that is all that its server keeps."""
    status = search.status[0] if len(search.status) == 1 else None
    # One more than asked for tells whether there are more.
    limit = search.limit + 1 if search.limit and _is_simple(search) else 0
    if hasattr(store, "fetch"):
        try:
            return store.fetch(status=status, limit=limit), True
        except ListingUnsupportedError:  # its client still knows what it saved
            return store.list(status=status, limit=limit), False
    return store.list(status=status, limit=limit), True


def _is_simple(search: Search) -> bool:
    """Tell whether nothing is asked for besides one status and a limit."""
    others = Search(now_us=search.now_us, status=search.status, limit=search.limit)
    return search == others and len(search.status) < 2


def _misspelt(source: Any, search: Search, found: Found) -> str:
    """Say which wanted statuses are unknown, and which ones there are; "" if none is."""
    unknown = [word for word in search.status if word not in _KNOWN]
    if not unknown or found.heads:
        return ""
    if is_store(source):
        heads = source.find(Search(now_us=search.now_us)).heads
    else:
        heads = [Head.of(state) for state in source]
    there = sorted({short(head.status, 40) for head in heads if head.status})
    known = f"statuses found: {', '.join(there)}" if there else "no workflow has a status"
    listed = " or ".join(repr(short(word, 40)) for word in unknown)
    return f"no workflow has the status {listed}; {known}"


def _warn(text: str) -> None:
    # At the line that asked, which is the first one outside of this package and its decorators.
    level, place = 1, inspect.currentframe()
    while place is not None and _is_inside(place.f_globals):
        level, place = level + 1, place.f_back
    warnings.warn(text, stacklevel=level)


def _is_inside(names: Mapping[str, Any]) -> bool:
    package = str(names.get("__name__", "")).partition(".")[0]
    return package in ("contextlib", __name__.partition(".")[0])


def _states(source: Any) -> list[WorkflowState]:
    if (state := state_in(source)) is not None:
        return [state]
    if inspect.isawaitable(source):
        _refuse_awaitable(source)
    if source is None:
        raise TypeError("no workflow to show: load() gives None for an id its store never saw")
    if not isinstance(source, Iterable) or isinstance(source, str | bytes | type):
        raise TypeError(f"a frame is made from a store or from states, got {_kind(source)}")
    states = [state_in(item) or item for item in source]
    for place, state in enumerate(states):
        if not isinstance(state, WorkflowState):
            raise TypeError(
                "a frame is made from a store or from states, "
                f"but item {place} of this {_kind(source)} is {_kind(state)}"
            )
    return states


def _refuse_awaitable(source: Any) -> NoReturn:
    if inspect.iscoroutine(source):
        source.close()  # or Python warns that nobody awaited it
    raise TypeError(
        "a frame cannot await: read the states first, as in frame(await store.fetch()), "
        "or use InngestStore instead of the async store"
    )


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
