"""One run while it runs."""

from inngest_nb.notebook.live._interrupt import HEARING
from inngest_nb.notebook.live._live import LiveRun, executor_of, resume, run, start
from inngest_nb.notebook.live._recheck import ReplayWarning
from inngest_nb.notebook.live._stopped import has_stopped, resume_text

__all__ = [
    "HEARING",
    "LiveRun",
    "ReplayWarning",
    "executor_of",
    "has_stopped",
    "resume",
    "resume_text",
    "run",
    "start",
]
