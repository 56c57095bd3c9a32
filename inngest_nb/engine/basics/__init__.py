"""What the rest of the engine builds on: functions, durations, failures, names of executors."""

from inngest_nb.engine.basics._functions import arguments, check_function, name_of, takes_arguments
from inngest_nb.engine.basics._registry import is_registered, registered, registered_names

__all__ = [
    "arguments",
    "check_function",
    "is_registered",
    "name_of",
    "registered",
    "registered_names",
    "takes_arguments",
]
