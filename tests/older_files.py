"""The tables of older files, word for word as the versions that wrote them did."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

SCHEMA_4 = """
BEGIN IMMEDIATE;
CREATE TABLE workflows (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    first_saved_us INTEGER,
    etag TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    parts_checksum INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX workflows_newest
    ON workflows (updated_us DESC, workflow_id, status, etag, first_saved_us, parts_checksum);
CREATE TABLE documents (number INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER);
CREATE TABLE parts (
    number INTEGER PRIMARY KEY,
    workflow INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER
);
CREATE INDEX parts_of_workflow ON parts (workflow);
CREATE TRIGGER documents_unchecked AFTER UPDATE OF body ON documents BEGIN
    UPDATE documents SET checksum = NULL WHERE number = new.number;
    UPDATE workflows SET parts_checksum = 0 WHERE number = new.number;
END;
CREATE INDEX workflows_running ON workflows (owner) WHERE status = 'running';
CREATE TABLE leases (owner TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    sent REAL NOT NULL
);
CREATE INDEX messages_to ON messages (recipient, number);
CREATE TABLE keys (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    request BLOB NOT NULL,
    at REAL NOT NULL
);
PRAGMA application_id = 1766739522;
PRAGMA user_version = 4;
COMMIT;
"""

SCHEMA_5 = """
BEGIN IMMEDIATE;
CREATE TABLE workflows (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    first_saved_us INTEGER,
    etag TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    parts_checksum INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX workflows_newest ON workflows (updated_us DESC, workflow_id, status);
CREATE TABLE documents (number INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER);
CREATE TABLE parts (
    number INTEGER PRIMARY KEY,
    workflow INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER
);
CREATE INDEX parts_of_workflow ON parts (workflow);
CREATE TRIGGER documents_unchecked AFTER UPDATE OF body ON documents BEGIN
    UPDATE documents SET checksum = NULL WHERE number = new.number;
    UPDATE workflows SET parts_checksum = 0 WHERE number = new.number;
END;
CREATE INDEX workflows_running ON workflows (owner) WHERE status = 'running';
CREATE TABLE leases (owner TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    sent REAL NOT NULL
);
CREATE INDEX messages_to ON messages (recipient, number);
CREATE TABLE keys (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    request BLOB NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    workflow INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    deleted INTEGER NOT NULL
);
CREATE TRIGGER workflows_added AFTER INSERT ON workflows BEGIN
    INSERT INTO changes (workflow, workflow_id, deleted)
    VALUES (new.number, new.workflow_id, 0);
END;
CREATE TRIGGER workflows_changed AFTER UPDATE OF etag ON workflows BEGIN
    INSERT INTO changes (workflow, workflow_id, deleted)
    VALUES (new.number, new.workflow_id, 0);
END;
CREATE TRIGGER workflows_deleted AFTER DELETE ON workflows BEGIN
    INSERT INTO changes (workflow, workflow_id, deleted)
    VALUES (old.number, old.workflow_id, 1);
END;
CREATE TABLE heads (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    status TEXT NOT NULL,
    began_us INTEGER,
    is_estimated INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    ended_us INTEGER,
    events INTEGER NOT NULL,
    activities INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    step TEXT NOT NULL,
    waiting_for TEXT NOT NULL,
    signal TEXT NOT NULL,
    error TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    first_saved_us INTEGER,
    etag TEXT NOT NULL,
    flaw TEXT NOT NULL
);
CREATE TABLE details (
    number INTEGER PRIMARY KEY,
    activities BLOB,
    events BLOB,
    input BLOB,
    result BLOB
);
CREATE INDEX heads_newest ON heads (updated_us DESC, workflow_id);
CREATE TABLE about (feed TEXT NOT NULL, indexed INTEGER NOT NULL);
INSERT INTO about VALUES ('a feed of schema 5', 0);
PRAGMA application_id = 1766739522;
PRAGMA user_version = 5;
COMMIT;
"""

SCHEMA_6 = """
BEGIN IMMEDIATE;
CREATE TABLE workflows (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    first_saved_us INTEGER,
    etag TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    parts_checksum INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX workflows_newest ON workflows (updated_us DESC, workflow_id, status);
CREATE TABLE documents (number INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER);
CREATE TABLE numbered_parts (
    number INTEGER PRIMARY KEY,
    workflow INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER
);
CREATE INDEX parts_of_workflow ON numbered_parts (workflow);
CREATE TRIGGER documents_unchecked AFTER UPDATE OF body ON documents BEGIN
    UPDATE documents SET checksum = NULL WHERE number = new.number;
    UPDATE workflows SET parts_checksum = 0 WHERE number = new.number;
END;
CREATE INDEX workflows_running ON workflows (owner) WHERE status = 'running';
CREATE TABLE leases (owner TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    sent REAL NOT NULL
);
CREATE INDEX messages_to ON messages (recipient, number);
CREATE TABLE keys (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    request BLOB NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE other_changes (
    number INTEGER PRIMARY KEY,
    workflow INTEGER NOT NULL,
    workflow_id TEXT NOT NULL,
    deleted INTEGER NOT NULL
);
CREATE VIEW changes AS
SELECT number, workflow, workflow_id, deleted FROM other_changes
UNION ALL
SELECT number, workflow,
    (SELECT workflow_id FROM workflows WHERE number = numbered_parts.workflow),
    CAST(0 AS INTEGER)
FROM numbered_parts;
CREATE VIEW last_change AS SELECT max(
    coalesce((SELECT max(number) FROM numbered_parts), 0),
    coalesce((SELECT max(number) FROM other_changes), 0)
) AS number;
CREATE TRIGGER workflows_added AFTER INSERT ON workflows BEGIN
    INSERT INTO other_changes
    VALUES ((SELECT number + 1 FROM last_change), new.number, new.workflow_id, 0);
END;
CREATE TRIGGER workflows_changed AFTER UPDATE OF first_saved_us ON workflows BEGIN
    INSERT INTO other_changes
    VALUES ((SELECT number + 1 FROM last_change), new.number, new.workflow_id, 0);
END;
CREATE TRIGGER workflows_deleted AFTER DELETE ON workflows BEGIN
    INSERT INTO other_changes
    VALUES ((SELECT number + 1 FROM last_change), old.number, old.workflow_id, 1);
END;
CREATE TRIGGER parts_dropped BEFORE DELETE ON numbered_parts BEGIN
    INSERT OR IGNORE INTO other_changes
    SELECT old.number, old.workflow, workflow_id, 0 FROM workflows WHERE number = old.workflow;
END;
CREATE TABLE about (feed TEXT NOT NULL, first INTEGER NOT NULL, indexed INTEGER NOT NULL);
INSERT INTO about VALUES ('a feed of schema 6', 1, 0);
CREATE VIEW parts AS SELECT number, workflow, body, checksum FROM numbered_parts;
CREATE TRIGGER older_append INSTEAD OF INSERT ON parts BEGIN
    INSERT INTO numbered_parts (number, workflow, body, checksum)
    SELECT number + 1, new.workflow, new.body, new.checksum FROM last_change;
END;
CREATE TRIGGER older_drop INSTEAD OF DELETE ON parts BEGIN
    DELETE FROM numbered_parts WHERE number = old.number;
END;
CREATE TRIGGER older_forget INSTEAD OF DELETE ON changes BEGIN
    SELECT raise(IGNORE);
END;
CREATE TABLE heads (
    number INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    status TEXT NOT NULL,
    began_us INTEGER,
    is_estimated INTEGER NOT NULL,
    updated_us INTEGER NOT NULL,
    ended_us INTEGER,
    events INTEGER NOT NULL,
    activities INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    step TEXT NOT NULL,
    waiting_for TEXT NOT NULL,
    signal TEXT NOT NULL,
    error TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    first_saved_us INTEGER,
    etag TEXT NOT NULL,
    flaw TEXT NOT NULL
);
CREATE TABLE details (
    number INTEGER PRIMARY KEY,
    activities BLOB,
    events BLOB,
    input BLOB,
    result BLOB
);
CREATE INDEX heads_newest ON heads (updated_us DESC, workflow_id);
PRAGMA application_id = 1766739522;
PRAGMA user_version = 6;
COMMIT;
"""


def tables(path: Path) -> dict[str, str]:
    """Return what a file defines, without the quotes that SQLite adds when it renames a table."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT name, sql FROM sqlite_master").fetchall()
    return {name: "".join((sql or "").replace('"', "").split()) for name, sql in found}
