"""`timeline`: a run as it is stored, drawn in time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from markupsafe import Markup

from inngest_nb._renamed import renamed
from inngest_nb.frames import moment_for, state_of
from inngest_nb.notebook.page import bundle, fragment, output
from inngest_nb.notebook.timeline._picture import Picture, picture_of
from inngest_nb.notebook.timeline._plain import plain_text
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore

__all__ = ["Timeline", "chart_markup", "picture_bundle", "timeline"]


class Timeline:
    """A picture of a run as of a moment: its HTML in a notebook, its text elsewhere."""

    def __init__(self, state: WorkflowState, now: datetime) -> None:
        self.picture = picture_of(state, now)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return picture_bundle(self.picture)

    def __repr__(self) -> str:
        return plain_text(self.picture)


@renamed(state="workflow")
def timeline(
    workflow: Any, *, store: WorkflowStore | None = None, now: datetime | None = None
) -> Timeline:
    """Return a picture of a run: its status, activities, signals and timers in time.

    The workflow is a state, a handle, or an id in `store` (None: the store of `inb.use`). What is
    still running lasts until `now` (None: the present, or for a bundle its export). At most 40
    lines are drawn: in a longer history, steps of one name share lines, and the picture says what
    it leaves out.
    """
    state = state_of(workflow, store, "timeline")
    return Timeline(state, moment_for(workflow, store, now))


def picture_bundle(picture: Picture) -> dict[str, str]:
    """Return a picture as an output of a notebook."""
    return bundle(output("timeline", picture=picture), plain_text(picture))


def chart_markup(state: WorkflowState, now: datetime) -> Markup:
    """Return the bars alone, for a view that tells the workflow's facts and has the stylesheet."""
    return fragment("chart", chart=picture_of(state, now).chart)
