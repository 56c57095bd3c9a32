"""What the rest of the engine builds on: functions, durations, failures, names of executors."""

from inngest_nb.engine.basics._functions import name_of
from inngest_nb.engine.basics._registry import is_registered, registered_names

__all__ = ["is_registered", "name_of", "registered_names"]
