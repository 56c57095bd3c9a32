"""Whether the interpreter is shutting down, which makes things fail that would otherwise work."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  # registers first, so that ours is called first
import threading

_ending = threading.Event()
# The standard library's executors refuse work from this point, well before `atexit`.
threading._register_atexit(_ending.set)  # type: ignore[attr-defined]  # noqa: SLF001


def process_ends() -> bool:
    """Tell whether Python is shutting down."""
    return _ending.is_set()
