"""One run in time."""

import inngest_nb._renamed as _renamed
from inngest_nb.notebook.timeline._picture import Picture, picture_of
from inngest_nb.notebook.timeline._plain import headline, plain_text
from inngest_nb.notebook.timeline._timeline import (
    Timeline,
    chart_markup,
    picture_bundle,
    timeline,
)

__all__ = [
    "Picture",
    "Timeline",
    "chart_markup",
    "headline",
    "picture_bundle",
    "picture_of",
    "plain_text",
    "timeline",
]

_renamed.still_callable(__name__)
