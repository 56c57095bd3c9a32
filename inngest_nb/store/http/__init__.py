"""The contract over HTTP: clients, and what they and a server have to agree on."""

from inngest_nb.store.http._appending import BatchItem, BatchOutcome, BatchOutcomes, batch_of
from inngest_nb.store.http._clients import AsyncInngestStore, InngestStore
from inngest_nb.store.http._config import Key, is_loopback, named_base_url, resolve_key
from inngest_nb.store.http._operations import (
    FIRST_SAVED_HEADER,
    LIST_PATH,
    Listed,
    Listing,
    Unreadable,
    listing_of,
)
from inngest_nb.store.http._probe import ServerKind, identify

__all__ = [
    "FIRST_SAVED_HEADER",
    "LIST_PATH",
    "AsyncInngestStore",
    "BatchItem",
    "BatchOutcome",
    "BatchOutcomes",
    "InngestStore",
    "Key",
    "Listed",
    "Listing",
    "ServerKind",
    "Unreadable",
    "batch_of",
    "identify",
    "is_loopback",
    "listing_of",
    "named_base_url",
    "resolve_key",
]
