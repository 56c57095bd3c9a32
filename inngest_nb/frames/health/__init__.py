"""What is wrong with a real Inngest server, and the rows behind each finding."""

from inngest_nb.frames.health._checkup import checkup

__all__ = ["checkup"]
