"""States, histories and activities as typed DataFrames, questions asked of them, and charts."""

from inngest_nb.frames._accessor import WorkflowAccessor
from inngest_nb.frames._activity_frame import OUTCOME_WORDS, activity_frame
from inngest_nb.frames._charts import plot_activity, plot_durations, plot_status
from inngest_nb.frames._frames import frame, history_frame
from inngest_nb.frames._given import default_store, state_in, state_of, use
from inngest_nb.frames._source import is_store

__all__ = [
    "OUTCOME_WORDS",
    "WorkflowAccessor",
    "activity_frame",
    "default_store",
    "frame",
    "history_frame",
    "is_store",
    "plot_activity",
    "plot_durations",
    "plot_status",
    "state_in",
    "state_of",
    "use",
]
