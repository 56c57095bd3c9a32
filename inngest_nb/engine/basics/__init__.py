"""What the engine wants to know of functions, durations, failures and executors."""

from inngest_nb.engine.basics._registry import is_registered, registered_names

__all__ = ["is_registered", "registered_names"]
