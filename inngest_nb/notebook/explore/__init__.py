"""All workflows of a store, to find, look at and change."""

from inngest_nb.notebook.explore._explore import Explore, explore

__all__ = ["Explore", "explore"]
