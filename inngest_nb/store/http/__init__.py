"""The contract over HTTP: the clients, and the formats that they share with the server."""

from inngest_nb.store.http._appending import BatchItem, BatchOutcome, BatchOutcomes, batch_of
from inngest_nb.store.http._clients import AsyncInngestStore, InngestStore
from inngest_nb.store.http._config import Key, is_loopback, named_base_url, resolve_key
from inngest_nb.store.http._operations import (
    FIRST_SAVED_HEADER,
    LIST_PATH,
    UNREADABLE_HEADER,
    HeadColumns,
    HeadListing,
    Listed,
    Listing,
    Unreadable,
    listing_of,
)
from inngest_nb.store.http._probe import ServerKind, identify
from inngest_nb.store.http._sharing import (
    ABANDONED_PATH,
    DISCARD_PATH,
    LEASES_PATH,
    LONGEST_WAIT,
    MESSAGES_PATH,
    WATCH_PATH,
    Ids,
    Leases,
    Messages,
    Seconds,
    Version,
    WireMessage,
    wire_message,
)

__all__ = [
    "ABANDONED_PATH",
    "DISCARD_PATH",
    "FIRST_SAVED_HEADER",
    "LEASES_PATH",
    "LIST_PATH",
    "LONGEST_WAIT",
    "MESSAGES_PATH",
    "UNREADABLE_HEADER",
    "WATCH_PATH",
    "AsyncInngestStore",
    "BatchItem",
    "BatchOutcome",
    "BatchOutcomes",
    "HeadColumns",
    "HeadListing",
    "Ids",
    "InngestStore",
    "Key",
    "Leases",
    "Listed",
    "Listing",
    "Messages",
    "Seconds",
    "ServerKind",
    "Unreadable",
    "Version",
    "WireMessage",
    "batch_of",
    "identify",
    "is_loopback",
    "listing_of",
    "named_base_url",
    "resolve_key",
    "wire_message",
]
