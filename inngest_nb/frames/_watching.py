"""Watching a store: a frame of what has changed, whenever something has."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol, Self, TypedDict, Unpack, cast

import pandas as pd

from inngest_nb.errors import StoreError
from inngest_nb.frames._frames import Naming, Statuses, frame
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._pace import check_every
from inngest_nb.frames.basics._source import is_store, read
from inngest_nb.history import workflow_of
from inngest_nb.query import Search, Where
from inngest_nb.state import WorkflowState
from inngest_nb.store import (
    Change,
    Changed,
    FeedStore,
    States,
    WorkflowStore,
    is_async,
    search_states,
    unreadable_in,
)
from inngest_nb.words import store_name

# Seconds of one long poll: a watch that was closed in another thread ends after so long at most.
_WAIT = 10.0
# Seconds between two attempts while a store does not answer, growing.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class Picked(TypedDict, total=False):
    """Which workflows a watch reports; see `frame`."""

    workflow: str | Iterable[str] | None
    prefix: str | None
    text: str | None
    error: str | None
    longer_than: timedelta | str | float | None
    where: str | Where | None


def watch(
    store: WorkflowStore,
    status: Statuses | None = None,
    *,
    since: int | pd.DataFrame | None = None,
    every: float | timedelta = 2,
    payloads: bool = False,
    fields: Sequence[str] = (),
    name: Naming | None = None,
    **picked: Unpack[Picked],
) -> Watch:
    """Watch the workflows of a store: yield a DataFrame whenever some have changed.

        for changes in inb.watch(store, status="failed"):
            print(changes)

    A row is a workflow that was saved or deleted, as it is now: the columns are those of `frame`,
    then `change`, the number that the store gave to the change, and `deleted`; for a deleted
    workflow, only its id and its name are known. Rows are in the order of the changes. If a
    workflow changes several times at once, only the last change is reported.

    Changes from this call on are reported. `since` begins earlier: it is the number of a change, or
    a frame of the store or of an earlier watch, whose `attrs["last_change"]` says where to
    continue, even in another process. Nothing is lost and nothing is reported twice, even if the
    loop is interrupted. While the store does not answer, the watch waits for it. If the store no
    longer knows what has changed since, the next frame is all that it has, and `attrs["reset"]`
    says so.

    `status`, `workflow`, `prefix`, `text`, `error`, `longer_than` and `where` pick workflows, and
    `payloads`, `fields` and `name` add to a row, as in `frame`; deletions are always reported. The
    watch continues until the loop is left or interrupted, or `close()` is called; `poll()` looks at
    once instead, and returns a frame without rows if nothing has changed.

    A store that does not number its changes, such as a plain contract server, is read again every
    `every` seconds and compared; a warning says so, and `change` is missing then.

    Raises `TypeError` for anything but a blocking store, `ValueError` for an argument that makes no
    sense, and a `StoreError` if the store cannot be read.
    """
    if not is_store(store):
        raise TypeError(f"watch needs a store, such as inb.local(), got {type(store).__name__}")
    if is_async(store):
        raise TypeError("watch cannot await: use InngestStore instead of the async store")
    if unknown := picked.keys() - Picked.__annotations__.keys():
        raise TypeError(f"watch cannot pick workflows by {', '.join(sorted(unknown))}")
    pace = check_every(every)
    asked = _Asked(status, dict(picked), payloads, fields, name)
    after, feed = _place_of(since)
    closed = threading.Event()
    source: _Source
    if isinstance(store, FeedStore) and store.can_follow():
        source = _Numbers(store, after, feed)
    elif after is None:
        source = _Looks(store, pace, closed)
        _warn(store, pace, listed=source.listed)
    else:
        raise ValueError(
            f"{store_name(store)} does not number its changes, so since= cannot say where to begin"
        )
    return Watch(store, source, closed, asked)


class Watch(Iterator[pd.DataFrame]):
    """What `watch` returns: an iterator that waits for changes. Closing it ends the loop."""

    def __init__(
        self, store: WorkflowStore, source: _Source, closed: threading.Event, asked: _Asked
    ) -> None:
        self._store, self._source, self._closed, self._asked = store, source, closed, asked

    def __repr__(self) -> str:
        picked = "".join(f", {name}={value!r}" for name, value in self._asked.picked.items())
        return f"<Watch of {store_name(self._store)}{picked}>"

    def __next__(self) -> pd.DataFrame:
        pause = _FIRST_PAUSE
        while not self._closed.is_set():
            try:
                made = self._look(_WAIT)
            except StoreError as error:
                if not error.is_temporary:
                    raise
                self._closed.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            if len(made) or made.attrs["reset"]:
                return made
        raise StopIteration

    def poll(self) -> pd.DataFrame:
        """Look now, and return what has changed since the last look.

        Raises a `StoreError` if the store does not answer; the next look reports what was missed.
        """
        return self._look(0)

    def close(self) -> None:
        """End the loop; the store stays open."""
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _look(self, wait: float) -> pd.DataFrame:
        changed = self._source.ask(wait)
        made = self._made(changed)
        self._source.told(changed)  # last: what fails or is interrupted before is reported again
        return made

    def _made(self, changed: Changed) -> pd.DataFrame:
        made = self._asked.frame(_last_of_each(changed.changes), changed.unreadable)
        made.attrs |= {
            "source": store_name(self._store),
            "filter": dict(self._asked.picked),
            "listed": self._source.listed,
            "last_change": changed.last if changed.feed else None,
            "feed": changed.feed or None,
            "reset": changed.reset,
        }
        return made


class _Asked:
    """What a watch was asked for: which workflows it reports, and what about them."""

    def __init__(
        self,
        status: Statuses | None,
        picked: Mapping[str, Any],
        payloads: bool,
        fields: Sequence[str],
        name: Naming | None,
    ) -> None:
        given = {"status": status, **picked}
        self.picked = {key: _plain(value) for key, value in given.items() if value is not None}
        self._search = partial(Search.of, **self.picked)
        self._search(now=datetime.now(UTC))  # refuses what makes no sense before anything is read
        self._payloads, self._fields, self._name = payloads, fields, name

    def frame(self, rows: Mapping[str, Change], unreadable: Mapping[str, str]) -> pd.DataFrame:
        """Make the frame of what has changed, as far as it is wanted, in the order of `rows`."""
        gone = {key for key, one in rows.items() if one.deleted}
        saved = {key: one.state for key, one in rows.items() if one.state and key not in gone}
        flaws = {key: why for key, why in unreadable.items() if key in rows.keys() - gone}
        search = self._search(now=datetime.now(UTC))
        found = search_states([*saved.values()], search, (), flaws).heads
        wanted = gone | {head.workflow_id for head in found}
        states = [
            saved.get(key) or WorkflowState(workflow_id=key)
            for key in rows
            if key in wanted and key not in flaws
        ]
        flaws = {key: why for key, why in flaws.items() if key in wanted}
        made = frame(
            States(states, flaws),
            payloads=self._payloads,
            fields=self._fields,
            name=self._naming(gone),
        )
        place = {key: number for number, key in enumerate(rows)}
        order = made["workflow_id"].map(place).argsort(kind="stable")
        made = made.iloc[order].reset_index(drop=True)
        told = [rows[key] for key in made["workflow_id"]]
        deleted = pd.Series([one.deleted for one in told], dtype=bool)
        for counted in ("events", "activities", "retries"):
            made[counted] = made[counted].mask(deleted)
        made["change"] = columns.counts([one.number or None for one in told])
        made["deleted"] = deleted
        return made

    def _naming(self, gone: Container[str]) -> Naming | None:
        """Return what names workflows; for those that are gone there is only the id to go by."""
        name = self._name
        if name is None:
            return None
        return lambda state: (workflow_of if state.workflow_id in gone else name)(state)


def _plain(value: Any) -> Any:
    """Return what was asked for as JSON can write it; an iterable can be read once only."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Where):
        return str(value)
    is_one = isinstance(value, str) or not isinstance(value, Iterable)
    return value if is_one else [*value]


