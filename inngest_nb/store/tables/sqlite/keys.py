"""Idempotency keys in the SQLite file: a repeated request changes nothing."""

from __future__ import annotations

import sqlite3
import time

from inngest_nb.store.keys import KEY_SECONDS, MOST_KEYS

_FIND = "SELECT request FROM keys WHERE key = ? AND at > ?"
_ADD = "INSERT OR REPLACE INTO keys (key, request, at) VALUES (?, ?, ?)"
_DROP_SURPLUS = "DELETE FROM keys WHERE number <= ?"
# Numbers grow with time, so this reads no more than it deletes.
_DROP_OLD = """
DELETE FROM keys WHERE number < (SELECT number FROM keys WHERE at > ? ORDER BY number LIMIT 1)
"""
_OLD_AT_ONCE = 256


def remembered(database: sqlite3.Connection, key: bytes) -> bytes | None:
    """Return the digest of the request that was done with a key, None if it is not known."""
    found = database.execute(_FIND, (key, time.time() - KEY_SECONDS)).fetchone()
    return found[0] if found else None


def remember(database: sqlite3.Connection, key: bytes, request: bytes) -> None:
    """Store the request that was done with a key, and delete keys that are old or too many."""
    now = time.time()
    number = database.execute(_ADD, (key, request, now)).lastrowid or 0
    database.execute(_DROP_SURPLUS, (number - MOST_KEYS,))
    if number % _OLD_AT_ONCE == 0:
        database.execute(_DROP_OLD, (now - KEY_SECONDS,))
