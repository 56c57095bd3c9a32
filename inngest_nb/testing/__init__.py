"""For tests of workflows: histories replayed as another process would replay them."""

from inngest_nb.testing._skipping import SkippingExecutor

__all__ = ["SkippingExecutor"]
