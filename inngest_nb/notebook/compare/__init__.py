"""Two runs side by side."""

import inngest_nb._renamed as _renamed
from inngest_nb.notebook.compare._compare import Comparison, compare

__all__ = ["Comparison", "compare"]

_renamed.still_callable(__name__)
