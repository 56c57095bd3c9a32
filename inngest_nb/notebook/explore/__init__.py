"""All workflows of a store, to find, look at and change."""

import inngest_nb._renamed as _renamed
from inngest_nb.notebook.explore._explore import Explore, explore

__all__ = ["Explore", "explore"]

_renamed.still_callable(__name__)
