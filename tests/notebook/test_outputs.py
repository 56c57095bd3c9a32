"""What views leave in a notebook: plain text types, and never more than a page's worth."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from form_driver import words
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


@pytest.mark.parametrize(
    ("kind", "what_to_do"),
    [
        ("save_form", "use the form"),
        ("delete_form", "use the form"),
        ("signal_form", "use the form"),
        ("explore", "explore"),
        ("replay", "step through the run"),
    ],
)
def test_in_marimo_fields_and_buttons_are_a_snapshot_that_says_so(
    kind: str, what_to_do: str
) -> None:
    store = inb.MemoryStore()
    order = inb.run(inb.samples.order, {"speed": 100}, id="order-7", store=store).state
    view: Any = {
        "save_form": lambda: inb.save_form(store, order),
        "delete_form": lambda: inb.delete_form(store),
        "signal_form": lambda: inb.signal_form(store, order),
        "explore": lambda: inb.explore(store),
        "replay": lambda: inb.replay(order, inb.samples.order, store=store),
    }[kind]()
    view.wait()
    mime, html = view._mime_()  # marimo calls it
    assert (mime, type(html)) == ("text/html", str)
    text = words(html)
    assert "order-7" in text
    assert "Re-run the cell" not in text  # it would show the same again
    asked = f"marimo does not show Jupyter's fields and buttons: {what_to_do} in Jupyter or Voilà."
    assert re.search(rf"Snapshot of [\d-]+ [\d:]+ UTC\. {re.escape(asked)}$", text)
    assert "Re-run the cell" in words(view._repr_mimebundle_()["text/html"])
