"""A handful of workflows worth watching, and a store filled as production fills one."""

from inngest_nb.samples._production import fill, states
from inngest_nb.samples._workflows import approval, broken, fan_out, import_rows, order

__all__ = ["approval", "broken", "fan_out", "fill", "import_rows", "order", "states"]
