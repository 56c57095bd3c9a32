"""`workers_frame`."""

from __future__ import annotations

import pandas as pd
import pytest
from story_server import StoryServer

import inngest_nb as inb
from inngest_nb import InngestAPI

TIME = "datetime64[us, UTC]"
WORKERS = {
    "worker_id": "str",
    "app": "str",
    "instance_id": "str",
    "status": "category",
    "connected_at": TIME,
    "last_heartbeat_at": TIME,
    "disconnected_at": TIME,
    "disconnect_reason": "str",
    "functions": "Int64",
    "max_concurrency": "Int64",
    "sdk": "str",
}


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def test_each_connected_worker_is_a_row(api: InngestAPI) -> None:
    rows = inb.workers_frame(api)
    assert dtypes(rows) == WORKERS
    (row,) = rows.to_dict("records")
    assert (row["app"], row["status"], row["functions"]) == ("nb-lab-connect", "ready", 21)
    assert row["connected_at"].isoformat() == "2026-11-22T19:22:35.346000+00:00"
    assert pd.isna(row["max_concurrency"])
    assert pd.isna(row["disconnected_at"])
    assert (rows.attrs["truncated"], rows.attrs["truncated_because"]) == (False, None)
    assert "1 worker, as of" in rows.wf._repr_html_()


def test_without_workers_columns_are_the_same() -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        inngest.graphql.workers = []
        rows = inb.workers_frame(api)
    assert (dtypes(rows), len(rows), rows.attrs["truncated"]) == (WORKERS, 0, False)
    assert list(rows["status"].cat.categories) == ["ready"]


def test_where_nobody_can_tell_the_frame_says_why() -> None:
    with StoryServer(ui=False) as inngest, InngestAPI(inngest.url) as api:
        rows = inb.workers_frame(api)
    assert (dtypes(rows), len(rows), rows.attrs["truncated"]) == (WORKERS, 0, True)
    assert rows.attrs["truncated_because"] == "GraphQL is off on this server, as with --no-ui"
    assert "0 workers, as of" in repr(rows.wf)
    assert "GraphQL is off on this server" in rows.wf._repr_html_()


def test_what_a_worker_says_of_itself_is_escaped() -> None:
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        inngest.graphql.workers[0] |= {"instanceId": "<img src=x>", "status": "<b>ODD</b>"}
        rows = inb.workers_frame(api)
    assert list(rows["status"].cat.categories) == ["ready", "<b>odd</b>"]
    assert "<img" not in rows.wf._repr_html_()
    assert "<b>odd" not in rows.wf._repr_html_()


def test_something_else_than_a_client_is_refused() -> None:
    with pytest.raises(TypeError, match="api must be an InngestAPI"):
        inb.workers_frame("http://localhost:8288")  # type: ignore[arg-type]
