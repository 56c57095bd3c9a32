"""Sample workflows to run, and sample states to fill a store with."""

from inngest_nb.samples._production import fill, states
from inngest_nb.samples._workflows import approval, broken, fan_out, import_rows, order

__all__ = ["approval", "broken", "fan_out", "fill", "import_rows", "order", "states"]