def _last_of_each(changes: Iterable[Change]) -> dict[str, Change]:
    """Return the last change of each workflow, in the order of these.

    One that was saved and is not there any more has been deleted since, which will be reported.
    """
    last: dict[str, Change] = {}
    for change in changes:
        last.pop(change.workflow_id, None)  # so that it moves to the end
        last[change.workflow_id] = change
    return last


class _Source(Protocol):
    """Where changes come from; `listed` tells whether these are all that the server keeps."""

    listed: bool

    def ask(self, wait: float) -> Changed:
        """Return what has changed since what was reported; wait up to so many seconds for it."""

    def told(self, changed: Changed) -> None:
        """Note that these changes were reported."""


class _Numbers:
    """Changes of a store that numbers them."""

    listed = True

    def __init__(self, store: FeedStore, after: int | None, feed: str) -> None:
        self._store, self._after, self._feed = store, after, feed
        if after is None:
            self.told(store.changes(None))

    def ask(self, wait: float) -> Changed:
        changed = self._store.changes(self._after, wait, documents=True, feed=self._feed)
        if not changed.reset:
            return changed
        states = self._store.fetch()
        unreadable = unreadable_in(states)
        changes = [Change(changed.last, one.workflow_id, False, one) for one in reversed(states)]
        changes += [Change(changed.last, key, False) for key in unreadable]
        return changed._replace(changes=changes, unreadable=unreadable)

    def told(self, changed: Changed) -> None:
        self._after, self._feed = changed.last, changed.feed


