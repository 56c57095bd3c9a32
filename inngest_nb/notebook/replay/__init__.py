"""Replays a run step by step, beside the code that it ran."""

import inngest_nb._renamed as _renamed
from inngest_nb.notebook.replay._replay import Replay, replay

__all__ = ["Replay", "replay"]

_renamed.still_callable(__name__)
