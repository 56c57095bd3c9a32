"""One run in time."""

import inngest_nb._renamed as _renamed
from inngest_nb.notebook.timeline._chart import Chart, chart_of_lanes
from inngest_nb.notebook.timeline._lanes import Lane, fold, in_time
from inngest_nb.notebook.timeline._picture import Picture, picture_of
from inngest_nb.notebook.timeline._plain import chart_key, chart_lines, headline, plain_text
from inngest_nb.notebook.timeline._spans import Span
from inngest_nb.notebook.timeline._timeline import (
    Timeline,
    chart_markup,
    picture_bundle,
    timeline,
)

__all__ = [
    "Chart",
    "Lane",
    "Picture",
    "Span",
    "Timeline",
    "chart_key",
    "chart_lines",
    "chart_markup",
    "chart_of_lanes",
    "fold",
    "headline",
    "in_time",
    "picture_bundle",
    "picture_of",
    "plain_text",
    "timeline",
]

_renamed.still_callable(__name__)
