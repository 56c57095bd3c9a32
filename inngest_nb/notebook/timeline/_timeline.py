"""`timeline`: a run as it is stored, drawn in time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from inngest_nb.notebook.page._html import fragment, output
from inngest_nb.notebook.timeline._picture import picture_of
from inngest_nb.notebook.timeline._plain import plain_text
from inngest_nb.state import WorkflowState

__all__ = ["Timeline", "chart_markup", "timeline"]


class Timeline:
    """A picture of a run as of a moment: its HTML in a notebook, its text elsewhere."""

    def __init__(self, state: WorkflowState, now: datetime) -> None:
        self.picture = picture_of(state, now)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        html = output("timeline", picture=self.picture)
        return {"text/html": str(html), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return plain_text(self.picture)


def timeline(state: WorkflowState, *, now: datetime | None = None) -> Timeline:
    """Return a picture of a stored run: its status, activities, signals and timers in time.

    What is still running lasts until `now` (None: the present). At most 40 lines are drawn; of a
    longer history those of one name are laid together, and what is left out is said.
    """
    if state is None:
        raise TypeError("no workflow to show: load() gives None for an id its store never saw")
    if not isinstance(state, WorkflowState):
        raise TypeError(
            f"timeline draws one WorkflowState, such as store.load(id); got {type(state).__name__}"
        )
    now = now or datetime.now(UTC)
    if now.tzinfo is None:
        raise ValueError(f"now needs a zone, as in datetime.now(UTC); got {now!r}")
    return Timeline(state, now)


def chart_markup(state: WorkflowState, now: datetime) -> Markup:
    """Return the bars alone, for a view that tells the workflow's facts and has the stylesheet."""
    return fragment("chart", chart=picture_of(state, now).chart)
