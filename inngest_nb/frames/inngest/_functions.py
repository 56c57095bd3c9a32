"""The functions of a real Inngest server."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from inngest_nb.api import Function, InngestAPI
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.inngest._asking import attrs_of, opened


def functions_frame(api: InngestAPI | None = None) -> pd.DataFrame:
    """Return a DataFrame with one row per function of the apps of a real Inngest server.

    Its columns are `app`, `function` (the short id), `name`, `events` and `cron` (what triggers it,
    several with commas between), `retries`, and `configuration`, the server's own as a dict.
    """
    with opened(api) as server:
        found = server.functions()
        made = pd.DataFrame(
            {
                "app": columns.text(each.app for each in found),
                "function": columns.text(each.function_id for each in found),
                "name": columns.text(each.name for each in found),
                "events": columns.text(_triggers(each, "EVENT") for each in found),
                "cron": columns.text(_triggers(each, "CRON") for each in found),
                "retries": columns.counts([each.retries for each in found]),
                "configuration": columns.payloads(each.configuration for each in found),
            }
        )
        made.attrs.update(attrs_of(server, None, None, datetime.now(UTC)))
    return made


def _triggers(function: Function, kind: str) -> str:
    return ", ".join(each.value for each in function.triggers if each.kind == kind)
