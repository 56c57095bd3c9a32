"""Whether the process is about to end: what fails then may fail for no other reason."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  # registers first, so that ours is called before
import threading

_ending = threading.Event()
# The standard library's executors refuse work from here on, a good while before `atexit`.
threading._register_atexit(_ending.set)  # type: ignore[attr-defined]  # noqa: SLF001


def process_ends() -> bool:
    """Tell whether Python has begun to shut down."""
    return _ending.is_set()
