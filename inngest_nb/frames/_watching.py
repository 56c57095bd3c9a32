"""Watching a store: a frame of what has changed, whenever something has."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Container, Iterable, Iterator
from datetime import timedelta
from typing import Any, Protocol, Self, cast

import pandas as pd

from inngest_nb.errors import StoreError
from inngest_nb.frames._frames import Naming, frame
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._pace import check_every
from inngest_nb.frames.basics._source import is_store, read
from inngest_nb.history import workflow_of
from inngest_nb.state import WorkflowState
from inngest_nb.store import Change, Changed, FeedStore, WorkflowStore, unreadable_in
from inngest_nb.words import store_name

# Seconds of one long poll: a watch that was closed in another thread ends after so long at most.
_WAIT = 10.0
# Seconds between two attempts while a store does not answer, growing.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


def watch(
    store: WorkflowStore,
    *,
    since: int | pd.DataFrame | None = None,
    every: float | timedelta = 2,
    status: str | Iterable[str] | None = None,
    payloads: bool = False,
    name: Naming | None = None,
) -> Watch:
    """Watch the workflows of a store: yield a DataFrame whenever some have changed.

        for changes in inb.watch(store):
            print(changes)

    A row is a workflow that was saved or deleted, as it is now: the columns are those of `frame`,
    then `change`, the number that the store gave to the change, and `deleted`; of a deleted
    workflow, only its id and its name are known. Rows are in the order of the changes. Of several
    changes of a workflow that come at once, the last one is told.

    What changes from this call on is told, so a frame that is read next has all the rest. `since`
    begins earlier: it is the number of a change, or a frame of an earlier watch, whose
    `attrs["last_change"]` and `attrs["feed"]` say where that one ended, maybe in another process.
    Nothing is lost and nothing told twice, also when the loop is interrupted, or while the store
    does not answer: it is waited for. Where the store no longer knows what has changed since, the
    next frame is all that it has, and `attrs["reset"]` says so.

    `status` picks one status or several; deletions are told all the same. `payloads` and `name` are
    those of `frame`. It goes on until the loop is left or interrupted, or `close()` is called;
    `poll()` looks at once instead, and returns a frame without rows where nothing has changed.

    A store that does not number its changes, such as a plain contract server, is read again
    `every` so many seconds and compared; a warning says so, and `change` is missing then.

    Raises `TypeError` for what is not a store to wait for, `ValueError` for an argument that makes
    no sense, and a `StoreError` if the store cannot be read.
    """
    if not is_store(store):
        raise TypeError(f"watch needs a store, such as inb.local(), got {type(store).__name__}")
    if hasattr(store, "aclose"):
        raise TypeError("watch cannot await: use InngestStore instead of the async store")
    pace = check_every(every)
    statuses = _words(status)
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
    return Watch(store, source, closed, statuses, payloads, name)


class Watch(Iterator[pd.DataFrame]):
    """What `watch` returns: an iterator that waits for changes. Closing it ends the loop."""

    def __init__(
        self,
        store: WorkflowStore,
        source: _Source,
        closed: threading.Event,
        statuses: list[str],
        payloads: bool,
        name: Naming | None,
    ) -> None:
        self._store, self._source, self._closed = store, source, closed
        self._statuses, self._payloads, self._name = statuses, payloads, name

    def __repr__(self) -> str:
        picked = f", status={self._statuses!r}" if self._statuses else ""
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

        Raises a `StoreError` if the store does not answer; the next look tells what was missed.
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
        self._source.told(changed)  # last: what fails or is interrupted before is told again
        return made

    def _made(self, changed: Changed) -> pd.DataFrame:
        rows = [*self._rows(changed.changes)]
        states = [one.state or WorkflowState(workflow_id=one.workflow_id) for one in rows]
        gone = {one.workflow_id for one in rows if one.deleted}
        made = frame(states, payloads=self._payloads, name=self._naming(gone))
        deleted = pd.Series([one.deleted for one in rows], dtype=bool)
        for counted in ("events", "activities", "retries"):
            made[counted] = made[counted].mask(deleted)
        made["change"] = columns.counts([one.number or None for one in rows])
        made["deleted"] = deleted
        made.attrs |= {
            "source": store_name(self._store),
            "filter": {"status": self._statuses or None},
            "listed": self._source.listed,
            "unreadable": dict(changed.unreadable),
            "last_change": changed.last if changed.feed else None,
            "feed": changed.feed or None,
            "reset": changed.reset,
        }
        return made

    def _rows(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Yield the last change of each workflow, if it is wanted."""
        last: dict[str, Change] = {}
        for change in changes:
            last.pop(change.workflow_id, None)  # so that it moves to the end
            last[change.workflow_id] = change
        for change in last.values():
            # One that was saved and is not there has been deleted since, which will be told.
            if change.deleted or (change.state is not None and self._is_wanted(change.state)):
                yield change

    def _naming(self, gone: Container[str]) -> Naming | None:
        """Return what names workflows; of those that are gone there is only the id to go by."""
        name = self._name
        if name is None:
            return None
        return lambda state: (workflow_of if state.workflow_id in gone else name)(state)

    def _is_wanted(self, state: WorkflowState) -> bool:
        return not self._statuses or state.status in self._statuses


class _Source(Protocol):
    """Where changes come from; `listed` tells whether these are all that the server keeps."""

    listed: bool

    def ask(self, wait: float) -> Changed:
        """Return what has changed since what was told; wait for it up to so many seconds."""

    def told(self, changed: Changed) -> None:
        """Note that these changes were told."""


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
        changes = [Change(changed.last, one.workflow_id, False, one) for one in reversed(states)]
        return changed._replace(changes=changes, unreadable=unreadable_in(states))

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
        states, self.listed = read(self._store, None, 0)
        self._unreadable = unreadable_in(states)
        return {state.workflow_id: state for state in reversed(states)}


def _words(status: Any) -> list[str]:
    """Return the statuses that are picked; none means all."""
    if status is None:
        return []
    words = [status] if isinstance(status, str) or not isinstance(status, Iterable) else [*status]
    for word in words:
        if not isinstance(word, str):
            kind = type(word).__name__
            raise TypeError(f"status is a word such as 'failed' or several, got {kind}")
    return words


def _place_of(since: object) -> tuple[int | None, str]:
    """Return the number to continue from, and its feed, "" if that is not known."""
    if isinstance(since, pd.DataFrame):
        last, feed = since.attrs.get("last_change"), since.attrs.get("feed")
        if last is None:
            raise ValueError(
                "since= takes a frame of an earlier watch; this one does not say in "
                'attrs["last_change"] where it ended'
            )
        return cast("int", last), str(feed or "")
    if since is None:
        return None, ""
    if isinstance(since, bool) or not isinstance(since, int) or since < 0:
        raise ValueError(
            "since must be the number of a change, such as 0 for all that is known, or a frame of "
            f"an earlier watch, got {since!r}"
        )
    return since, ""


def _warn(store: Any, pace: float, *, listed: bool) -> None:
    text = f"{store_name(store)} does not number its changes: it is read again every {pace:g} s"
    if not listed:
        text += ", and only what this client saved or refreshed is seen"
    # Between here and the line that asked is watch.
    warnings.warn(text, stacklevel=3)
