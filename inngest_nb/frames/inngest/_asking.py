"""Asking the server: with which client, how much at a time, and what is kept when it stops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import pandas as pd

from inngest_nb import words
from inngest_nb.api import InngestAPI, check_api, keep_partial
from inngest_nb.errors import InngestError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LIMIT = "older ones left out by limit="
INTERRUPTED = "interrupted before all were read"
FAILED = "the server failed before all were read"


@contextmanager
def opened(api: object) -> Iterator[InngestAPI]:
    """Give the client that was passed in, or a new one, which is closed at the end."""
    if api is None:
        with InngestAPI() as own:
            yield own
    else:
        yield check_api(api)


def at_once(
    ask: Callable[[Item], Answer], items: Iterable[Item], most: int
) -> Generator[tuple[Item, Answer], None, None]:
    """Yield each item with its answer, in order; at most so many are asked for at a time."""
    with ThreadPoolExecutor(most) as pool:
        asked: deque[tuple[Item, Future[Answer]]] = deque()
        try:
            for item in items:
                asked.append((item, pool.submit(ask, item)))
                if len(asked) > most:
                    first, answer = asked.popleft()
                    yield first, answer.result()
            while asked:
                first, answer = asked.popleft()
                yield first, answer.result()
        finally:
            for _, answer in asked:
                answer.cancel()


@contextmanager
def kept(made: Callable[[str], pd.DataFrame], noun: str) -> Iterator[None]:
    """Keep in the error what was read before an interrupt or a failing server, as a frame.

    `made` makes the frame, and is told why it is cut.
    """
    try:
        yield
    except (KeyboardInterrupt, InngestError) as error:
        why = INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
        keep_partial(error, made(why), noun)
        raise


def attrs_of(
    api: InngestAPI, said: Mapping[str, Any] | None, because: str | None, at: datetime
) -> dict[str, Any]:
    """Return what the `attrs` of a frame say: only what JSON can write."""
    return {
        "source": words.store_name(api),
        "fetched_at": at.isoformat(),
        "filter": None if said is None else plain(said),
        "truncated": because is not None,
        "truncated_because": because,
    }


def plain(value: Any) -> Any:
    """Return an argument as JSON can write it; a function by its name, a pattern by its text."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str | int | float | bool | None):
        return value
    for name in ("pattern", "__name__"):
        if isinstance(said := getattr(value, name, None), str):
            return said
    return str(value)
