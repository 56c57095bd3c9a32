"""Tasks, futures and sets whose iteration order is the same in every replay.

Ordinary objects hash by their address, so a set of tasks would iterate in another order each time.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from inngest_nb.errors import WorkflowCodeError

_Item = TypeVar("_Item")
# The low bits hold the number, so that sets of tasks iterate in order of creation. The high bits
# differ between runs, because asyncio keeps all tasks in one set, where equal hashes are slow.
_SALT_SHIFT = 16


class Numbers:
    """Numbers the tasks and futures of one loop."""

    def __init__(self, seed: str) -> None:
        self.last = 0
        self._salt = zlib.crc32(seed.encode()) << _SALT_SHIFT

    def next(self) -> int:
        """Return a hash that is unique on this loop."""
        self.last += 1
        return self._salt + self.last


class NumberedTask(asyncio.Task[Any]):
    """A task that hashes and sorts by its number."""

    __slots__ = ("_number",)

    def __init__(self, number: int, coro: Any, **options: Any) -> None:
        self._number = number  # first, because asyncio puts it into a set
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

    def __lt__(self, other: NumberedTask | NumberedFuture) -> bool:
        return self._number < hash(other)


class NumberedFuture(asyncio.Future[Any]):
    """A future that hashes and sorts by its number."""

    __slots__ = ("_number",)

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._number = number

    def __hash__(self) -> int:
        return self._number

    def __lt__(self, other: NumberedTask | NumberedFuture) -> bool:
        return self._number < hash(other)


class InOrder(set[_Item]):
    """A set that iterates in insertion order."""

    def __init__(self, given: Iterable[_Item] = ()) -> None:
        self._order = dict.fromkeys(given)
        super().__init__(self._order)

    def __iter__(self) -> Iterator[_Item]:
        known = [item for item in self._order if item in self]
        return iter(known + [item for item in set.__iter__(self) if item not in self._order])

    def add(self, item: _Item) -> None:
        """Append an item, unless it is in the set."""
        if item not in self:
            self._order.pop(item, None)
            self._order[item] = None
            super().add(item)

    def pop(self) -> _Item:
        """Remove and return the first item."""
        for item in self:
            self.remove(item)
            return item
        raise KeyError("pop from an empty set")


def _set_of(*given: Iterable[Any]) -> set[Any]:
    """Act as `set` in `asyncio.wait` and `asyncio.as_completed`.

    Both call `set(fs)`, and `as_completed` makes tasks of coroutines in the order of that set, that
    is, of their addresses. On any other loop than a workflow's, this is `set`.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return set(*given)
    if not getattr(loop, "keeps_order", False):
        return set(*given)
    for items in given:
        if isinstance(items, set | frozenset) and any(map(asyncio.iscoroutine, items)):
            raise WorkflowCodeError(
                "a set of coroutines has a different order each time the workflow's code is "
                "replayed; pass a list to asyncio instead"
            )
    return InOrder(*given)


asyncio.tasks.set = _set_of  # type: ignore[attr-defined]
