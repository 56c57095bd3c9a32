"""Idempotency keys: a request with a key is done once, no matter how often it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

from inngest_nb.errors import StoreKeyReusedError
from inngest_nb.store.writes import Deletion, Keyed, Write

# How long a store remembers keys, and how many of them.
KEY_SECONDS = 86_400.0
MOST_KEYS = 100_000


def keyed(name: str, work: Write | Deletion) -> Keyed:
    """Add an idempotency key to a write or a deletion."""
    if isinstance(work, Deletion):
        request = _digest(b"delete")
    else:
        request = _digest(b"save" if work.whole else b"append", work.document)
    return Keyed(_digest(b"workflow", work.workflow_id.encode(), name.encode()), request, work)


def message_key(message_id: str) -> bytes:
    """Return the key under which a store remembers a handled message."""
    return _digest(b"message", message_id.encode())


def by_names(given: Sequence[Write], checked: Mapping[int, Write]) -> list[Write | Keyed]:
    """Add an idempotency key, the etag, to the writes that don't require a certain version."""
    return [
        keyed(write.etag, write) if given[place].etag and write.for_any_version else write
        for place, write in checked.items()
    ]


def reused(work: Write | Deletion) -> StoreKeyReusedError:
    """Return the error for a key that was already used for another request."""
    return StoreKeyReusedError(
        f"this Idempotency-Key was already used for another request on workflow "
        f"{work.workflow_id!r}; nothing was changed",
        workflow_id=work.workflow_id,
        hint="use a new key for each write, and reuse a key only to repeat the same write",
    )


def _digest(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
