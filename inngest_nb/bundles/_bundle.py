"""A bundle as a store that can only be read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

from inngest_nb.bundles._opening import Seen, connect, verified
from inngest_nb.errors import ReadOnlyStoreError
from inngest_nb.store.changes import Changes
from inngest_nb.store.rows import States, states_of
from inngest_nb.store.table import Done
from inngest_nb.store.tables import SqliteTable, TableStore
from inngest_nb.store.writes import Deletion, Keyed, Work, Write


def open_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Open a bundle as a store for every view; nothing is written, not even next to the file.

        bundle = inb.open_bundle("incident.db")
        inb.frame(bundle)

    The whole file is verified first: its checksum, and that it defines nothing but what bundles
    define. Raises `StoreFileError` if it is damaged, incomplete, changed, not a bundle, or written
    by a newer version.
    """
    return Bundle(path)


class Bundle(TableStore):
    """The workflows of a bundle, as a store that can only be read; see `open_bundle`.

    `info` is its metadata, a `BundleInfo`. `save` and `delete` raise `ReadOnlyStoreError`;
    `import_bundle` copies the workflows into a store, where they can be changed. Frames, answers,
    SQL, `overview` and `explore` are as of the export, so "24h" means the day before it. It works
    on read-only disks, and with files that many processes have open. A file that changes while it
    is open raises `StoreFileError`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.info, seen = verified(self.path)
        super().__init__(_BundleTable(self.path, seen))

    def __repr__(self) -> str:
        # Its name alone: it is shown in notebooks, which are sent to others, and a path says more.
        return f"Bundle({self.path.name!r})"

    def _repr_html_(self) -> str:
        return self.info._repr_html_()

    @property
    def as_of(self) -> datetime:
        """When it was exported, in UTC: what was open then has lasted until that time."""
        return self.info.exported_at.astimezone(UTC)

    def in_slices(self, size: int) -> Iterator[States]:
        """Yield all workflows, some at a time, in the order of their first saves."""
        last = 0
        while rows := self._table.page(limit=size, after=last):
            last = rows[-1].number
            yield states_of(rows)

    def can_append(self) -> bool:
        """Return False: a bundle can only be read."""
        return False

    def can_share(self) -> bool:
        """Return False: no executor runs the workflows of a bundle."""
        return False


def told_at(source: object) -> datetime:
    """Return as of when a source says what it says: now, or for a bundle when it was exported.

    It is the moment up to which every view measures what is open.
    """
    return source.as_of if isinstance(source, Bundle) else datetime.now(UTC)


class _BundleTable(SqliteTable):
    """The rows of a bundle's file, which never change."""

    def __init__(self, path: Path, seen: Seen) -> None:
        super().__init__(path, partial(connect, seen=seen))

    def apply(self, works: Sequence[Work]) -> NoReturn:
        """Raise `ReadOnlyStoreError`."""
        raise self._refusal(works)

    def apply_soon(self, works: Sequence[Work], done: Done) -> None:
        """Give each work a `ReadOnlyStoreError`."""
        done([self._refusal([work]) for work in works])

    def index(self, at_least: int = 0) -> bool:
        """Return False: a bundle has all its heads from the beginning."""
        return False

    def _connect(self) -> None:
        super()._connect()
        self.changes, self.mail = Changes(), Changes()

    def _refusal(self, works: Sequence[Work]) -> ReadOnlyStoreError:
        work = works[0].work if isinstance(works[0], Keyed) else works[0]
        if isinstance(work, Write):
            operation = "save" if work.whole else "append"
        else:
            operation = "delete" if isinstance(work, Deletion) else "send"
        return ReadOnlyStoreError(
            f"{operation}: a bundle can only be read ({self.path})",
            operation=operation,
            workflow_id=getattr(work, "workflow_id", None),
            target=str(self.path),
            hint="copy its workflows into a store that you can change: "
            f"inb.import_bundle({self.path.name!r}, store)",
        )


__all__ = ["Bundle", "open_bundle", "told_at"]
