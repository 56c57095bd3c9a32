"""Two runs beside each other."""

from inngest_nb.notebook.compare._compare import Comparison, compare

__all__ = ["Comparison", "compare"]
