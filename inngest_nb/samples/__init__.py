"""A handful of workflows worth watching, and a store filled as production fills one."""

from inngest_nb.samples._production import fill, states

__all__ = ["fill", "states"]
