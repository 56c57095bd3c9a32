"""Looks whether the server is there, takes the key, and knows the functions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, NamedTuple, TypeVar

from inngest_nb.api import AsyncInngestAPI
from inngest_nb.errors import (
    InngestAuthError,
    InngestConnectionError,
    InngestError,
    InngestNotFoundError,
    InngestStatusError,
    NotInngestError,
)
from inngest_nb.worker._presence import Presence
from inngest_nb.worker._settings import WorkerSettings

_LOOK_SECONDS = 3.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
_UNUSABLE = (InngestAuthError, InngestConnectionError, NotInngestError)

_T = TypeVar("_T")


class Seen(NamedTuple):
    """Why the server cannot be used, or None; and whether it lists all functions of the app."""

    error: InngestError | None
    known: bool = False


class Watch:
    """Looks at the server, and waits; nothing of it outlasts the closing of the worker."""

    def __init__(self, settings: WorkerSettings, names: set[str], closing: asyncio.Event) -> None:
        self._api = AsyncInngestAPI(**settings.api_arguments(), timeout=_LOOK_SECONDS)
        self._app_id, self._names = settings.app_id, names
        self._event = closing
        self.closing = asyncio.ensure_future(closing.wait())

    def is_over(self) -> bool:
        """Tell whether the worker is to end."""
        return self._event.is_set()

    async def aclose(self) -> None:
        """Close the connections."""
        self.closing.cancel()
        await self._api.aclose()

    async def look(self) -> Seen:
        """Ask the server for the functions of the app."""
        return await self._unless_closing(self._look()) or Seen(None)

    async def until_there(self, presence: Presence) -> None:
        """Wait until the server answers and takes the key, or until the worker is closing."""
        pause = _SHORTEST_PAUSE
        while not self.is_over():
            error = (await self.look()).error
            if error is None:
                return
            presence.away(error)
            await self.pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def pause(self, seconds: float) -> None:
        """Wait for some seconds, or until the worker is closing."""
        await asyncio.wait((self.closing,), timeout=seconds)

    async def first(self, *waits: asyncio.Future[Any], within: float | None = None) -> None:
        """Wait until one of these is done, or the worker is closing, or so many seconds."""
        await asyncio.wait(
            (*waits, self.closing), timeout=within, return_when=asyncio.FIRST_COMPLETED
        )

    async def _unless_closing(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        task = asyncio.ensure_future(work)
        await self.first(task)
        if not task.done():
            await dropped(task)
            return None
        return task.result()

    async def _look(self) -> Seen:
        try:
            listed = await self._api.functions(self._app_id)
        except InngestNotFoundError:
            return Seen(None)
        except _UNUSABLE as error:
            return Seen(error)
        except InngestStatusError as error:
            return Seen(error if error.status >= 500 else None)
        except InngestError:  # it answers, in a way that this version of the package can't read
            return Seen(None)
        return Seen(None, known=self._names <= {each.function_id for each in listed})


async def dropped(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait for its end, whatever that is."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # which asyncio would otherwise report as never retrieved


async def ends(work: Awaitable[Any]) -> BaseException | None:
    """Wait for the end of something, and return what it raised."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001  # returned
        return error
    return None
