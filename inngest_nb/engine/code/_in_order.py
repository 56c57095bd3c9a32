"""Tasks and futures by number, and sets in order: what the code of a workflow may iterate over.

Objects hash by their address, so a set of tasks iterates in another order in each life of a run.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from inngest_nb.errors import WorkflowCodeError

_Item = TypeVar("_Item")
# Numbers lie below, so that sets of tasks iterate as these were made; above lies what differs
# between runs: asyncio keeps the tasks of all of them in one set, where equal hashes are slow.
_SALT_SHIFT = 16


class Numbers:
    """Gives out the numbers of one loop."""

    def __init__(self, seed: str) -> None:
        self.last = 0
        self._salt = zlib.crc32(seed.encode()) << _SALT_SHIFT

    def next(self) -> int:
        """Return a hash that no other object of this loop has."""
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
    """A set that iterates in the order in which things were put in."""

    def __init__(self, given: Iterable[_Item] = ()) -> None:
        self._order = dict.fromkeys(given)
        super().__init__(self._order)

    def __iter__(self) -> Iterator[_Item]:
        known = [item for item in self._order if item in self]
        return iter(known + [item for item in set.__iter__(self) if item not in self._order])

    def add(self, item: _Item) -> None:
        """Put an item last, unless it is in the set."""
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
    """Stand in for `set` in `asyncio.wait` and `asyncio.as_completed`.

    Both begin with `set(fs)`, and `as_completed` makes tasks of coroutines in the order of that
    set, which is that of their addresses. On all but a workflow's loop this is `set`.
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
                "a set of coroutines has another order each time that the workflow's code is "
                "replayed; give asyncio a list of them"
            )
    return InOrder(*given)


asyncio.tasks.set = _set_of  # type: ignore[attr-defined]
