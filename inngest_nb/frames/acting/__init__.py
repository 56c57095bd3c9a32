"""Canceling, rerunning and replaying in bulk: first a plan, then what came of each row."""

from inngest_nb.frames.acting._cancel import cancel_runs
from inngest_nb.frames.acting._plan import Plan
from inngest_nb.frames.acting._replay import replay_events
from inngest_nb.frames.acting._rerun import rerun_runs

__all__ = ["Plan", "cancel_runs", "replay_events", "rerun_runs"]
