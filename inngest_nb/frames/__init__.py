"""States, histories and activities as typed DataFrames, questions asked of them, and charts."""

from inngest_nb.frames._accessor import WorkflowAccessor
from inngest_nb.frames._frames import frame
from inngest_nb.frames._histories import activity_frame, history_frame
from inngest_nb.frames._watching import watch
from inngest_nb.frames.basics import _columns as columns
from inngest_nb.frames.basics._given import (
    default_store,
    id_in,
    moment_for,
    state_in,
    state_of,
    use,
)
from inngest_nb.frames.basics._source import is_store
from inngest_nb.frames.charts import _time_bins as time_bins
from inngest_nb.frames.charts._answer_charts import plot_funnel, plot_over_time, plot_stuck
from inngest_nb.frames.charts._charts import plot_activity, plot_durations, plot_status
from inngest_nb.frames.insight._typed import lives_of

__all__ = [
    "WorkflowAccessor",
    "activity_frame",
    "columns",
    "default_store",
    "frame",
    "history_frame",
    "id_in",
    "is_store",
    "lives_of",
    "moment_for",
    "plot_activity",
    "plot_durations",
    "plot_funnel",
    "plot_over_time",
    "plot_status",
    "plot_stuck",
    "state_in",
    "state_of",
    "time_bins",
    "use",
    "watch",
]
