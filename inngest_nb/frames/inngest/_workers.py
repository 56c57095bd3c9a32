"""The workers that are connected to a real Inngest server."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pandas as pd

from inngest_nb.api import InngestAPI
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.inngest._asking import attrs_of, opened


def workers_frame(api: InngestAPI | None = None) -> pd.DataFrame:
    """Return a DataFrame with one row per connection of a worker to a real Inngest server.

    Its columns are `worker_id` (of the connection), `app`, `instance_id` (the worker's own name),
    `status` (categorical; ready while it takes runs), `connected_at`, `last_heartbeat_at`,
    `disconnected_at` (UTC), `disconnect_reason`, `functions` (how many), `max_concurrency` (missing
    where there is no limit) and `sdk`. The last connection comes first.

    Workers of apps which the server calls over HTTP (the method SERVE) have no connections. Where
    the server's GraphQL is off, nobody can tell: the frame is empty, `attrs["truncated"]` is True,
    and `attrs["truncated_because"]` says why.
    """
    with opened(api) as server:
        found = server.workers()
        words = columns.WORKER_WORDS
        made = pd.DataFrame(
            {
                "worker_id": columns.text(each.worker_id for each in found),
                "app": columns.text(each.app for each in found),
                "instance_id": columns.text(each.instance_id for each in found),
                "status": columns.words((each.status for each in found), words),
                "connected_at": _times(each.connected_at for each in found),
                "last_heartbeat_at": _times(each.last_heartbeat_at for each in found),
                "disconnected_at": _times(each.disconnected_at for each in found),
                "disconnect_reason": columns.text(each.disconnect_reason for each in found),
                "functions": columns.counts([each.function_count for each in found]),
                "max_concurrency": columns.counts([each.max_concurrency for each in found]),
                "sdk": columns.text(each.sdk for each in found),
            }
        )
        made.attrs.update(attrs_of(server, None, found.because, datetime.now(UTC)))
    return made


def _times(moments: Iterable[datetime | None]) -> pd.DatetimeIndex:
    return columns.times(columns.microseconds(moments))
