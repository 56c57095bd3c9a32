"""A worker that connects to the server's gateway: it opens no port, and registers by connecting.

The SDK keeps a connection through short breaks. After five failed attempts, about 25 seconds, it
gives up for good; then a new connection is made as soon as the server answers again.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import inngest
from inngest.connect import ConnectionState, connect

from inngest_nb.errors import InngestConnectionError
from inngest_nb.worker._presence import Presence
from inngest_nb.worker._settings import WorkerSettings
from inngest_nb.worker.transports._sdk import given_up, in_hand
from inngest_nb.worker.transports._watch import Watch, dropped, ends

# A gateway that is replaced by another is not worth a word.
_QUIET_SECONDS = 3.0
_LOOK_SECONDS = 1.0
# The SDK tries again every 5 seconds. If it isn't there by then, something is stuck.
_STUCK_SECONDS = 7.0
_LONGEST_PAUSE = 4.0


async def serve_connect(
    client: inngest.Inngest,
    functions: list[inngest.Function[Any]],
    settings: WorkerSettings,
    presence: Presence,
    watch: Watch,
) -> None:
    """Connect, and connect again, until the worker is closing; then wait for what runs."""
    left: set[asyncio.Task[None]] = set()  # connections that are over, with functions that run
    pause = 0.0
    try:
        while not watch.is_over():
            await watch.until_there(presence)
            if watch.is_over():
                break
            link = _Link(client, functions, settings)
            left.add(link.life)
            link.life.add_done_callback(left.discard)
            try:
                was_active = await _follow(link, settings, presence, watch)
            finally:
                await link.close()
            pause = 0.0 if was_active else min(pause * 2 + 0.5, _LONGEST_PAUSE)
            await watch.pause(pause)
    finally:
        if left:
            await asyncio.wait(left)


async def _follow(link: _Link, settings: WorkerSettings, presence: Presence, watch: Watch) -> bool:
    """Follow a connection until it is over or the worker is closing; say whether it was active."""
    was_active = False
    while await _becomes_active(link, settings, presence, watch):
        was_active = True
        presence.active()
        lost = link.until(ConnectionState.RECONNECTING)
        await watch.first(lost, link.life, link.gave_up)
        await dropped(lost)
        if not link.goes_on or watch.is_over():
            break
    return was_active


async def _becomes_active(
    link: _Link, settings: WorkerSettings, presence: Presence, watch: Watch
) -> bool:
    """Wait until a connection is active; False if it is over, stuck, or the worker is closing."""
    active = link.until(ConnectionState.ACTIVE)
    answered: float | None = None  # since when the server answers, while the connection doesn't
    quiet = _QUIET_SECONDS
    try:
        while True:
            await watch.first(active, link.life, link.gave_up, within=quiet)
            if active.done() or watch.is_over():
                return not watch.is_over()
            seen = await watch.look()
            quiet = _LOOK_SECONDS
            if seen.error is not None:
                presence.away(seen.error)
                answered = None
            elif not link.goes_on:
                presence.away(_unreached(settings, link.reason))
            else:
                answered = answered or time.monotonic()
                if time.monotonic() - answered > _STUCK_SECONDS and not link.in_hand:
                    presence.away(_unreached(settings, "the connection is not ready"))
                    return False
            if not link.goes_on:
                return False
    finally:
        await dropped(active)


def _unreached(settings: WorkerSettings, why: str) -> InngestConnectionError:
    url = settings.server.url
    return InngestConnectionError(
        f"inngest connect: {url} answers, but connecting to its gateway failed: "
        f"{settings.server.hidden(why) or 'the connection was closed'}",
        operation="connect",
        target=url,
        hint="the gateway is usually at port 8289; via='http' needs none",
    )


class _Link:
    """One connection of the SDK's, from its start to the end of the last function."""

    def __init__(
        self,
        client: inngest.Inngest,
        functions: list[inngest.Function[Any]],
        settings: WorkerSettings,
    ) -> None:
        self._connection = connect(
            [(client, functions)],
            instance_id=settings.instance_id,
            shutdown_signals=[],  # those of a notebook's kernel are not ours
            max_worker_concurrency=settings.concurrency,
        )
        self.life = asyncio.ensure_future(self._live())
        self.gave_up = asyncio.ensure_future(given_up(self._connection))
        self.reason = ""

    async def _live(self) -> None:
        error = await ends(self._connection.start())
        self.reason = self.reason or str(error or "")

    @property
    def goes_on(self) -> bool:
        """Whether the SDK still keeps the connection, or tries to."""
        if self.gave_up.done() and not self.gave_up.cancelled():
            self.reason = self.reason or self.gave_up.result()
            return False
        return not self.life.done()

    @property
    def in_hand(self) -> int:
        """How many requests are not answered yet."""
        return in_hand(self._connection)

    def until(self, state: ConnectionState) -> asyncio.Future[Any]:
        """Return a future that is done when the connection comes into a state."""
        return asyncio.ensure_future(self._connection.wait_for_state(state))

    async def close(self) -> None:
        """Ask for no more requests; those in hand are still answered, for which `life` waits."""
        await asyncio.sleep(0)  # one that has not begun could not be closed
        await self._connection.close()
        await dropped(self.gave_up)
