CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch (
    number INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, base INTEGER NOT NULL,
    opened_at TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE event (
    id INTEGER PRIMARY KEY, ce_id TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, time TEXT NOT NULL,
    dataschema TEXT NOT NULL, value BLOB NOT NULL, status TEXT NOT NULL, digest BLOB, creates INTEGER NOT NULL,
    correlation TEXT, causation TEXT
);
CREATE TABLE batch (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, edge BLOB NOT NULL,
    seal BLOB NOT NULL, key_id BLOB NOT NULL, PRIMARY KEY (epoch, last)
) WITHOUT ROWID;
CREATE TABLE receipt (
    epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, note BLOB NOT NULL,
    recorded_at TEXT NOT NULL, stored_at TEXT NOT NULL, PRIMARY KEY (epoch, first, last)
) WITHOUT ROWID;
CREATE TABLE rejection (event INTEGER PRIMARY KEY, code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL);
CREATE TABLE foreign_lane (origin TEXT PRIMARY KEY, recorded_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entity (
    id TEXT PRIMARY KEY, status TEXT, digest BLOB, decided INTEGER NOT NULL,
    presumed_status TEXT, presumed_digest BLOB, inflight INTEGER NOT NULL, plan INTEGER NOT NULL,
    shaken INTEGER NOT NULL, fingerprint BLOB, file TEXT, state TEXT NOT NULL,
    code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL, refused TEXT, story TEXT
) WITHOUT ROWID;
CREATE INDEX entity_shaken ON entity (id) WHERE shaken = 1;
CREATE TABLE file (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, message TEXT NOT NULL, generation INTEGER NOT NULL,
    blank INTEGER NOT NULL, waiting BLOB, approved BLOB,
    code TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE row (
    file TEXT NOT NULL, number INTEGER NOT NULL, generation INTEGER NOT NULL, key TEXT NOT NULL, entity TEXT,
    fingerprint BLOB, state TEXT NOT NULL, code TEXT NOT NULL, field TEXT NOT NULL, params TEXT NOT NULL,
    problems TEXT NOT NULL, PRIMARY KEY (file, number)
) WITHOUT ROWID;
CREATE TABLE vanished (file TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (file, key)) WITHOUT ROWID;
CREATE VIEW row_verdict AS SELECT
    row.file, number, key, entity,
    CASE WHEN row.state <> '' THEN row.state
         WHEN entity.fingerprint IS NOT row.fingerprint THEN 'pending'
         WHEN entity.state = 'accepted' AND entity.file IS NOT row.file THEN 'unchanged'
         ELSE entity.state END AS state,
    CASE WHEN row.state <> '' THEN row.code WHEN entity.fingerprint IS row.fingerprint THEN entity.code ELSE '' END
        AS code,
    CASE WHEN row.state <> '' THEN row.field WHEN entity.fingerprint IS row.fingerprint THEN entity.field ELSE '' END
        AS field,
    CASE WHEN row.state <> '' THEN row.params WHEN entity.fingerprint IS row.fingerprint THEN entity.params ELSE '' END
        AS params,
    problems
FROM row LEFT JOIN entity ON entity.id = row.entity;
CREATE TABLE IF NOT EXISTS log_seen (
    one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, edge BLOB NOT NULL, note BLOB NOT NULL,
    position INTEGER NOT NULL, seen_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS log_checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS log_leaf (after INTEGER PRIMARY KEY, leaves BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cosigned (size INTEGER PRIMARY KEY, note BLOB NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log_break (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, reason TEXT NOT NULL, ours BLOB NOT NULL, theirs BLOB NOT NULL,
    retried_at TEXT
);
CREATE TABLE IF NOT EXISTS unlogged (
    hash BLOB PRIMARY KEY, epoch INTEGER NOT NULL, last INTEGER NOT NULL, stored_at TEXT NOT NULL
) WITHOUT ROWID;
PRAGMA user_version=4;
