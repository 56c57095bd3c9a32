"""The runs of a real Inngest server behind the store protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NoReturn, Self

from msgspec.structs import replace

from inngest_nb.api._client import InngestAPI
from inngest_nb.api._given import check_api
from inngest_nb.api.basics._checks import check_ulid
from inngest_nb.api.basics._quirks import STATUSES
from inngest_nb.api.basics._values import Run, keep_partial
from inngest_nb.api.reading._starts import begun, begun_pages
from inngest_nb.api.reading._windows import runs_in
from inngest_nb.api.states._listing import in_order, newest
from inngest_nb.api.states._states import state_of
from inngest_nb.errors import (
    InngestAuthError,
    InngestDecodeError,
    InngestError,
    InngestNotFoundError,
    InngestStatusError,
    ReadOnlyStoreError,
)
from inngest_nb.progress import progress
from inngest_nb.state import WorkflowState, WorkflowStatus
from inngest_nb.store import Head, States, Write
from inngest_nb.store.ids import check_id
from inngest_nb.store.rows import check_limit, status_text

_AT_ONCE = 4  # traces; more is no faster
_SCHEDULING = timedelta(seconds=5)  # a run is in lists by a time that is hardly later than its id


class RunStore:
    """The runs of a real Inngest server as workflows, for every view that takes a store.

        runs = inb.RunStore()                      # of the server that the environment names
        inb.frame(runs, status="failed", limit=50)
        inb.timeline(runs.load(run_id))

    A run's `workflow_id` is its run_id. Its status is queued, running, completed, failed or
    canceled. `created_at` is when it was scheduled (for a canceled run, when it was first executed)
    and `updated_at` when it ended, or was scheduled while it has not: the times of `search_runs`.
    `input` is the event that triggered it, or the list of a batch. The history comes from the
    trace: steps are activities, and what the function does by itself is an activity of its name;
    sleeps, and waits that timed out, are timers; waits that got their event are signals. Retries
    are attempts.

    `fetch` reads a trace for each run, four at a time, so ask for a `limit`; `list` does the same,
    since nothing is kept here. `heads` reads no traces. A run whose trace cannot be read is left
    out, and the list's `unreadable` says why. Integers above 2^53 lose digits in traces and lists,
    but not in the `result` of a run that was loaded.

    Runs can only be read: `save`, `delete` and `append_history` raise `ReadOnlyStoreError`, which
    says what to use instead. What the server refuses raises `InngestError`, as `api` does. `api` is
    an `InngestAPI`, which stays open on `close`, by default one with the environment's settings.
    """

    def __init__(self, api: InngestAPI | None = None) -> None:
        self._own = api is None
        self.api = InngestAPI() if api is None else check_api(api)

    def __repr__(self) -> str:
        return f"RunStore({self.api.base_url!r})"

    def load(self, workflow_id: str) -> WorkflowState | None:
        """Return a run by its run_id, or None if the server does not have it."""
        check_id(workflow_id)
        try:
            run_id = check_ulid(workflow_id, "workflow_id")
        except ValueError:
            return None  # a server has no other ids
        if run_id != run_id.upper():
            return None
        try:
            run, trace = self.api.run(run_id), self.api.trace(run_id)
        except InngestNotFoundError:
            return None
        return state_of(self._as_listed(run), trace)

    def fetch(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Read runs with their traces, the newest change first, at most `limit` (0 means all).

        If it is interrupted, or the server fails, the error's `partial` has what was read.
        """
        found = begun(self.api, self._runs(status, limit, output=True))
        runs = {run.run_id: run for run in found}
        return self._at_once(lambda run_id: self._whole(runs[run_id]), [*runs])

    def refresh(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> int:
        """Return the number of runs that `fetch` would read; `list` is always up to date."""
        return len(self._runs(status, limit))

    def heads(self, status: WorkflowStatus | str | None = None, limit: int = 0) -> Sequence[Head]:
        """Return the heads of runs in the order of `fetch`, without reading their traces."""
        runs = begun(self.api, self._runs(status, limit))
        return [Head.of(state_of(run)) for run in runs]

    def newest(self, count: int) -> list[WorkflowState]:
        """Return the runs that changed last; their histories have only beginning and end."""
        return [state_of(run) for run in begun(self.api, newest(self.api, count, output=True))]

    def load_many(self, workflow_ids: Iterable[str]) -> States:
        """Return runs by their ids, each with its trace, without those that are not there."""
        return self._at_once(self.load, [*workflow_ids])

    def changed_since(self, since: datetime) -> list[WorkflowState]:
        """Return the runs that did anything since then, with histories as those of `newest`."""
        found = self.api.runs(since=since, by="ended_at", output=True, limit=None)
        return [state_of(run) for run in begun(self.api, found)]

    def pages(self) -> Iterator[list[WorkflowState]]:
        """Yield all runs page by page, the newest first, with histories as those of `newest`.

        Canceled runs come later than others of their time.
        """
        for page in begun_pages(self.api, runs_in(self.api, None, None, None, output=True)):
            yield [state_of(run) for run in page]

    # What a server does not let anybody do

    def save(self, state: WorkflowState, *, force: bool = False) -> None:
        """Raise `ReadOnlyStoreError`: nobody can change a run."""
        self._refuse(
            "save",
            state.workflow_id,
            "api.rerun(run_id) reruns it, with from_step= and input= also from a step with "
            "another input; api.cancel(run_id) stops it; to edit a copy, save it to another store, "
            "such as inb.local()",
        )

    def delete(self, workflow_id: str) -> None:
        """Raise `ReadOnlyStoreError`: a server keeps its runs."""
        self._refuse("delete", workflow_id, "api.cancel(run_id) stops a run that has not ended")

    def can_append(self) -> bool:
        """Return False: only the server writes histories."""
        return False

    def append_history(self, writes: Sequence[Write]) -> NoReturn:
        """Raise `ReadOnlyStoreError`: only the server writes histories."""
        first = next((write.workflow_id for write in writes), "")
        self._refuse(
            "append_history",
            first,
            "api.send(name, data) sends an event, which starts runs and ends waits",
        )

    def _refuse(self, operation: str, workflow_id: str, hint: str) -> NoReturn:
        raise ReadOnlyStoreError(
            f"{operation}: runs of a real Inngest server can only be read",
            operation=operation,
            workflow_id=workflow_id,
            target=self.api.base_url,
            hint=f"{hint} (api is this store's `api`)",
        )

    # The connection

    def close(self) -> None:
        """Close the connections; an `api` that you passed in stays open."""
        if self._own:
            self.api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Reading

    def _runs(
        self, status: WorkflowStatus | str | None, limit: int, *, output: bool = False
    ) -> list[Run]:
        check_limit(limit)
        word = status_text(status)
        if word is not None and word not in STATUSES:
            return []
        if limit:
            return newest(self.api, limit, word, output=output)
        pages = runs_in(self.api, None, None, None, status=word, output=output)
        return in_order(run for page in pages for run in page)

    def _as_listed(self, run: Run) -> Run:
        """Give a run its times in lists, which count from its scheduling and are more exact."""
        if run.queued_at is None:
            return run
        found = self.api.runs(
            app=run.app or None,
            function=run.function or None,
            since=run.queued_at,
            until=run.queued_at + _SCHEDULING,
            order="oldest",
            limit=200,
        )
        for listed in found:
            if listed.run_id == run.run_id and listed.status == run.status:
                (same,) = begun(self.api, [listed])
                return replace(run, started_at=same.started_at, ended_at=same.ended_at)
        return run

    def _at_once(
        self, read: Callable[[str], WorkflowState | None], run_ids: Sequence[str]
    ) -> States:
        """Read runs, a few at a time; one that cannot be read is left out, with the reason."""
        pool = ThreadPoolExecutor(_AT_ONCE)
        answers = [(run_id, pool.submit(read, run_id)) for run_id in run_ids]
        try:
            with progress("Reading traces", "runs", len(run_ids)) as advance:
                for _, answer in answers:
                    failure = answer.exception()
                    if failure is not None and not _is_of_one_run(failure):
                        raise failure
                    advance(1)
        except (KeyboardInterrupt, InngestError) as error:
            pool.shutdown(cancel_futures=True)
            # Of those that were asked for meanwhile, too: they need not come in their order.
            keep_partial(error, _states_of(answers), "run")
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return _states_of(answers)

    def _whole(self, run: Run) -> WorkflowState:
        return state_of(run, self.api.trace(run.run_id))

    def list(
        self, status: WorkflowStatus | str | None = None, limit: int = 0
    ) -> list[WorkflowState]:
        """Return what `fetch` returns."""
        return self.fetch(status, limit)


def _states_of(answers: Sequence[tuple[str, Future[WorkflowState | None]]]) -> States:
    """Return the runs that were read, and why others could not be."""
    states = States()
    for run_id, answer in answers:
        if answer.cancelled():
            continue
        failure = answer.exception()
        if failure is not None and _is_of_one_run(failure):
            states.unreadable[run_id] = str(failure)
        elif failure is None and (state := answer.result()) is not None:
            states.append(state)
    return states


def _is_of_one_run(failure: BaseException) -> bool:
    """Tell whether a failure says nothing of other runs."""
    refused = isinstance(failure, InngestAuthError)
    return isinstance(failure, InngestDecodeError | InngestStatusError) and not refused
