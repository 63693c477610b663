"""The tables, the same for every engine. Units stand in the names; times are microseconds since 1970 in UTC.

A lane's rows go by a small number, `lane.id`, because its origin would stand in every ledger row.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

METADATA: Final = MetaData()

# Texts are compared by their code points, as SQLite does: entities are in one order on every engine.
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")

INTAKE: Final = Table(
    "intake",
    METADATA,
    Column("center", TEXT, primary_key=True),
    Column("next_offset", BigInteger),  # NULL: read the topic from its earliest record
    Column("term", BigInteger, nullable=False),  # who may write: a claim adds one, a commit names the one it has
    Column("owner", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("why", TEXT, nullable=False),
    Column("lane_id", Integer),
    Column("duplicates", BigInteger, nullable=False),
    Column("quarantined_bytes", BigInteger, nullable=False),  # what its quota counts
    Column("seen_at_us", BigInteger),  # when HQ last received a presence
    Column("presence", TEXT),  # its note's text
    Column("alarm", TEXT),  # what its witness last said of HQ's log, its note's text: `reason -` once all is well
    Column("reads_on", Integer, nullable=False, server_default="0"),  # 1: it is read, whatever its status says
    Column("read_upto", BigInteger, nullable=False, server_default="0"),  # what lies before that offset was counted
    Column("strangers", BigInteger, nullable=False, server_default="0"),  # control records by keys HQ does not know
)

# By which times the presences and alarms of a center were signed that were heard: what is said again is known by them.
HEARD: Final = Table(
    "heard",
    METADATA,
    Column("center", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),  # presence or alarm
    Column("times", TEXT, nullable=False),
)

# Since when HQ stands with a center as it does: what the center is told of it, when that changed last. It follows from
# the intake and is missed by nobody but for the time in it.
TOLD: Final = Table(
    "told",
    METADATA,
    Column("center", TEXT, primary_key=True),
    Column("text", TEXT, nullable=False),  # the status note's
)

# What an audit found about a center's events, which their center is told beside how HQ stands with it.
REMARK: Final = Table(
    "remark",
    METADATA,
    Column("center", TEXT, primary_key=True),
    Column("count", BigInteger, nullable=False),  # how much was found
    Column("text", TEXT, nullable=False),  # what is told; empty once that was heard and no more was found
    Column("kept_at_us", BigInteger, nullable=False),
)

LANE: Final = Table(
    "lane",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("origin", TEXT, nullable=False, unique=True),
    Column("center", TEXT, nullable=False, index=True),
    Column("epoch", TEXT, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("edge", LargeBinary, nullable=False),
    Column("state_digest", LargeBinary, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    Column("closed_by", TEXT),  # the origin that followed it
    Column("missing", BigInteger, nullable=False),  # events its center wrote and HQ never had, known when closed
)

# Who commits a lane rewrites its row all the time; the cursors of publisher and notary stand apart, so that no two of
# them ever wait for one row. A lane without a row here is at 0.
PUBLISHED: Final = Table(
    "published",
    METADATA,
    Column("lane_id", Integer, ForeignKey("lane.id"), primary_key=True, autoincrement=False),
    Column("upto", BigInteger, nullable=False),  # the publisher's cursor: events up to here are out
)

# How far each lane is published, for whoever reads lanes.
LANE_AND_CURSOR: Final = LANE.outerjoin(PUBLISHED, PUBLISHED.c.lane_id == LANE.c.id)
PUBLISHED_UPTO: Final = func.coalesce(PUBLISHED.c.upto, 0)

LOGGED: Final = Table(
    "logged",
    METADATA,
    Column("lane_id", Integer, ForeignKey("lane.id"), primary_key=True, autoincrement=False),
    Column("upto", BigInteger, nullable=False),  # the notary's cursor: receipts up to here are in HQ's log
)

_REJECTED: Final = text("code <> 'ACCEPTED'")

LEDGER: Final = Table(
    "ledger",
    METADATA,
    Column("lane_id", Integer, ForeignKey("lane.id"), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),  # canonical bytes: signed headers and value; empty once archived
    Column("digest", LargeBinary, nullable=False),
    Column("code", TEXT, nullable=False),
    Column("field", TEXT, nullable=False),
    Column("params", TEXT, nullable=False),
    Column("key", LargeBinary),  # only where it is not the subject
    Column("type", TEXT, nullable=False),
    Column("subject", TEXT, nullable=False),
    Column("occurred_at_us", BigInteger),
    Column("version", BigInteger, nullable=False),
    # The accepted event before this one of the same entity: its history is a linked list (docs/adr/0010).
    Column("previous_lane_id", Integer),
    Column("previous", BigInteger),
    PrimaryKeyConstraint("lane_id", "sequence"),
    # What was rejected is counted without reading the ledger; accepted events, the many, cost nothing here.
    Index("ledger_rejected", "lane_id", "code", sqlite_where=_REJECTED, postgresql_where=_REJECTED),
    Index("ledger_rejected_subject", "subject", sqlite_where=_REJECTED, postgresql_where=_REJECTED),
)

RECEIPT: Final = Table(
    "receipt",
    METADATA,
    Column("lane_id", Integer, ForeignKey("lane.id"), nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("edge", LargeBinary, nullable=False),  # the lane's edge after `last`
    Column("note", LargeBinary, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    Column("basis", BigInteger, nullable=False),
    Column("state_digest", LargeBinary),  # the lane's, after `last`; NULL where a release before 0.2 wrote the row
    PrimaryKeyConstraint("lane_id", "last"),
)

ENTITY: Final = Table(
    "entity",
    METADATA,
    Column("stream", TEXT, nullable=False),
    Column("id", TEXT, nullable=False),
    Column("center", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("document", TEXT, nullable=False),  # RFC 8785
    Column("digest", LargeBinary, nullable=False),
    Column("lane_id", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("record_lane_id", Integer, nullable=False),
    Column("record_sequence", BigInteger, nullable=False),
    # Of the last event, though ledger and receipt have them too: an entity is read for nearly every event.
    Column("changed_by", TEXT, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("stream", "id"),
    Index("entity_center", "center", "stream"),
)

MEASURE: Final = Table(
    "measure",
    METADATA,
    Column("lane_id", Integer, ForeignKey("lane.id"), nullable=False),
    Column("key", TEXT, nullable=False),
    Column("value", TEXT, nullable=False),  # a decimal, exact
    PrimaryKeyConstraint("lane_id", "key"),
)

QUARANTINE: Final = Table(
    "quarantine",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("center", TEXT, nullable=False),
    Column("kafka_offset", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("detail", TEXT, nullable=False),
    Column("key", LargeBinary),
    Column("data", LargeBinary, nullable=False),  # canonical bytes, or the first of them: `store.KEPT`
    Column("size_bytes", BigInteger, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    UniqueConstraint("center", "kafka_offset", "digest"),  # a record that is read again is kept once
)

# What was quarantined and is over its center's quota: counted, and not kept.
UNKEPT: Final = Table(
    "unkept",
    METADATA,
    Column("center", TEXT, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("first_at_us", BigInteger, nullable=False),
    Column("last_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("center", "reason"),
)

EVIDENCE: Final = Table(
    "evidence",
    METADATA,
    Column("origin", TEXT, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("ours", LargeBinary, nullable=False),
    Column("theirs", LargeBinary, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("origin", "size"),
)

# HQ's log: an RFC 6962 tree whose leaves are receipts' texts. Index and size are keys, so that no two writers can give
# one place two leaves, or one size two roots.
LOG_LEAF: Final = Table(
    "log_leaf",
    METADATA,
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    Column("lane_id", Integer, ForeignKey("lane.id"), nullable=False),
    Column("last", BigInteger, nullable=False),  # the receipt's
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("lane_id", "last"),
)

LOG_TILE: Final = Table(
    "log_tile",
    METADATA,
    Column("level", Integer, nullable=False),
    Column("tile_index", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),  # 256 of them: only whole tiles stand here (C2SP tlog-tiles)
    PrimaryKeyConstraint("level", "tile_index"),
)

CHECKPOINT: Final = Table(
    "checkpoint",
    METADATA,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),  # with HQ's own signatures, byte for byte as published
    Column("edge", LargeBinary, nullable=False),
    Column("signed_at_us", BigInteger, nullable=False),
)

COSIGNATURE: Final = Table(
    "cosignature",
    METADATA,
    Column("size", BigInteger, nullable=False),
    Column("name", TEXT, nullable=False),  # of the witness's key
    Column("key_id", LargeBinary, nullable=False),
    Column("center", TEXT, nullable=False),
    Column("value", LargeBinary, nullable=False),  # timestamp and signature, as in the note's line
    Column("cosigned_at_us", BigInteger, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("size", "name", "key_id"),
)

# Receipts that HQ has signed and a database that was put back from a copy has still to come to (hub/ledger/owed.py).
OWED: Final = Table(
    "owed",
    METADATA,
    Column("id", Integer, primary_key=True),  # the order in which HQ gave them
    Column("center", TEXT, nullable=False),
    Column("origin", TEXT, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("why", TEXT),  # why a worker could not come to what is owed of its center; NULL: it may come by itself
    UniqueConstraint("origin", "last"),
)

# That the database was put back from a backup of then, and no worker has read yet what HQ had signed beyond it.
RESTORED: Final = Table("restored", METADATA, Column("made_at_us", BigInteger, primary_key=True, autoincrement=False))

# Leaves of HQ's log that it has signed and whose receipts it has no more: each of a log that a person had begin anew.
LOG_LOST: Final = Table(
    "log_lost",
    METADATA,
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

# That a person has confirmed that HQ's log begins anew: behind the checkpoint of that size, which witnesses cosigned.
LOG_BEGUN: Final = Table(
    "log_begun",
    METADATA,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", TEXT, nullable=False),
    Column("confirmed_at_us", BigInteger, nullable=False),
)

# Who does a hub-wide task (the notary's, the keeper's) for now, and which workers live (hub/store/workers.py).
LEASE: Final = Table(
    "lease",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("owner", TEXT, nullable=False),
    Column("until_us", BigInteger, nullable=False),
)

# States that a worker sent when its term was over already: whoever has the lane sends those behind `after` again.
SAID_LATE: Final = Table(
    "said_late",
    METADATA,
    Column("lane_id", Integer, ForeignKey("lane.id"), primary_key=True, autoincrement=False),
    Column("after", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),  # how often that was noted
)

# Under which term a hub-wide task is done of which not even an old write may come last: whoever begins it adds one.
TENURE: Final = Table(
    "tenure",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("term", BigInteger, nullable=False),
    Column("owner", TEXT, nullable=False),
)

# What the broker has acknowledged of each partition that HQ fills: one that has less was lost, and is said again.
SAID: Final = Table(
    "said",
    METADATA,
    Column("topic", TEXT, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("upto", BigInteger, nullable=False),  # of `hub.lane`: the sequences that are said; 0 elsewhere
    PrimaryKeyConstraint("topic", "partition"),
)

# The topics that are being said again from the ledger, and those that were. A row is begun anew by the next asking.
SAID_AGAIN: Final = Table(
    "said_again",
    METADATA,
    Column("topic", TEXT, primary_key=True),
    Column("partitions", TEXT, nullable=False),  # numbers with commas, '' for all
    Column("why", TEXT, nullable=False),
    Column("asked_at_us", BigInteger, nullable=False),
    Column("place", TEXT, nullable=False),  # how far it is, in the words of whoever reads it; '' at the beginning
    Column("done", BigInteger, nullable=False),  # records
    Column("missing", BigInteger, nullable=False),  # records whose bytes nobody has any more
    Column("finished_at_us", BigInteger),
)

# Ranges of the ledger whose bytes are in the archive.
SEGMENT: Final = Table(
    "segment",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the segment's file, which is named by it
    Column("lane_id", Integer, ForeignKey("lane.id"), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("previous", LargeBinary),  # the segment before it, of any lane
    Column("location", TEXT, nullable=False),  # a directory or a store's URL
    Column("size_bytes", BigInteger, nullable=False),
    Column("archived_at_us", BigInteger, nullable=False),
    UniqueConstraint("lane_id", "last"),
)

# Who was invited to be a center by one file, and how far that is (hub/ledger/invitation.py).
INVITATION: Final = Table(
    "invitation",
    METADATA,
    Column("id", TEXT, primary_key=True),
    Column("center", TEXT, nullable=False),
    Column("made_at_us", BigInteger, nullable=False),
    Column("expires_at_us", BigInteger, nullable=False),
    Column("stage", TEXT, nullable=False),
    Column("request", TEXT),  # SHA-256 of the request that is to be confirmed
    Column("asked_at_us", BigInteger),
    Column("other", TEXT),  # of the first different one
    Column("other_at_us", BigInteger),
    Column("ended_at_us", BigInteger),
    Column("heeded_at_us", BigInteger),  # when somebody took note of a different one behind the confirmation
    Column("sealed", LargeBinary, nullable=False),  # its secret and private key, readable by keys/access.key alone
    Column("sealed_request", LargeBinary),  # the request, in the same way
)

# What each center was given to reach HQ by, and how far Kafka has it. What it may do there follows from its status in
# the hq lane, which is nowhere here. A center without a row has no credential, the quota of all, and no news.
ACCESS: Final = Table(
    "access",
    METADATA,
    Column("center", TEXT, primary_key=True),
    Column("version", BigInteger, nullable=False),  # the credential's number: each new one has the next; 0: none yet
    Column("sealed", LargeBinary),  # the credential, readable by keys/access.key alone
    Column("given_at_us", BigInteger),
    Column("rate", BigInteger),  # bytes a second that it may write; NULL: as many as all
    Column("kept", TEXT, nullable=False),  # a digest of what Kafka was brought to, 'open' where it lets in everybody
    Column("kept_at_us", BigInteger),
)
