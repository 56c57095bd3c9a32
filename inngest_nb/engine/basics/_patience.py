"""Which failed saves are worth another attempt, and when to make it."""

from __future__ import annotations

from inngest_nb.errors import StoreConnectionError, StoreStatusError

# Waits between attempts at a save that got no answer. Every save can be repeated.
PAUSES = (0.05, 0.2, 0.8)


def may_pass(error: BaseException) -> bool:
    """Tell a failure that the next attempt may not meet: no answer, or a server in trouble."""
    if isinstance(error, StoreStatusError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, StoreConnectionError)
