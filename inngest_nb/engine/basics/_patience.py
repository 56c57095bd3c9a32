"""Which failed saves are worth another attempt, and when to make it."""

from __future__ import annotations

from inngest_nb.errors import StoreConnectionError, StoreFileError, StoreStatusError

# Waits between attempts at a write that somebody waits for. Every write can be repeated.
PAUSES = (0.05, 0.2, 0.8)
_LONGEST_PAUSE = 5.0


def may_pass(error: BaseException) -> bool:
    """Tell a failure that the next attempt may not meet: no answer, a server or file in trouble."""
    if isinstance(error, StoreStatusError):
        return error.status == 429 or error.status >= 500
    if isinstance(error, StoreFileError):
        return error.busy
    return isinstance(error, StoreConnectionError)


def pause_after(attempt: int, chance: float) -> float:
    """Return how long to wait after a failed attempt, the first is 1: longer and longer, up to 5 s.

    `chance` is a number from 0 to 1: no two waits are the same, lest all who wait for a server come
    back at once; but for those whose attempts failed together it is one number.
    """
    pause = min(PAUSES[0] * 4.0 ** min(attempt - 1, 10), _LONGEST_PAUSE)
    return pause * (0.8 + 0.4 * chance)
