"""One look at a real Inngest server: what is wrong, what to do, and the rows behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from inngest_nb import words
from inngest_nb.api import InngestAPI, ServerHealth, checks
from inngest_nb.findings import Checkup, Finding, Level
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.health import _lines as lines
from inngest_nb.frames.health._apps import apps_frame, workers_finding
from inngest_nb.frames.health._failures import failures
from inngest_nb.frames.health._unfinished import Looked, Unfinished, frame_of, limit_text, look
from inngest_nb.frames.inngest import functions_frame
from inngest_nb.frames.inngest._asking import attrs_of, opened
from inngest_nb.store.http import is_loopback

_PATIENCE = timedelta(seconds=60)  # a run that could start starts within that
_OF_UNFINISHED = ("functions", "zombies", "limits", "queue")
_NEWER = "newer runs left out by limit="
_LAST_FAILURES = "only the last 500 failures, or the last 1,000 before that day, were compared"
_DEEP = 1_000  # items in a queue, from where new runs start late
_NAMES = {"dev": "an Inngest dev server", "self-hosted": "a self-hosted Inngest server"}


def checkup(api: InngestAPI | None = None, *, limit: int | None = 500) -> Checkup:
    """Check a real Inngest server, and say what to fix.

        found = inb.checkup()
        found["zombies"]          # the runs behind a line, as a DataFrame

    Finds zombies (runs that have not ended and have no job left), runs behind a limit, functions
    whose app is offline, apps without a worker, a deep queue, functions that fail more often than
    in the seven days before, the age of the oldest run (the server deletes nothing), and a
    self-hosted server that answers without a key. Nothing is changed.

    Each line has a frame of the same name, also where nothing was found: `server`, `access`,
    `workers`, `functions`, `zombies`, `limits`, `queue`, `failures`, `history`.

    `limit` is how many unfinished runs are looked at, the oldest first, None for all; each takes
    one request or two, all else about thirty at most. A line says if there are more, and so do
    `attrs`. Failures rise where at least 5 in the last day are more than twice as many a day as
    before, and chance would make that less than once in 1,000 (an exact test of two rates).

    An app counts as offline if a run of it could have started a minute ago and none has ended
    since. Only GraphQL shows which workers are connected; where it is off, a line says so. Raises
    `ValueError` for an argument that makes no sense, and `InngestError` as `api.runs` does.
    """
    checks.check_limit(limit)
    with opened(api) as server:
        return examine(server, limit, datetime.now(UTC))


def examine(api: InngestAPI, limit: int | None, now: datetime) -> Checkup:
    """Check a server as of a time."""
    client = _client(api)
    health = api.health()
    apps = api.apps()
    known = functions_frame(api)
    looked = look(api, limit, now)
    behind, limits, waiting = _by_limits(looked.runs, known, now)
    gone = [each for each in looked.runs if each.job is not None and _is_gone(each, known)]
    lost = {each.run.run_id for each in gone}
    untaken = _untaken(api, [each for each in waiting if each.run.run_id not in lost])
    first = _oldest(api)
    found = failures(api, first, now)
    workers, of_workers = workers_finding(api, apps)
    findings = [
        _server(api, health, len(apps), len(known)),
        _access(api, health),
        of_workers,
        *lines.functions(looked, gone, untaken, now),
        lines.zombies(looked, client),
        lines.limits(looked, behind, limits, now),
        _queue(health),
        *lines.rising(found, client),
        lines.oldest(first, now, client),
    ]
    frames = {
        "server": apps_frame(apps),
        "access": pd.DataFrame(
            {
                "path": columns.text(["/v0/gql"]),
                "answers_without_key": pd.array([health.is_open], dtype="boolean"),
            }
        ),
        "workers": workers,
        "functions": frame_of([*gone, *untaken], now),
        "zombies": frame_of(looked.zombies, now),
        "limits": frame_of(behind, now),
        "queue": _queued(looked),
        "failures": found.frame(),
        "history": pd.DataFrame({"oldest_at": columns.times(columns.microseconds([first]))}),
    }
    cut = dict.fromkeys(_OF_UNFINISHED if looked.truncated else (), _NEWER)
    if found.truncated:
        cut["failures"] = _LAST_FAILURES
    for name, frame in frames.items():
        frame.attrs.update(attrs_of(api, None, cut.get(name), now))
    return Checkup(tuple(findings), frames)


def _client(api: InngestAPI) -> tuple[str, ...]:
    """Return the line that makes `api` in code to copy; without one it is the reader's own."""
    return (f"api = {api.code}",) if api.code else ()


# Runs


