"""What the async store makes of many requests at once: beside one at a time, and the blocking one.

All talk to one state server in a process of its own; each save is on disk before it is answered.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from alternating import judge, measure, show
from served import state_server

from inngest_nb import AsyncInngestStore, InngestStore, WorkflowState

ROUNDS, REQUESTS = 15, 512
STATE = WorkflowState(workflow_id="async", status="running", input={"order": 42, "note": "x" * 500})  # type: ignore[arg-type]


class Async:
    """An async store that does many loads or saves, so many of them at once."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop, at_once: int) -> None:
        self._store = AsyncInngestStore(url)
        self._loop = loop
        self._at_once = at_once

    def load(self) -> None:
        """Load one state many times."""
        self._loop.run_until_complete(self._many(save=False))

    def save(self) -> None:
        """Save many states."""
        self._loop.run_until_complete(self._many(save=True))

    def close(self) -> None:
        """Close the connections."""
        self._loop.run_until_complete(self._store.aclose())

    async def _many(self, *, save: bool) -> None:
        numbers = iter(range(REQUESTS))

        async def work() -> None:
            for number in numbers:
                if save:
                    await self._store.save(STATE.replace(workflow_id=f"async/{number}"))
                else:
                    await self._store.load(STATE.workflow_id)

        await asyncio.gather(*(work() for _ in range(self._at_once)))


def main() -> None:
    """Compare loads and saves, 1, 32 and 512 at once."""
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as folder, state_server(Path(folder) / "s.db") as url:
        with InngestStore(url) as blocking:
            blocking.save(STATE)

            def load() -> None:
                for _ in range(REQUESTS):
                    blocking.load(STATE.workflow_id)

            def save() -> None:
                for number in range(REQUESTS):
                    blocking.save(STATE.replace(workflow_id=f"blocking/{number}"))

            stores = {count: Async(url, loop, count) for count in (1, 32, 512)}
            for verb, waiting in (("load", load), ("save", save)):
                works = {f"blocking, {verb}": waiting} | {
                    f"async, {verb}, {count} at once": getattr(store, verb)
                    for count, store in stores.items()
                }
                times = measure(works, rounds=ROUNDS, units=REQUESTS)
                show(times)
                one = times[f"async, {verb}, 1 at once"]
                for count in (32, 512):
                    many = times[f"async, {verb}, {count} at once"]
                    name = f"store.async.{verb}.{count}_at_once"
                    judge(f"{name}.beside_one", many, one, goal=1)
                    judge(f"{name}.beside_blocking", many, times[f"blocking, {verb}"], goal=0.5)
            for store in stores.values():
                store.close()
    loop.close()


if __name__ == "__main__":
    main()
