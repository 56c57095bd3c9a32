"""What views leave in a notebook: plain text types, and never more than a page's worth."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from frame_states import after, history, state

import inngest_nb as inb

LARGE = {"items": [{"sku": f"A-{number}", "note": "x" * 60} for number in range(20_000)]}


def large() -> inb.WorkflowState:
    """Give a run with two thousand activities, and with payloads of megabytes."""
    events = [
        event
        for number in range(2_000)
        for event in (
            ("activity_started", f"step {number % 50}", 2 * number, {"input": LARGE["items"][:9]}),
            ("activity_completed", f"step {number % 50}", 2 * number + 1, {"result": "y" * 900}),
        )
    ]
    return state(
        input=LARGE,
        result=LARGE,
        error="e" * 200_000,
        created_at=after(0),
        updated_at=after(4_000),
        history=history(*events),
    )


def views() -> dict[str, Any]:
    one, store = large(), inb.MemoryStore()
    store.save(one)
    other = one.replace(workflow_id="order-2", result=None, updated_at=after(0) + timedelta(1))
    explorer = inb.explore(store)
    explorer.wait()
    form = inb.save_form(store, one)
    form.wait()
    deleting = inb.delete_form(store)
    deleting.wait()
    return {
        "timeline": inb.timeline(one),
        "compare": inb.compare(one, other),
        "save_form": form,
        "delete_form": deleting,
        "explore": explorer,
        "overview": inb.overview(store, since="4000d"),
    }


@pytest.fixture(scope="module")
def bundles() -> dict[str, dict[str, Any]]:
    return {name: view._repr_mimebundle_() for name, view in views().items()}


NAMES = ["timeline", "compare", "save_form", "delete_form", "explore", "overview"]


@pytest.mark.parametrize("name", NAMES)
def test_texts_of_an_output_are_plain_str_as_marimo_wants_them(
    bundles: dict[str, dict[str, Any]], name: str
) -> None:
    assert type(bundles[name]["text/html"]) is str
    assert type(bundles[name]["text/plain"]) is str


@pytest.mark.parametrize("name", NAMES)
def test_an_output_is_bounded_however_large_its_workflow_is(
    bundles: dict[str, dict[str, Any]], name: str
) -> None:
    assert len(bundles[name]["text/plain"]) <= 20_100
    assert len(bundles[name]["text/html"]) <= 60_000 + 8_000  # with the stylesheet