class _Looks:
    """Changes of a store that does not number them, found by comparing two looks."""

    def __init__(self, store: WorkflowStore, every: float, closed: threading.Event) -> None:
        self._store, self._every, self._closed = store, every, closed
        self._seen = self._known = self._read()

    def ask(self, wait: float) -> Changed:
        if wait:
            self._closed.wait(self._every)
        self._seen = seen = self._read()
        known = self._known
        changes = [Change(0, key, True) for key in known if key not in seen]
        changes += [
            Change(0, key, False, one) for key, one in seen.items() if known.get(key) != one
        ]
        return Changed(changes, 0, "", unreadable=self._unreadable)

    def told(self, changed: Changed) -> None:
        self._known = self._seen

    def _read(self) -> dict[str, WorkflowState]:
        states, self.listed = read(self._store, Search.of(now=datetime.now(UTC)))
        self._unreadable = unreadable_in(states)
        return {state.workflow_id: state for state in reversed(states)}


def _place_of(since: object) -> tuple[int | None, str]:
    """Return the number to continue from, and its feed, "" if that is not known."""
    if isinstance(since, pd.DataFrame):
        last, feed = since.attrs.get("last_change"), since.attrs.get("feed")
        if last is None:
            raise ValueError(
                "since= takes a frame of a store or of an earlier watch; this one does not say in "
                'attrs["last_change"] where to continue'
            )
        return cast("int", last), str(feed or "")
    if since is None:
        return None, ""
    if isinstance(since, bool) or not isinstance(since, int) or since < 0:
        raise ValueError(
            "since must be the number of a change, such as 0 for all that is known, or a frame of "
            f"a store or of an earlier watch, got {since!r}"
        )
    return since, ""


def _warn(store: Any, pace: float, *, listed: bool) -> None:
    text = f"{store_name(store)} does not number its changes: it is read again every {pace:g} s"
    if not listed:
        text += ", and only what this client saved or refreshed is seen"
    # Between here and the line that asked is watch.
    warnings.warn(text, stacklevel=3)
