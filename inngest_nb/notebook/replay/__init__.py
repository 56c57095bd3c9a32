"""Replays a run step by step, beside the code that it ran."""

from inngest_nb.notebook.replay._replay import Replay, replay

__all__ = ["Replay", "replay"]
