"""`search_events` and `functions_frame`."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from story_records import story

import inngest_nb as inb
from inngest_nb import InngestAPI

TIME = "datetime64[us, UTC]"
EVENTS = {
    "event_id": "str",
    "id": "str",
    "name": "str",
    "received_at": TIME,
    "sent_at": TIME,
    "data": "object",
}
FUNCTIONS = {
    "app": "str",
    "function": "str",
    "name": "str",
    "events": "str",
    "cron": "str",
    "retries": "Int64",
    "configuration": "object",
}


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def test_all_events_are_rows(api: InngestAPI) -> None:
    rows = inb.search_events(api, since=None)
    assert dtypes(rows) == EVENTS
    assert list(rows["event_id"]) == [event["internal_id"] for event in story().events]
    assert rows["data"].iloc[0] == story().events[0]["data"]


@pytest.mark.parametrize(
    ("given", "count", "cut"),
    [
        ({"name": "lab/order.placed"}, 6, False),
        ({"name": "none"}, 0, False),
        ({"limit": 62}, 62, True),
        ({"limit": 63}, 63, False),
        ({"data": {"i": 1}}, 5, False),
        ({"data": {"i": 1}, "limit": 5}, 5, False),
        ({"data": {"i": 1}, "limit": 4}, 4, True),
        ({"since": "1s"}, 0, False),
    ],
    ids=str,
)
def test_events_are_narrowed_and_a_cut_is_told(
    api: InngestAPI, given: Any, count: int, cut: bool
) -> None:
    rows = inb.search_events(api, **({"since": None} | given))
    assert (len(rows), rows.attrs["truncated"], dtypes(rows)) == (count, cut, EVENTS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": ""}, "name must be a name such as 'shop/order.placed'"),
        ({"name": "inngest/function.failed"}, "name must be an event of yours"),
        ({"limit": 0}, "limit must be a number above 0"),
        ({"data": 5}, "data must map"),
        ({"since": "soon"}, "since must be how long ago"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    api: InngestAPI, given: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        inb.search_events(api, **given)


def test_functions_are_rows_with_what_triggers_them(api: InngestAPI) -> None:
    rows = inb.functions_frame(api)
    assert dtypes(rows) == FUNCTIONS
    assert len(rows) == len(story().functions)
    by_name = rows.set_index("function")
    assert by_name["events"]["flaky"] == "lab/flaky"
    assert rows["cron"].notna().any()
