"""Requests that carry a name: done once, however often they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from inngest_nb.errors import StoreKeyReusedError
from inngest_nb.store.writes import Deletion, Keyed, Write

# For how long a store remembers what was done, and of how many requests.
KEY_SECONDS = 86_400.0
MOST_KEYS = 100_000


def keyed(name: str, work: Write | Deletion) -> Keyed:
    """Give a name to a write or a deletion."""
    if isinstance(work, Deletion):
        request = _digest(b"delete")
    else:
        request = _digest(b"save" if work.whole else b"append", work.document)
    return Keyed(_digest(b"workflow", work.workflow_id.encode(), name.encode()), request, work)


def message_key(message_id: str) -> bytes:
    """Make the key under which a store remembers a message that was taken."""
    return _digest(b"message", message_id.encode())


def by_names(given: Sequence[Write], checked: Mapping[int, Write]) -> list[Write | Keyed]:
    """Give their etags as names to the writes that are for no certain version."""
    return [
        keyed(write.etag, write) if given[place].etag and write.for_any_version else write
        for place, write in checked.items()
    ]


def reused(work: Write | Deletion) -> StoreKeyReusedError:
    """Make the error for a name that was given to another request before."""
    return StoreKeyReusedError(
        f"this Idempotency-Key was used for another request on {work.workflow_id!r}; nothing was "
        "changed",
        workflow_id=work.workflow_id,
        hint="give each write a name of its own, and the same one only when it is repeated",
    )


def _digest(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
