"""One run while it runs."""

from inngest_nb.notebook.live._live import LiveRun, resume, run, start
from inngest_nb.notebook.live._recheck import ReplayWarning

__all__ = ["LiveRun", "ReplayWarning", "resume", "run", "start"]
