"""For tests of workflows: time that is skipped, histories replayed as by another process."""

from inngest_nb.testing._check_replay import check_replay
from inngest_nb.testing._skipping import SkippingExecutor

__all__ = ["SkippingExecutor", "check_replay"]
