"""One picture of a store: whether all is well, and if not, what is wrong, where, since when."""

from inngest_nb.notebook.overview._overview import LiveOverview, Overview, overview

__all__ = ["LiveOverview", "Overview", "overview"]
