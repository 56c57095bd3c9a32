"""What the rest of the engine builds on: functions, durations, failures, names of executors."""

from inngest_nb.engine.basics._functions import (
    arguments,
    as_json,
    check_function,
    describe,
    name_of,
    signal_payload,
    takes_arguments,
)
from inngest_nb.engine.basics._policy import Duration, duration_of, limit_of
from inngest_nb.engine.basics._registry import is_registered, registered, registered_names
from inngest_nb.engine.basics._typed import workflow_types

__all__ = [
    "Duration",
    "arguments",
    "as_json",
    "check_function",
    "describe",
    "duration_of",
    "is_registered",
    "limit_of",
    "name_of",
    "registered",
    "registered_names",
    "signal_payload",
    "takes_arguments",
    "workflow_types",
]
