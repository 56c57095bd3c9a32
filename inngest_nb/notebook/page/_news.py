"""Waiting for news of a store, for views that read it anew when it has changed."""

from __future__ import annotations

from inngest_nb.store import FeedStore, WorkflowStore

__all__ = ["News"]


class News:
    """Waits until a store has changed, whoever changes it.

    `can_tell` is False where the store does not number its changes, which the first wait finds out;
    a view then has to look now and then.
    """

    def __init__(self, store: WorkflowStore) -> None:
        self._store = store if isinstance(store, FeedStore) else None
        self._after: int | None = None
        self._feed = ""

    @property
    def can_tell(self) -> bool:
        """Whether the store tells when it has changed."""
        return self._store is not None

    def wait(self, seconds: float) -> bool:
        """Return True once the store has changed since the last wait, or False after so long.

        The first wait returns at once, for nobody knows what has changed before. What is read after
        a wait has all the changes that it told of. Raises a `StoreError` if the store does not
        answer.
        """
        store = self._store
        if store is None:
            return True
        if self._after is None and not store.can_follow():
            self._store = None
            return True
        changed = store.changes(self._after, seconds, 1, feed=self._feed)
        if self._after is not None and not (changed.changes or changed.reset):
            return False
        newest = store.changes(None)
        self._after, self._feed = newest.last, newest.feed
        return True
