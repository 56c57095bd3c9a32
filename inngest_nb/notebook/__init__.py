"""What a person sees in a notebook: frames and charts, timelines, forms, an explorer, live runs."""

from inngest_nb.notebook._accessor import WorkflowAccessor
from inngest_nb.notebook._activities import activity_frame
from inngest_nb.notebook._charts import plot_activity, plot_durations, plot_status
from inngest_nb.notebook._compare import Comparison, compare
from inngest_nb.notebook._delete_form import delete_form
from inngest_nb.notebook._explore import explore
from inngest_nb.notebook._frames import frame, history_frame
from inngest_nb.notebook._live import LiveRun, resume, run, start
from inngest_nb.notebook._magics import WorkflowMagics
from inngest_nb.notebook._replay import Replay, replay
from inngest_nb.notebook._save_form import save_form
from inngest_nb.notebook._signal_form import signal_form
from inngest_nb.notebook._timeline import Timeline, timeline

__all__ = [
    "Comparison",
    "LiveRun",
    "Replay",
    "Timeline",
    "WorkflowAccessor",
    "WorkflowMagics",
    "activity_frame",
    "compare",
    "delete_form",
    "explore",
    "frame",
    "history_frame",
    "plot_activity",
    "plot_durations",
    "plot_status",
    "replay",
    "resume",
    "run",
    "save_form",
    "signal_form",
    "start",
    "timeline",
]
