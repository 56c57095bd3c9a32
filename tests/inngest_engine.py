"""A stand-in for the executor of a real Inngest: an HTTP server that keeps runs and calls workers.

    with InngestEngine() as inngest:              # real time; workers register at `inngest.url`
        inngest.send("nb/order.requested", {"workflow_id": "a-1", "input": 1})

    with InngestEngine(virtual=True) as inngest:  # time skips to what is due next
        worker = ...(clock=inngest.clock)

What it does with a run is what the recordings of a real one show, and what that one's source says.
Workers that speak HTTP serve register themselves (`POST /fn/register`); any other way to call
workers is a `Transport`, given to `register`.

Not there: batches of events, cron, debounce, rate limits, singletons, priorities, concurrency limits
of functions, `step.ai`, GraphQL, and reruns from a step. A run is called again at once, where the
real server takes 150 ms.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

from canned_server import Answer as Said
from canned_server import CannedServer, Seen
from inngest_engine_executor import Executor
from inngest_engine_face import Face
from inngest_engine_jobs import Exchange
from inngest_engine_runs import Json, Run
from inngest_engine_time import RealTime, VirtualTime
from inngest_engine_transport import Answer, Transport, WorkerLostError
from inngest_replay import Kind

__all__ = ["Answer", "Exchange", "InngestEngine", "Run", "Transport", "WorkerLostError"]

T = TypeVar("T")


class InngestEngine:
    """The stand-in, while the `with` block lasts.

    `kind="cloud"` asks for the keys of `story_server`. `retry_interval` is the real server's flag,
    in seconds; without it the second attempt comes after 15 to 45 s. `lag` is after how many seconds
    v1 lists an event, 0.2 on the real one; runs get it at once. `start` is when virtual time begins,
    by default now. `shuffle` draws which answer is taken next, in virtual time only.
    """

    def __init__(
        self,
        kind: Kind = "dev",
        *,
        virtual: bool = False,
        start: datetime | None = None,
        shuffle: random.Random | None = None,
        retry_interval: float | None = None,
        lag: float = 0,
        port: int = 0,
    ) -> None:
        if shuffle is not None and not virtual:
            raise ValueError("shuffle needs virtual=True")
        self.loop = asyncio.new_event_loop()
        begin = start or datetime.now(UTC)
        self.clock = VirtualTime(self.loop, begin, shuffle) if virtual else RealTime(self.loop)
        self._changed = threading.Condition()
        seed = random.Random(0) if virtual else random.Random()
        self.executor = Executor(self.clock, seed, retry_interval, timedelta(seconds=lag))
        self.executor.changed = self._notice
        self.face = Face(self.executor, kind, caches=not virtual)
        self.mounted: dict[str, Callable[[Seen], Said | None]] = {}  # by how paths begin
        self._server = CannedServer(self._answer, port)
        self.url = self._server.url
        self._thread = threading.Thread(target=self._run, name="inngest-engine", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server.__enter__()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._server.__exit__()
        asyncio.run_coroutine_threadsafe(self.executor.close(), self.loop).result(60)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        if kind is None and self.executor.errors:
            raise self.executor.errors[0]

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        asyncio.set_event_loop(None)

    def _answer(self, seen: Seen) -> Said | None:
        for prefix, answer in list(self.mounted.items()):
            if seen.target.startswith(prefix):
                return answer(seen)
        return self.do(lambda: self.face.answer(seen))

    def do(self, call: Callable[[], T]) -> T:
        """Call a function on the stand-in's thread, where all that it keeps may be touched."""
        if threading.current_thread() is self._thread:
            return call()
        done: Future[T] = Future()

        def work() -> None:
            try:
                done.set_result(call())
            except BaseException as error:  # noqa: BLE001  # it is the caller's
                done.set_exception(error)

        self.loop.call_soon_threadsafe(work)
        return done.result(60)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Call a function on the stand-in's thread after a delay of its time."""
        when = self.clock.now() + timedelta(seconds=seconds)
        self.do(lambda: self.clock.add(when, call))

    def _notice(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until something holds, which is asked again after each request, answer and end."""
        with self._changed:
            if not self._changed.wait_for(holds, seconds):
                raise TimeoutError(f"it did not come within {seconds:g} s")

    # Workers

    def register(self, app: str, functions: Iterable[Json], transport: Transport) -> None:
        """Take the functions of an app, whose workers `transport` calls."""
        self.do(lambda: self.executor.register(app, functions, transport))

    def note_sync(self, app: str, **about: Any) -> None:
        """Note how the app was registered last, for who asks about it."""
        self.do(lambda: self.face.note_sync(app, **about))

    def unregister(self, transport: Transport) -> None:
        """Forget a transport. Runs of an app that has none wait as QUEUED."""
        self.do(lambda: self.executor.unregister(transport))

    def go_away(self) -> None:
        """Answer nobody any more, as a server that is down; runs go on with workers that serve."""
        self._server.__exit__()

    def come_back(self) -> None:
        """Answer again, at the same address."""
        self._server = CannedServer(self._answer, int(self.url.rpartition(":")[2]))
        self._server.__enter__()

    # Runs

    @property
    def requests(self) -> list[Exchange]:
        """All executor requests, in the order in which they were sent."""
        return self.executor.exchanges

    def send(self, name: str, data: Json | None = None, **more: Any) -> str:
        """Send an event; return its id."""
        event = {"name": name, "data": data or {}, **more}
        return self.do(lambda: self.executor.events.send(event))

    def run_of(self, event_id: str) -> Run:
        """Return the run that an event started."""
        return self.do(lambda: self.executor.events.runs_of[event_id][0])

    def invoke(self, slug: str, data: Json | None = None, key: str = "") -> Run:
        """Start a run of the function `<app>-<function>`."""

        def start() -> Run:
            function = self.executor.functions[slug]
            return self.executor.events.invoke_by_name(function, data or {}, key)[0]

        return self.do(start)

    def ended(self, run: Run | str, seconds: float = 30) -> Run:
        """Wait until a run has ended; raise `TimeoutError` if it does not."""
        found = run if isinstance(run, Run) else self.do(lambda: self.executor.runs[run])
        return found.ended.result(seconds)
