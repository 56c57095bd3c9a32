"""For tests of workflows: an executor that skips time, and replay checks in fresh processes."""

from inngest_nb.testing._check_replay import check_replay
from inngest_nb.testing._skipping import SkippingExecutor

__all__ = ["SkippingExecutor", "check_replay"]
