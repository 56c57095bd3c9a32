"""One run of a real Inngest server in time."""

from inngest_nb.notebook.waterfall._waterfall import Waterfall, waterfall

__all__ = ["Waterfall", "waterfall"]