def _by_limits(
    runs: Sequence[Unfinished], known: pd.DataFrame, now: datetime
) -> tuple[list[Unfinished], dict[str, str], list[Unfinished]]:
    """Part the runs that could have started into those behind a limit, and the others.

    Between them are the texts of the limits, by the names of their functions. A limit of runs at a
    time holds nobody up while no run of the function is under way.
    """
    busy = {(each.run.app, each.run.function) for each in runs if each.is_under_way}
    texts = {
        (row.app, row.function): limit_text(
            _object(row.configuration), is_busy=(row.app, row.function) in busy
        )
        for row in known.itertuples()
    }
    behind, said, waiting = [], {}, []
    for each in runs:
        since = each.waits_since()
        if since is None or since > now:
            continue
        run = each.run
        if text := texts.get((run.app, run.function)):
            behind.append(each)
            said[f"{words.short(run.app, 40)}/{words.short(run.function, 40)}"] = text
        elif since < now - _PATIENCE:
            waiting.append(each)
    return behind, said, waiting


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_gone(each: Unfinished, known: pd.DataFrame) -> bool:
    """Tell whether the app of a run tells its functions, and that of the run is not among them."""
    functions = known.loc[known["app"] == each.run.app, "function"]
    return len(functions) > 0 and each.run.function not in set(functions)


def _untaken(api: InngestAPI, waiting: Sequence[Unfinished]) -> list[Unfinished]:
    """Return the runs of apps of which no run has ended since these could have started."""
    last = {app: _last_end(api, app) for app in {each.run.app for each in waiting}}
    found = []
    for each in waiting:
        since, ended = each.waits_since(), last[each.run.app]
        if since is not None and (ended is None or ended < since):
            found.append(each)
    return found


def _last_end(api: InngestAPI, app: str) -> datetime | None:
    ended = api.runs(app=app, status=["completed", "failed"], by="ended_at", limit=1)
    return ended[0].ended_at if ended else None


def _oldest(api: InngestAPI) -> datetime | None:
    page = api.runs_page(order="oldest", limit=1)
    return page.runs[0].queued_at if page.runs else None


# The server


def _server(api: InngestAPI, health: ServerHealth, apps: int, functions: int) -> Finding:
    name = _NAMES.get(health.kind or "", "an Inngest server")
    counts = f"{words.count_text(apps, 'app')}, {words.count_text(functions, 'function')}"
    return Finding(Level.OK, "server", f"{api.base_url}: {name}; {counts}")


def _access(api: InngestAPI, health: ServerHealth) -> Finding:
    if health.is_open:
        return Finding(
            Level.TO_DO,
            "access",
            "GraphQL (/v0/gql) answers without a key: anyone who can reach this port can read, "
            "cancel and rerun every run",
            "let only trusted machines reach the port (a firewall, or a proxy that asks for a "
            "password), or start the server with `--no-ui`, which switches GraphQL and the "
            "dashboard off",
        )
    if health.kind == "dev":
        local = is_loopback(urlsplit(api.base_url).hostname)
        said = (
            "a dev server requires no key: anyone who can reach this port can start and cancel runs"
        )
        return Finding(Level.OK if local else Level.NOTE, "access", said)
    if health.is_open is None:
        return Finding(
            Level.NOTE,
            "access",
            "cannot tell whether GraphQL (/v0/gql) answers without a key: it refused the question",
            "try `inngest start --no-ui`, which switches it off, or let only trusted machines "
            "reach the port",
        )
    return Finding(Level.OK, "access", "GraphQL (/v0/gql) does not answer without a key")


def _queue(health: ServerHealth) -> Finding:
    if health.queue_depth is None:
        return Finding(Level.NOTE, "queue", "cannot tell how deep it is: /metrics has no figure")
    said = f"{words.count_text(health.queue_depth, 'item')} in the server's queue"
    if health.queue_depth <= _DEEP:
        return Finding(Level.OK, "queue", said)
    return Finding(
        Level.NOTE,
        "queue",
        said,
        "while thousands wait, new runs start late; more workers or a higher limit drain it faster",
    )


def _queued(looked: Looked) -> pd.DataFrame:
    """Return what the server will do next, by kind of job."""
    jobs = [each.job for each in looked.runs if each.job is not None]
    kinds = sorted({job.kind for job in jobs})
    due = [[job.at for job in jobs if job.kind == kind and job.at] for kind in kinds]
    return pd.DataFrame(
        {
            "job": columns.text(kinds),
            "runs": columns.counts([sum(job.kind == kind for job in jobs) for kind in kinds]),
            "next_due_at": columns.times(
                columns.microseconds(min(times, default=None) for times in due)
            ),
        }
    )
