"""One run in time."""

from inngest_nb.notebook.timeline._timeline import Timeline, timeline

__all__ = ["Timeline", "timeline"]
