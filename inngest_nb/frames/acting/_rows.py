"""One row of a plan: what is to be done, why not, and what became of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from inngest_nb.api import Event, InngestAPI, Run
from inngest_nb.errors import (
    InngestAuthError,
    InngestError,
    InngestStatusError,
    InngestUnavailableError,
    NotInngestError,
)
from inngest_nb.frames.inngest._asking import at_once, opened
from inngest_nb.progress import progress

DONE, REFUSED, UNKNOWN, TO_DO = RESULTS = ("done", "refused", "unknown", "to do")
_AT_ONCE = 8

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class Source(NamedTuple):
    """An event as it can be sent again. `key` tells it from every other one."""

    key: str
    name: str
    data: dict[str, Any]
    user: dict[str, Any] | None = None
    version: str | None = None
    received_at: datetime | None = None

    @classmethod
    def of(cls, event: Event) -> Source:
        """Take an event as the server has it."""
        return cls(
            event.event_id, event.name, event.data, event.user, event.version, event.received_at
        )


@dataclass
class Row:
    """One run or event that was given, and what happens to it.

    Either `action` says what is to be done, or `left_out` why nothing is. A lost response leaves
    `result` unknown; so does a request under way, in case nobody is there for its response.
    """

    key: str
    run: Run | None = None
    sources: tuple[Source, ...] = ()  # the events that are sent, or whose data is
    action: str = ""
    left_out: str = ""
    starts: str = ""  # the functions that events sent again start
    known: frozenset[str] = frozenset()  # runs that were there before
    result: str = TO_DO
    reason: str = ""
    tries: int = 0
    tried_at: datetime | None = None
    new_run_id: str = ""
    new_event_ids: tuple[str, ...] = ()
    busy: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def name(self) -> str:
        """What the row is of: a function with its app, else an event."""
        if self.run is not None:
            return f"{self.run.app}/{self.run.function}"
        return self.sources[0].name if self.sources else ""

    def settle(self, result: str, reason: str = "") -> None:
        """Note what became of it."""
        self.result, self.reason = result, reason


def attempt(rows: Sequence[Row], act: Callable[[], None]) -> InngestError | None:
    """Do something about rows; return the error if the response was lost.

    What the server refuses is noted. Raises where it makes no sense to continue with others.
    """
    with rows[0].busy:
        for row in rows:
            row.settle(UNKNOWN, "no response came")
            row.tries, row.tried_at = row.tries + 1, datetime.now(UTC)
        try:
            act()
        except (InngestError, ValueError) as error:
            result = _result(error)
            said = error.reason if isinstance(error, InngestStatusError) else ""
            for row in rows:
                if row.result == UNKNOWN:
                    row.settle(result, said or str(error))
            if _concerns_all(error):
                raise
            if result == UNKNOWN and isinstance(error, InngestError):
                return error
    return None


def _result(error: InngestError | ValueError) -> str:
    """Tell what an error says of the row that it came of."""
    if isinstance(error, ValueError | InngestAuthError | InngestUnavailableError):
        return TO_DO
    if isinstance(error, NotInngestError):
        return UNKNOWN  # a proxy may have passed it on before it said so
    if not isinstance(error, InngestStatusError):
        return UNKNOWN if error.maybe_done else TO_DO
    if error.status == 429:
        return TO_DO
    return UNKNOWN if error.status >= 500 else REFUSED


def _concerns_all(error: InngestError | ValueError) -> bool:
    return _result(error) == TO_DO or isinstance(error, NotInngestError)


def held(api: object) -> InngestAPI:
    """Return the client that was passed in, or one of the environment's, for a plan to keep.

    The environment may name another server by the time that the plan is carried out.
    """
    if api is None:
        return InngestAPI()
    with opened(api) as given:
        return given


def each(
    doing: str, plural: str, items: Iterable[_Item], ask: Callable[[_Item], _Answer]
) -> list[_Answer]:
    """Ask something of each item, a few at a time, below a bar."""
    given = [*items]
    found = []
    with (
        progress(doing, plural, len(given)) as advance,
        closing(at_once(ask, given, _AT_ONCE)) as answers,
    ):
        for _, answer in answers:
            found.append(answer)
            advance(1)
    return found
