"""Names of the preview still work, and warn the line that uses them."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import inngest_nb as inb
from inngest_nb import frames, notebook

VIEWS: Any = inb  # as type checkers do not know the old keywords
STATE = inb.WorkflowState(workflow_id="order-1", status="running")
DEPRECATED = " is deprecated and will be removed in the next release; use "
CHANGELOG = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
RENAMED = CHANGELOG.partition("\nRenamed since the preview\n")[2].partition("\n\nChanged")[0]

# What `inngest_nb.notebook` offered that is no room of it now, and where it is.
MOVED = {
    name: f"inngest_nb.{name}"
    for name in (
        *("activity_frame", "delete_form", "frame", "history_frame", "plot_activity"),
        *("plot_durations", "plot_status", "resume", "run", "save_form", "signal_form", "start"),
    )
} | {
    "Comparison": "inngest_nb.notebook.compare.Comparison",
    "LiveRun": "inngest_nb.notebook.live.LiveRun",
    "Replay": "inngest_nb.notebook.replay.Replay",
    "Timeline": "inngest_nb.notebook.timeline.Timeline",
    "WorkflowAccessor": "inngest_nb.frames.WorkflowAccessor",
    "WorkflowMagics": "inngest_nb.notebook.magics.WorkflowMagics",
}


async def doubles(_: Any, number: int) -> int:
    return number * 2


def warned(call: Callable[[], Any]) -> tuple[Any, str]:
    """Return what a call of this file gives, and what it warned this file of."""
    with pytest.warns(DeprecationWarning, match=DEPRECATED) as told:
        given = call()
    assert {warning.filename for warning in told} == {__file__}
    (text,) = {str(warning.message) for warning in told}
    return given, text


def of_store() -> Any:
    store = inb.MemoryStore()
    store.save(STATE)
    return store


@pytest.mark.parametrize("name", MOVED)
def test_what_the_notebook_room_offered_is_still_there(name: str) -> None:
    home, _, own = MOVED[name].rpartition(".")
    found, text = warned(lambda: getattr(notebook, name))
    assert found is getattr(importlib.import_module(home), own)
    assert text == f"inngest_nb.notebook.{name}{DEPRECATED}{MOVED[name]}"


def test_what_the_notebook_room_offered_can_be_imported() -> None:
    def take() -> Any:
        from inngest_nb.notebook import frame  # type: ignore[attr-defined]

        return frame

    assert warned(take)[0] is frames.frame


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("compare", lambda room: room(STATE, STATE)),
        ("explore", lambda room: room(of_store())),
        ("replay", lambda room: room(STATE, doubles)),
        ("timeline", lambda room: room(STATE)),
    ],
)
def test_a_room_that_was_a_function_can_be_called(name: str, call: Callable[[Any], Any]) -> None:
    room = getattr(notebook, name)
    made, text = warned(lambda: call(room))
    assert type(made).__module__.startswith(f"inngest_nb.notebook.{name}.")
    assert text == f"inngest_nb.notebook.{name}{DEPRECATED}inngest_nb.{name}"


def test_a_name_that_never_was_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"'inngest_nb\.notebook' has no attribute 'frames'"):
        notebook.frames  # noqa: B018


# What is called as before, as it was and as it is.
KEYWORDS: dict[tuple[str, str], Callable[[], Any]] = {
    ("timeline(state=…)", "timeline(workflow=…)"): lambda: VIEWS.timeline(state=STATE),
    ("replay(state=…)", "replay(workflow=…)"): lambda: VIEWS.replay(state=STATE, fn=doubles),
    ("save_form(state=…)", "save_form(workflow=…)"): lambda: VIEWS.save_form(
        of_store(), state=STATE
    ),
    ("signal_form(workflow_id=…)", "signal_form(workflow=…)"): lambda: VIEWS.signal_form(
        of_store(), workflow_id="order-1"
    ),
}
EXECUTE = ("execute(fn, id, input, timeout)", "execute(fn, id=…, input=…, timeout=…)")


@pytest.mark.parametrize("names", KEYWORDS)
def test_an_old_keyword_is_taken(names: tuple[str, str]) -> None:
    view, text = warned(KEYWORDS[names])
    assert text == DEPRECATED.join(names)
    assert "order-1" in json.dumps(view._repr_mimebundle_())
    getattr(view, "close", int)()


def test_an_old_keyword_beside_its_new_one_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'state'"):
        VIEWS.timeline(workflow=STATE, state=STATE)


@pytest.mark.parametrize("make", [inb.Executor, inb.testing.SkippingExecutor])
def test_execute_takes_id_input_and_timeout_by_position(make: Any) -> None:
    with make() as executor:
        handle, text = warned(lambda: executor.execute(doubles, "order-1", 21, 60))
        assert (handle.id, handle.result(60)) == ("order-1", 42)
        assert text == DEPRECATED.join(EXECUTE)
        handle, text = warned(lambda: executor.execute(doubles, None, input=4))
        assert handle.result(60) == 8
        assert text == f"execute(fn, id){DEPRECATED}execute(fn, id=…)"


def test_execute_refuses_by_position_what_never_was_right() -> None:
    executor: Any = inb.Executor()
    for wrong in (
        lambda: executor.execute(doubles, {"order": 1}),
        lambda: executor.execute(doubles, "order-1", 1, 2, 3),
        lambda: executor.execute(doubles, "order-1", id="order-2"),
    ):
        with pytest.raises(TypeError, match="takes 2 positional arguments but"):
            wrong()


def test_no_new_name_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inb.timeline(STATE)
        inb.timeline(workflow=STATE)
        with inb.Executor() as executor:
            assert executor.execute(doubles, id="order-1", input=1).result(60) == 2
    assert sys.modules["inngest_nb.notebook.timeline"].timeline is inb.timeline


@pytest.mark.parametrize("name", ["compare", "explore", "replay", "timeline", *MOVED])
def test_the_changelog_lists_what_has_moved(name: str) -> None:
    assert f"`{name}`" in RENAMED


@pytest.mark.parametrize("names", [*KEYWORDS, EXECUTE])
def test_the_changelog_lists_what_has_another_keyword(names: tuple[str, str]) -> None:
    old, new = (name.replace("…", "") for name in names)
    assert f"| `{old}` | `{new}` |" in RENAMED
