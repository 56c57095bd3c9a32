"""One run in time."""

import inngest_nb._renamed as _renamed
from inngest_nb.notebook.timeline._timeline import Timeline, timeline

__all__ = ["Timeline", "timeline"]

_renamed.still_callable(__name__)
