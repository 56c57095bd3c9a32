"""The executor stand-in: it calls workers for its runs, and takes their answers.

What each opcode does is in `inngest_engine_opcodes`.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from inngest_engine_events import Events
from inngest_engine_jobs import Exchange, Job, request_of
from inngest_engine_opcodes import TooMuchError, retry_time, take_opcodes
from inngest_engine_runs import MOST_STEPS, Function, Ids, Json, Run
from inngest_engine_serve import HttpServe
from inngest_engine_time import RealTime, VirtualTime
from inngest_engine_transport import Answer, Transport, WorkerLostError

# The waits before another attempt; the last one stays. Each gets up to 30 s more.
_BACKOFF = (15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200)
_JITTER = 30


class Executor:
    """Keeps runs and does their jobs. All of it happens on one thread."""

    def __init__(
        self,
        time: RealTime | VirtualTime,
        seed: random.Random,
        retry_interval: float | None,
        lag: timedelta,
    ) -> None:
        self.time, self.ids = time, Ids(time.now, seed)
        self._random, self._retry_interval = seed, retry_interval
        self.functions: dict[str, Function] = {}
        self.runs: dict[str, Run] = {}
        self.events = Events(self, lag)
        self.exchanges: list[Exchange] = []
        self._transports: dict[str, list[Transport]] = defaultdict(list)
        self._left: list[HttpServe] = []  # addresses that apps have no more
        self._kept: list[Job] = []  # until a worker of their app registers
        self._calls: set[asyncio.Task[None]] = set()
        self.answers = 0
        self.errors: list[Exception] = []  # of the stand-in itself, or of a transport
        self.changed: Callable[[], None] = lambda: None

    # Workers

    def register(self, app: str, functions: Iterable[Json], transport: Transport) -> None:
        """Take a worker's functions; those that the app had and has no more are gone.

        An app has one address: with HTTP serve, the one that was registered last.
        """
        self.functions = {k: f for k, f in self.functions.items() if f.app != app}
        self.functions |= {config["id"]: Function(app, config) for config in functions}
        known = self._transports[app]
        if isinstance(transport, HttpServe):
            self._left += [old for old in known if isinstance(old, HttpServe) and old != transport]
            known[:] = [each for each in known if each not in self._left]
        if transport not in known:  # which an address is that registers again
            known.append(transport)
        kept, self._kept = self._kept, []
        for job in kept:
            self._plan(job)

    def unregister(self, transport: Transport) -> None:
        """Forget a worker. Its functions stay, and their runs wait."""
        for transports in self._transports.values():
            if transport in transports:
                transports.remove(transport)

    # Runs

    def start(
        self,
        function: Function,
        events: list[Json],
        event_ids: list[str],
        *,
        parent: tuple[Run, str] | None = None,
        original: str | None = None,
    ) -> Run:
        """Queue a run."""
        now = self.time.now()
        run = Run(self.ids.new(), function, events, event_ids, now, original, parent)
        self.runs[run.id] = run
        self.enqueue(Job(run, "start", "start", now))
        return run

    def enqueue(self, job: Job) -> None:
        """Plan a job, unless the run has had one of this key."""
        if job.key not in job.run.jobs:
            job.run.jobs.add(job.key)
            self._plan(job)

    def _plan(self, job: Job) -> None:
        job.run.planned[job.key] = job
        job.entry = self.time.add(job.at, lambda: self._safely(job.run, lambda: self.begin(job)))

    def _safely(self, run: Run, do: Callable[[], None]) -> None:
        """Do something for a run. What is wrong with the stand-in is told to who waits for it."""
        try:
            do()
        except Exception as error:  # noqa: BLE001
            self.errors.append(error)
            if not run.ended.done():
                run.ended.set_exception(error)

    def drop(self, job: Job) -> None:
        """Take back a job."""
        if job.entry is not None:
            job.entry.cancel()
        job.run.planned.pop(job.key, None)

    def discover(self, run: Run, after: str, *, is_race: bool, suffix: str = "") -> None:
        """Ask the function what comes next, if it is time: nothing is pending, or it is a race."""
        if not run.pending or is_race:
            run.plans_all = run.plans_all and run.version < 2
            job = Job(run, after + suffix, "edge", self.time.now(), after, is_race=is_race)
            self.enqueue(job)

    def begin(self, job: Job) -> None:
        """Do a job that is due."""
        run = job.run
        run.planned.pop(job.key, None)
        if run.is_over:
            return
        if job.kind == "pause":
            self.events.time_out(run, job.after)
            return
        plans_all = run.plans_all
        if job.kind == "sleep" and job.attempt == 0:
            run.save(job.after, None, self.time.now())
            if run.pending and not job.is_race:
                return
            run.plans_all = run.plans_all and run.version < 2
        if len(run.steps) >= MOST_STEPS:
            self._overflow(run)
            return
        transports = self._transports[run.function.app]
        if not transports:
            self._keep(job)
            return
        transports.append(transports.pop(0))  # round robin
        self._send(job, transports[-1], plans_all=plans_all)

    def _keep(self, job: Job) -> None:
        self._kept.append(job)

    def _send(self, job: Job, transport: Transport, *, plans_all: bool) -> None:
        run = job.run
        body = request_of(job, self.ids.new(), plans_all=plans_all)
        exchange = Exchange(run.id, run.function.slug, job.step, body)
        self.exchanges.append(exchange)
        if run.started_at is None:
            run.started_at, run.status = self.time.now(), "RUNNING"
        run.in_flight += 1
        job.sent_at = self.time.now()
        self.time.began()
        # A worker of this loop may have planned this: what it has in its context is not ours.
        context, call = contextvars.Context(), self._call(job, transport, exchange)
        task = asyncio.get_running_loop().create_task(call, context=context)
        self._calls.add(task)
        self.changed()
        task.add_done_callback(self._calls.discard)

    async def _call(self, job: Job, transport: Transport, exchange: Exchange) -> None:
        take: Callable[[], None]
        try:
            answer = await transport.call(exchange.function, exchange.step, exchange.body)
        except WorkerLostError as error:
            exchange.is_lost = True
            lost = error
            take = lambda: self._lost(job, lost)  # noqa: E731
        except Exception as error:  # noqa: BLE001  # of the transport, or a test's own worker
            wrong = error
            take = lambda: _raise(wrong)  # noqa: E731
        else:
            exchange.answer = answer
            take = lambda: self._take(job, answer)  # noqa: E731
        self.answers += 1
        exchange.answered = self.answers
        self.time.answered(lambda: self._safely(job.run, take))
        self.changed()

    async def close(self) -> None:
        """Give up the requests that are in flight."""
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        for transport in [*self._left, *itertools.chain(*self._transports.values())]:
            if isinstance(transport, HttpServe):
                await transport.close()

    # Answers

    def _take(self, job: Job, answer: Answer) -> None:
        run = job.run
        run.in_flight -= 1
        if run.is_over:
            return  # canceled meanwhile: the answer is nobody's
        no_retry = answer.headers.get("x-inngest-no-retry") == "true"
        if answer.status == 206:
            try:
                self._retry_step(job, answer, no_retry=no_retry)
            except TooMuchError as error:
                self.finish(run, "FAILED", {"error": error.body})
        elif 200 <= answer.status < 300:
            self.finish(run, "COMPLETED", answer.body)
        elif no_retry or not self._retry(job, retry_time(answer)):
            self.finish(run, "FAILED", answer.body)

    def _retry_step(self, job: Job, answer: Answer, *, no_retry: bool) -> None:
        can_retry = not no_retry and job.attempt + 1 < job.run.function.attempts
        if take_opcodes(self, job, answer, can_retry=can_retry):
            return
        if not self._retry(job, retry_time(answer)):
            said = "step output size is greater than the limit"
            self.finish(job.run, "FAILED", {"error": said, "name": "Error", "message": said})

    def _lost(self, job: Job, error: WorkerLostError) -> None:
        job.run.in_flight -= 1
        if job.run.is_over:
            return
        if error.unassigned:
            self._keep(job)
        elif not self._retry(job, None):
            text = f"{error.code}: {error}" if error.code else str(error)
            body = {"error": text, "name": error.code or "Error", "message": str(error)}
            self.finish(job.run, "FAILED", {"error": body} if error.code else body)

    def _retry(self, job: Job, at: datetime | None) -> bool:
        """Plan another attempt; False if there is none left."""
        if job.attempt + 1 >= job.run.function.attempts:
            return False
        if at is None:
            at = self.time.now() + self._backoff(job.attempt)
        self._plan(replace(job, at=at, attempt=job.attempt + 1))
        return True

    def _backoff(self, attempt: int) -> timedelta:
        if self._retry_interval is not None:
            return timedelta(seconds=self._retry_interval)
        base = _BACKOFF[min(attempt, len(_BACKOFF) - 1)]
        return timedelta(seconds=base + self._random.uniform(0, _JITTER))

    def _overflow(self, run: Run) -> None:
        text = f"The function run exceeded the step limit of {MOST_STEPS} steps."
        error = TooMuchError("function has too many steps", "InngestErrFunctionOverflowed", text)
        self.finish(run, "FAILED", {"error": error.body})

    # Ends

    def cancel(self, run: Run) -> None:
        """Cancel a run. Its step in flight ends, and its code is not called again."""
        self.finish(run, "CANCELLED", None)

    def finish(self, run: Run, status: str, output: Any) -> None:
        """End a run, and tell those who wait for it."""
        run.status, run.output, run.ended_at = status, output, self.time.now()
        run.waits.clear()
        for job in [*run.planned.values()]:
            self.drop(job)
        if not run.ended.done():
            run.ended.set_result(run)
        self.events.tell_end(run)
        self.changed()


def _raise(error: Exception) -> None:
    raise error
