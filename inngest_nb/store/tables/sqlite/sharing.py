"""What processes share through the SQLite file: leases, messages, numbered changes."""

from __future__ import annotations

import sqlite3
import time

from inngest_nb.store.changes import Kept, Line
from inngest_nb.store.keys import message_key
from inngest_nb.store.messages import (
    ANSWER_SECONDS,
    MESSAGE_BYTES_AT_ONCE,
    MESSAGES_AT_ONCE,
    Discard,
    Hold,
    Message,
)
from inngest_nb.store.tables.sqlite.keys import remember, remembered

_HOLD = "INSERT INTO leases VALUES (?, ?) ON CONFLICT DO UPDATE SET until = excluded.until"
_DROP_LEASES = "DELETE FROM leases WHERE until <= ?"
_LEASES = "SELECT owner, until FROM leases WHERE until > ?"
_SEND = """
INSERT INTO messages (id, recipient, kind, payload, sent) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_RECEIVE = "SELECT id, recipient, kind, payload, number FROM messages WHERE number > ?"
_DISCARD = "DELETE FROM messages WHERE id = ?"
_DROP_OLD = """
DELETE FROM messages WHERE sent < ? AND recipient NOT IN (SELECT workflow_id FROM workflows)
"""
_DROP_OF = "DELETE FROM messages WHERE recipient = ?"
# The index of listings has the status, so of other workflows no more than that is read.
ABANDONED = """
SELECT workflow_id FROM workflows INDEXED BY workflows_newest WHERE status = 'running'
AND owner NOT IN (SELECT owner FROM leases WHERE until > ?)
ORDER BY updated_us, workflow_id LIMIT ?
"""
_KEPT = "SELECT feed, first, (SELECT number FROM last_change) FROM about"
CHANGES = """
SELECT number, workflow_id, deleted FROM changes WHERE number > ? ORDER BY number LIMIT ?
"""


def share(database: sqlite3.Connection, work: Message | Hold | Discard) -> None:
    """Write a lease or a message, or delete messages."""
    now = time.time()
    if isinstance(work, Hold):
        database.execute(_HOLD, (work.owner, now + work.seconds))
        database.execute(_DROP_LEASES, (now,))
        database.execute(_DROP_OLD, (now - ANSWER_SECONDS,))
    elif isinstance(work, Message):
        if remembered(database, message_key(work.id)) is None:
            database.execute(_SEND, (work.id, work.to, work.kind, work.payload, now))
    else:
        for each in work.ids:
            if database.execute(_DISCARD, (each,)).rowcount:
                # A sender that got no response may send it again; it must not be received twice.
                remember(database, message_key(each), b"")


def drop_messages_of(database: sqlite3.Connection, workflow_id: str) -> None:
    """Delete the messages to a deleted workflow."""
    database.execute(_DROP_OF, (workflow_id,))


def leases(database: sqlite3.Connection) -> dict[str, float]:
    """Return the seconds left of each lease that has not expired."""
    now = time.time()
    return {owner: until - now for owner, until in database.execute(_LEASES, (now,))}


def messages(database: sqlite3.Connection, after: int, to: str | None) -> list[Message]:
    """Return messages numbered above `after`, in order."""
    sql = _RECEIVE
    given: list[object] = [after]
    if to is not None:
        sql += " AND recipient = ?"
        given.append(to)
    sql += f" ORDER BY number LIMIT {MESSAGES_AT_ONCE}"
    found: list[Message] = []
    size = 0
    for line in database.execute(sql, given):
        found.append(Message(*line))
        size += len(found[-1].payload)
        if size >= MESSAGE_BYTES_AT_ONCE:
            break
    return found


def abandoned(database: sqlite3.Connection, limit: int) -> list[str]:
    """Return the workflows that are stored as running but that no executor is running."""
    found = database.execute(ABANDONED, (time.time(), limit or -1))
    return [workflow_id for (workflow_id,) in found]


def changes_kept(database: sqlite3.Connection) -> Kept:
    """Return which numbers of changes there are."""
    return Kept(*database.execute(_KEPT).fetchone())


def changes_after(database: sqlite3.Connection, number: int, limit: int) -> list[Line]:
    """Return the changes after a number, in order, at most `limit`."""
    lines = database.execute(CHANGES, (number, limit))
    return [(number, workflow_id, bool(deleted)) for number, workflow_id, deleted in lines]
