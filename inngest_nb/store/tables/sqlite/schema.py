"""The tables of the SQLite file, and how files of older schemas get them."""

from __future__ import annotations

SCHEMA_VERSION = 8

# Leases, messages and idempotency keys.
_SHARING = (
    "CREATE TABLE leases (owner TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        recipient TEXT NOT NULL,
        kind TEXT NOT NULL,
        payload BLOB NOT NULL,
        sent REAL NOT NULL
    )
    """,
    "CREATE INDEX messages_to ON messages (recipient, number)",
    """
    CREATE TABLE keys (
        number INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        request BLOB NOT NULL,
        at REAL NOT NULL
    )
    """,
)
_NEWEST = "CREATE INDEX workflows_newest ON workflows (updated_us DESC, workflow_id, status)"
# Each change of a workflow has a number, in the order of the commits. A part has the number of its
# change, so that a step writes no other row for it; `other_changes` has those of whole documents,
# deletions and parts that were dropped since. `about.first` is the first change that is kept, and
# `about.feed` tells this file's numbers from those of another.
_CHANGES = (
    """
    CREATE TABLE other_changes (
        number INTEGER PRIMARY KEY,
        workflow INTEGER NOT NULL,
        workflow_id TEXT NOT NULL,
        deleted INTEGER NOT NULL
    )
    """,
    # With columns of equal types, SQLite merges the two instead of sorting them.
    """
    CREATE VIEW changes AS
    SELECT number, workflow, workflow_id, deleted FROM other_changes
    UNION ALL
    SELECT number, workflow,
        (SELECT workflow_id FROM workflows WHERE number = numbered_parts.workflow),
        CAST(0 AS INTEGER)
    FROM numbered_parts
    """,
    """
    CREATE VIEW last_change AS SELECT max(
        coalesce((SELECT max(number) FROM numbered_parts), 0),
        coalesce((SELECT max(number) FROM other_changes), 0)
    ) AS number
    """,
    """
    CREATE TRIGGER workflows_added AFTER INSERT ON workflows BEGIN
        INSERT INTO other_changes
        VALUES ((SELECT number + 1 FROM last_change), new.number, new.workflow_id, 0);
    END
    """,
    # This column is set when a whole document is written, and only then.
    """
    CREATE TRIGGER workflows_changed AFTER UPDATE OF first_saved_us ON workflows BEGIN
        INSERT INTO other_changes
        VALUES ((SELECT number + 1 FROM last_change), new.number, new.workflow_id, 0);
    END
    """,
    """
    CREATE TRIGGER workflows_deleted AFTER DELETE ON workflows BEGIN
        INSERT INTO other_changes
        VALUES ((SELECT number + 1 FROM last_change), old.number, old.workflow_id, 1);
    END
    """,
    # A number that is taken, as in a file that was mended by hand, must not forbid a save.
    """
    CREATE TRIGGER parts_dropped BEFORE DELETE ON numbered_parts BEGIN
        INSERT OR IGNORE INTO other_changes
        SELECT old.number, old.workflow, workflow_id, 0 FROM workflows WHERE number = old.workflow;
    END
    """,
    "CREATE TABLE about (feed TEXT NOT NULL, first INTEGER NOT NULL, indexed INTEGER NOT NULL)",
    """
    INSERT INTO about
    SELECT lower(hex(randomblob(8))), coalesce(max(number), 0) + 1, coalesce(max(number), 0)
    FROM numbered_parts
    """,
)
# A process of an older version may still have the file open. It writes parts without the number of
# a change, and drops changes without telling from where on they are kept.
_PARTS_FOR_OLDER_VERSIONS = (
    "CREATE VIEW parts AS SELECT number, workflow, body, checksum FROM numbered_parts",
    """
    CREATE TRIGGER older_append INSTEAD OF INSERT ON parts BEGIN
        INSERT INTO numbered_parts (number, workflow, body, checksum)
        SELECT number + 1, new.workflow, new.body, new.checksum FROM last_change;
    END
    """,
    """
    CREATE TRIGGER older_drop INSTEAD OF DELETE ON parts BEGIN
        DELETE FROM numbered_parts WHERE number = old.number;
    END
    """,
    """
    CREATE TRIGGER older_forget INSTEAD OF DELETE ON changes BEGIN
        SELECT raise(IGNORE);
    END
    """,
)
# It adds a document by INSERT or replaces it by INSERT OR REPLACE; before there were checksums, it
# replaced it by UPDATE.
_DOCUMENTS_FOR_OLDER_VERSIONS = (
    "CREATE VIEW documents AS SELECT number, body, checksum FROM checked_documents",
    """
    CREATE TRIGGER older_save INSTEAD OF INSERT ON documents BEGIN
        INSERT OR REPLACE INTO checked_documents (number, body, checksum)
        VALUES (new.number, new.body, new.checksum);
    END
    """,
    """
    CREATE TRIGGER older_unchecked INSTEAD OF UPDATE ON documents BEGIN
        UPDATE checked_documents SET body = new.body, checksum = NULL WHERE number = old.number;
        UPDATE workflows SET parts_checksum = 0 WHERE number = old.number;
    END
    """,
    """
    CREATE TRIGGER older_delete INSTEAD OF DELETE ON documents BEGIN
        DELETE FROM checked_documents WHERE number = old.number;
    END
    """,
)
# A head is what a listing tells of a workflow without its document; it is made later, from the
# changes numbered above `about.indexed`, so that saving doesn't wait for it. What frames and
# searches often look at is kept beside the heads.
_HEADS = (
    """
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
    )
    """,
    """
    CREATE TABLE details (
        number INTEGER PRIMARY KEY,
        activities BLOB,
        events BLOB,
        input BLOB,
        result BLOB
    )
    """,
    "CREATE INDEX heads_newest ON heads (updated_us DESC, workflow_id)",
)
# A workflow is its last whole document and the partial ones appended since, each in its own row, so
# that appending does not touch existing rows. One index serves all listings, because every index
# costs each append a page.
_SCHEMA = (
    """
    CREATE TABLE workflows (
        number INTEGER PRIMARY KEY,
        workflow_id TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL,
        updated_us INTEGER NOT NULL,
        first_saved_us INTEGER,
        etag TEXT NOT NULL,
        owner TEXT NOT NULL DEFAULT '',
        parts_checksum INTEGER NOT NULL DEFAULT 0
    )
    """,
    _NEWEST,
    """
    CREATE TABLE checked_documents (
        number INTEGER PRIMARY KEY,
        body BLOB NOT NULL,
        checksum INTEGER
    )
    """,
    """
    CREATE TABLE numbered_parts (
        number INTEGER PRIMARY KEY,
        workflow INTEGER NOT NULL,
        body BLOB NOT NULL,
        checksum INTEGER
    )
    """,
    "CREATE INDEX parts_of_workflow ON numbered_parts (workflow)",
    *_SHARING,
    *_CHANGES,
    *_PARTS_FOR_OLDER_VERSIONS,
    *_DOCUMENTS_FOR_OLDER_VERSIONS,
    *_HEADS,
)
# Schema 1 had the document in the workflow's row, and no etag.
_FROM_SCHEMA_1 = (
    "ALTER TABLE workflows RENAME TO workflows_1",
    "DROP INDEX workflows_newest",
    "DROP INDEX workflows_status",
    *_SCHEMA,
    """
    INSERT INTO workflows
    SELECT number, workflow_id, status, updated_us, first_saved_us, lower(hex(randomblob(9))), '', 0
    FROM workflows_1
    """,
    """
    INSERT INTO checked_documents
    SELECT number, document, checksum_of(CAST(workflow_id AS BLOB), CAST(document AS BLOB))
    FROM workflows_1
    """,
    "DROP TABLE workflows_1",
)
# Schema 6 replaced the rows of documents, because a trigger removed the checksum of an updated one.
# It had an index of running workflows, too, which took two pages of each run for a look a minute.
_FROM_SCHEMA_6 = (
    "DROP INDEX IF EXISTS workflows_running",
    "DROP TRIGGER IF EXISTS documents_unchecked",
    "ALTER TABLE documents RENAME TO checked_documents",
    *_DOCUMENTS_FOR_OLDER_VERSIONS,
)
# The heads that are kept were made by other rules than today's. A number below all changes says
# that nobody knows what has changed since, so that all heads are compared with what is stored.
# Whoever changes what a head or its details tell of a workflow adds these once more as a step.
_HEADS_ANEW = (
    "DELETE FROM heads",
    "DELETE FROM details",
    "UPDATE about SET indexed = -1",
)
_NUMBERED = (
    "ALTER TABLE parts RENAME TO numbered_parts",
    *_CHANGES,
    *_PARTS_FOR_OLDER_VERSIONS,
    *_FROM_SCHEMA_6,
)
# Schema 5 wrote a row of `changes` for each part, too. Those whose heads were not made are kept.
_FROM_SCHEMA_5 = (
    "DROP TRIGGER workflows_added",
    "DROP TRIGGER workflows_changed",
    "DROP TRIGGER workflows_deleted",
    "ALTER TABLE changes RENAME TO changes_5",
    "ALTER TABLE about RENAME TO about_5",
    *_NUMBERED,
    """
    INSERT INTO other_changes
    SELECT about.indexed + number - about_5.indexed, workflow, workflow_id, deleted
    FROM changes_5, about, about_5 WHERE number > about_5.indexed
    """,
    "UPDATE about SET first = coalesce((SELECT min(number) FROM other_changes), first)",
    "DROP TABLE changes_5",
    "DROP TABLE about_5",
)
# Schema 4 did not number changes, and its index had more columns, which took time to write.
_FROM_SCHEMA_4 = (
    *_NUMBERED,
    *_HEADS,
    "DROP INDEX workflows_newest",
    _NEWEST,
    """
    INSERT INTO other_changes
    SELECT indexed + row_number() OVER (ORDER BY updated_us), number, workflow_id, 0
    FROM workflows, about
    """,
)
# Schema 3 had no checksums.
_FROM_SCHEMA_3 = (
    "ALTER TABLE documents ADD COLUMN checksum INTEGER",
    "ALTER TABLE parts ADD COLUMN checksum INTEGER",
    """
    UPDATE documents SET checksum = (
        SELECT checksum_of(CAST(workflow_id AS BLOB), CAST(body AS BLOB))
        FROM workflows WHERE number = documents.number)
    """,
    """
    UPDATE parts SET checksum = (
        SELECT checksum_of(CAST(workflow_id AS BLOB), CAST(body AS BLOB))
        FROM workflows WHERE number = parts.workflow)
    """,
    "ALTER TABLE workflows ADD COLUMN parts_checksum INTEGER NOT NULL DEFAULT 0",
    """
    UPDATE workflows SET parts_checksum = 0xFFFFFFFF & (
        SELECT sum(checksum) FROM parts WHERE workflow = workflows.number)
    WHERE EXISTS (SELECT 1 FROM parts WHERE workflow = workflows.number AND checksum IS NOT NULL)
    """,
    *_FROM_SCHEMA_4,
)
# Schema 2 kept leases in the documents; they lasted a minute, so all of them have expired.
_FROM_SCHEMA_2 = (
    "ALTER TABLE workflows ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    *_SHARING,
    *_FROM_SCHEMA_3,
)
# The statements that bring a file of each schema to the current one; 0 is an empty file.
STEPS = {
    0: _SCHEMA,
    1: _FROM_SCHEMA_1,
    2: _FROM_SCHEMA_2,
    3: _FROM_SCHEMA_3,
    4: _FROM_SCHEMA_4,
    5: (*_FROM_SCHEMA_5, *_HEADS_ANEW),
    6: (*_FROM_SCHEMA_6, *_HEADS_ANEW),
    7: _HEADS_ANEW,
}
