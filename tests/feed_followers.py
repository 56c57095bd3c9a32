"""What the processes of tests about following a store run: writers, and readers that may be killed.

A reader's log has a line for each change that it was told. What it knows after it was killed is
that log, so that it begins again after the number in the last line.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from inngest_nb import AsyncInngestStore, InngestStore, SqliteStore, WorkflowState
from inngest_nb.errors import StoreError
from inngest_nb.store import Changed
from inngest_nb.store.rows import write_of

BATCHES, SAVES, WORKFLOWS = 200, 24, 500
# A batch is so many saves and one deletion.
CHANGES = BATCHES * (SAVES + 1)
_AGAIN = 0.02
_LIMIT = 400


def expected(name: str) -> Iterator[tuple[str, bool]]:
    """Yield the changes of a writer in their order: the workflow's id, and whether it is deleted."""
    for batch in range(BATCHES):
        ids = _ids(name, batch)
        yield from ((each, False) for each in ids)
        yield ids[0], True


def write(url: str, name: str) -> None:
    """Save and delete workflows of this writer; what is not acknowledged is sent again."""
    with InngestStore(url, "") as store:
        for batch in range(BATCHES):
            ids = _ids(name, batch)
            writes = [
                write_of(WorkflowState(workflow_id=each, input=batch))._replace(
                    etag=f"{name}-{batch}-{place}"
                )
                for place, each in enumerate(ids)
            ]
            while any(error is not None for error in store.append_history(writes)):
                time.sleep(_AGAIN)
            while not _deleted(store, ids[0]):
                time.sleep(_AGAIN)


def read(kind: str, place: str, log: str, total: int) -> None:
    """Follow a store until so many changes were told, and note each in a log."""
    if kind == "async":
        asyncio.run(_read_async(place, log, total))
        return
    with InngestStore(place, "") if kind == "http" else SqliteStore(place) as store:
        _read(store.changes, log, total)


def _read(changes: Callable[..., Changed], log: str, total: int) -> None:
    after, feed = _known(log)
    while after < total:
        try:
            changed = changes(after, 5.0, _LIMIT, feed=feed)
        except StoreError as error:
            _wait_after(error)
            continue
        _note(log, changed, feed)
        after, feed = changed.last, changed.feed


async def _read_async(url: str, log: str, total: int) -> None:
    after, feed = _known(log)
    async with AsyncInngestStore(url, "") as store:
        while after < total:
            try:
                changed = await store.changes(after, 5.0, _LIMIT, feed=feed)
            except StoreError as error:
                _wait_after(error)
                continue
            _note(log, changed, feed)
            after, feed = changed.last, changed.feed


def _wait_after(error: StoreError) -> None:
    if not error.is_temporary:
        raise error
    time.sleep(_AGAIN)


def _known(log: str) -> tuple[int, str]:
    """Read how far a log goes; what was being written when its writer was killed is cut off."""
    path = Path(log)
    known = path.read_bytes() if path.exists() else b""
    whole = known[: known.rfind(b"\n") + 1]
    if whole != known:
        os.truncate(path, len(whole))
    lines = whole.decode().splitlines()
    last = lines[-1].split(" ") if lines else ["0", "", "", ""]
    return int(last[0]), last[3]


def _note(log: str, changed: Changed, feed: str) -> None:
    if changed.reset:
        sys.exit("the numbers of the store are no longer those of before")
    lines = [
        f"{one.number} {one.workflow_id} {one.deleted} {changed.feed}\n" for one in changed.changes
    ]
    with Path(log).open("a", encoding="utf-8") as file:
        file.write("".join(lines))


def _deleted(store: InngestStore, workflow_id: str) -> bool:
    try:
        store.delete(workflow_id)
    except StoreError as error:
        if not error.is_temporary:
            raise
        return False
    return True


def _ids(name: str, batch: int) -> list[str]:
    first = batch * (SAVES + 1)
    return [f"{name}-{(first + place) % WORKFLOWS}" for place in range(SAVES)]
