"""Which failed saves are worth retrying, and when."""

from __future__ import annotations

from inngest_nb.errors import StoreError

# Pauses between attempts at a write that a caller waits for. Every write can be repeated.
PAUSES = (0.05, 0.2, 0.8)
_LONGEST_PAUSE = 5.0


def may_pass(error: BaseException) -> bool:
    """Tell whether a failure may be temporary: no response, a server error, a locked file."""
    return isinstance(error, StoreError) and error.is_temporary


def pause_after(attempt: int, chance: float) -> float:
    """Return the seconds to wait after a failed attempt (the first is 1), growing up to 5 s.

    `chance` is a random number from 0 to 1 that spreads the retries of several clients. Saves that
    failed together share one, so that they are retried together.
    """
    pause = min(PAUSES[0] * 4.0 ** min(attempt - 1, 10), _LONGEST_PAUSE)
    return pause * (0.8 + 0.4 * chance)
