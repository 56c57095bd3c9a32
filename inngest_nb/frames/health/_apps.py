"""The apps of a server, and the workers that are connected for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from inngest_nb import words
from inngest_nb.api import App, InngestAPI
from inngest_nb.findings import Finding, Level
from inngest_nb.frames.basics import _columns as columns

_NAMED = 3


def apps_frame(apps: Sequence[App]) -> pd.DataFrame:
    """Return a row per app."""
    return pd.DataFrame(
        {
            "app": columns.text(app.app_id for app in apps),
            "method": columns.text(app.method for app in apps),
            "functions": columns.counts([app.function_count for app in apps]),
            "url": columns.text(app.url for app in apps),
            "sdk": columns.text(app.sdk for app in apps),
            "created_at": columns.times(columns.microseconds(app.created_at for app in apps)),
        }
    )


def workers_finding(api: InngestAPI, apps: Sequence[App]) -> tuple[pd.DataFrame, Finding]:
    """Say which apps that connect have no worker; the frame counts those of each."""
    connecting = [app for app in apps if app.method.upper() == "CONNECT"]
    connected, because = connected_workers(api) if connecting else (Counter(), "")
    frame = apps_frame(connecting)
    frame["workers"] = columns.counts(
        [None if connected is None else connected.get(app.app_id, 0) for app in connecting]
    )
    if not connecting:
        return frame, Finding(Level.OK, "workers", "no app uses connect")
    names = [words.short(app.app_id) for app in connecting]
    if connected is None:
        said = f"cannot tell whether one is connected for {_named(names)}: {because}"
        return frame, Finding(Level.NOTE, "workers", said)
    idle = [words.short(app.app_id) for app in connecting if not connected.get(app.app_id)]
    if idle:
        said = f"none is connected for {_named(idle)}, so runs of its functions stay queued"
        cure = "start the app's worker; queued runs start about a second later"
        return frame, Finding(Level.TO_DO, "workers", said, cure)
    count = sum(connected.get(app.app_id, 0) for app in connecting)
    said = f"{words.count_text(count, 'worker')} connected for {_named(names)}"
    return frame, Finding(Level.OK, "workers", said)


def connected_workers(api: InngestAPI) -> tuple[Counter[str] | None, str]:
    """Count the connected workers of each app; None where the server does not tell, and why."""
    found = api.workers()
    if found.truncated:
        return None, words.short(found.because or "it has too many connections", 200)
    return Counter(worker.app for worker in found if worker.is_ready), ""


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
