"""Which threads a piece of code started and left, whatever earlier tests' threads do meanwhile."""

from __future__ import annotations

import threading

PATIENCE_S = 60.0


def threads() -> set[threading.Thread]:
    """Threads that run, but for those of forms that an earlier test left: they come and go."""
    return {each for each in threading.enumerate() if each.name != "inngest-nb-form"}


def left_since(before: set[threading.Thread]) -> list[str]:
    """The names of those threads that were started since and do not end."""
    started = threads() - before
    for thread in started:
        thread.join(PATIENCE_S)
    return sorted(thread.name for thread in started if thread.is_alive())
