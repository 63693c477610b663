"""Cold reads for people: what the command line and the web show. SQLAlchemy Core, the same for every engine.

Every function takes an open connection and returns plain dicts (times as datetime in UTC, bytes as hex), ready for
JSON. None of them is for the worker: its reads are the store's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal_column, select

from hub.domain.stream import HQ
from hub.ledger.lane import EPOCH_START
from hub.ledger.witness import STRANGE
from hub.protocol.control import Presence
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_ED25519, Verifier
from hub.protocol.record import split_canonical
from hub.protocol.witness import Alarm
from hub.store.tables import (
    COSIGNATURE,
    ENTITY,
    EVIDENCE,
    INTAKE,
    LANE,
    LEDGER,
    MEASURE,
    PUBLISHED,
    QUARANTINE,
    RECEIPT,
)

# Written out, not bound: so the partial index on rejected rows serves it.
_REJECTED: Final[ColumnElement[bool]] = literal_column("ledger.code <> 'ACCEPTED'")
# A lane that nobody has published anything of yet has no cursor.
_LANE_AND_CURSOR: Final = LANE.outerjoin(PUBLISHED, PUBLISHED.c.lane_id == LANE.c.id)
_PUBLISHED: Final = func.coalesce(PUBLISHED.c.upto, 0)
NOTES_MAX: Final = 100


def moment(us: int | None) -> datetime | None:
    """Return the moment that a table has in microseconds."""
    return None if us is None else EPOCH_START + timedelta(microseconds=us)


def centers(db: Connection) -> list[dict[str, Any]]:
    """Return every center with its keys, as the hq lane has them; HQ itself is not one."""
    rows = db.execute(
        select(ENTITY.c.document).where(ENTITY.c.stream == "center", ENTITY.c.center == HQ).order_by(ENTITY.c.id)
    )
    found = []
    for (document,) in rows:
        entity = orjson.loads(document)
        center = entity["id"].partition(":")[2]
        if center == HQ:
            continue
        record = entity["record"]
        keys = [
            {
                "id": key["vkey"].split("+")[1],
                "purpose": key["purpose"],
                "status": key["status"],
                "replaced_lost": key["replaced_lost"],
                "status_reason": key["status_reason"],
                "vkey": key["vkey"],
            }
            for key in record["keys"]
        ]
        found.append({"id": center, "status": entity["status"], **record, "keys": keys})
    return found


def intakes(db: Connection) -> list[dict[str, Any]]:
    """Return where HQ stands with every center, the hq lane left out: position, lane, status and why, what came."""
    last = select(LANE.c.center, func.max(LANE.c.recorded_at_us).label("at")).group_by(LANE.c.center).subquery()
    query = (
        select(INTAKE, LANE.c.origin, LANE.c.epoch, LANE.c.size, last.c.at)
        .outerjoin(LANE, LANE.c.id == INTAKE.c.lane_id)
        .outerjoin(last, last.c.center == INTAKE.c.center)
        .where(INTAKE.c.center != HQ)
        .order_by(INTAKE.c.center)
    )
    rejected = _rejected_by_center(db)
    sums = {
        row.center: row
        for row in db.execute(
            select(
                LANE.c.center,
                func.count().label("epochs"),
                func.sum(LANE.c.size).label("events"),
                func.sum(LANE.c.missing).label("missing"),
                func.sum(LANE.c.size - _PUBLISHED).label("unpublished"),
            )
            .select_from(_LANE_AND_CURSOR)
            .group_by(LANE.c.center)
        )
    }
    forks: dict[str, int] = {
        row.center: int(row.forks)
        for row in db.execute(
            select(LANE.c.center, func.count().label("forks"))
            .join(EVIDENCE, EVIDENCE.c.origin == LANE.c.origin)
            .group_by(LANE.c.center)
        )
    }
    return [
        _intake(row, sums.get(row.center), rejected.get(row.center, Counter()), forks.get(row.center, 0))
        for row in db.execute(query)
    ]


def _intake(row: Row[Any], sums: Row[Any] | None, rejected: Counter[str], forks: int) -> dict[str, Any]:
    events = int(sums.events) if sums else 0
    return {
        "center": row.center,
        "status": row.status,
        "why": row.why,
        "owner": row.owner,
        "position": row.next_offset,
        "origin": row.origin,
        "size": row.size or 0,
        "epochs": int(sums.epochs) if sums else 0,
        "events": events,
        "accepted": events - sum(rejected.values()),
        "rejected": dict(sorted(rejected.items())),
        "duplicates": row.duplicates,
        "missing": int(sums.missing) if sums else 0,
        "unpublished": int(sums.unpublished) if sums else 0,
        "forks": forks,
        "last_receipt_at": moment(row.at),
        "seen_at": moment(row.seen_at_us),
        "presence": presence(row.presence),
        "alarm": alarm(row.alarm),
        "quarantined_bytes": row.quarantined_bytes,
    }


def presence(text: str | None) -> dict[str, Any] | None:
    """Return what a center last said of itself, None where it never did."""
    if text is None:
        return None
    try:
        said = Presence.from_text(text)
    except Malformed:
        return None
    return {
        "origin": said.origin,
        "time": said.time,
        "size": said.size,
        "backlog": said.backlog,
        "version": said.version,
    }


def alarm(text: str | None) -> dict[str, Any] | None:
    """Return what a center's witness has against HQ's log, None where it has nothing."""
    if text is None:
        return None
    try:
        said = Alarm.from_text(text)
    except Malformed:
        return None
    return {"time": said.time, "size": said.size, "reason": said.reason}


def witnesses(db: Connection) -> list[dict[str, Any]]:
    """Return how far each active center has cosigned HQ's log, and what it has against it; HQ itself is none.

    Shapes: `key` is active, revoked or none; `cosigned` is the newest size, 0 where it never did.
    """
    alarms = {row.center: row.alarm for row in db.execute(select(INTAKE.c.center, INTAKE.c.alarm))}
    return [
        _witness(db, center) | {"alarm": alarm(alarms.get(center["id"]))}
        for center in centers(db)
        if center["status"] == "active"
    ]


def _witness(db: Connection, center: dict[str, Any]) -> dict[str, Any]:
    # A witness key of version 0.1.0, which had no cosignatures, has never signed anything.
    keys = {
        key["status"]
        for key in center["keys"]
        if key["purpose"] == "witness" and Verifier.from_text(key["vkey"]).algorithm == COSIGNATURE_ED25519
    }
    # From the newest on, which is where it ends at once for whoever cosigns at all.
    newest = select(COSIGNATURE.c.size, COSIGNATURE.c.cosigned_at_us).where(COSIGNATURE.c.center == center["id"])
    row = db.execute(newest.order_by(COSIGNATURE.c.size.desc()).limit(1)).first() if keys else None
    return {
        "center": center["id"],
        "key": "active" if "active" in keys else "revoked" if keys else "none",
        "cosigned": row.size if row else 0,
        "cosigned_at": moment(row.cosigned_at_us) if row else None,
    }


def strange_cosignatures(db: Connection) -> int:
    """Return how many good cosignatures stand under what HQ's database does not know that HQ signed."""
    return _count(db, select(func.count()).select_from(QUARANTINE).where(QUARANTINE.c.reason.in_(STRANGE)))


def _rejected_by_center(db: Connection) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for center, code, count in db.execute(
        select(LANE.c.center, LEDGER.c.code, func.count())
        .join(LANE, LANE.c.id == LEDGER.c.lane_id)
        .where(_REJECTED)
        .group_by(LANE.c.center, LEDGER.c.code)
    ):
        found.setdefault(center, Counter())[code] += count
    return found


def totals(db: Connection) -> dict[str, Any]:
    """Return the sums over all centers; what HQ itself said is counted as the basis alone."""
    events, unpublished, missing = db.execute(
        select(
            func.coalesce(func.sum(LANE.c.size), 0),
            func.coalesce(func.sum(LANE.c.size - _PUBLISHED), 0),
            func.coalesce(func.sum(LANE.c.missing), 0),
        )
        .select_from(_LANE_AND_CURSOR)
        .where(LANE.c.center != HQ)
    ).one()
    rejected: Counter[str] = Counter()
    for center, codes in _rejected_by_center(db).items():
        if center != HQ:
            rejected += codes
    of_centers = select(LANE.c.id).where(LANE.c.center != HQ)
    duplicates = db.execute(select(func.coalesce(func.sum(INTAKE.c.duplicates), 0))).scalar_one()
    basis = db.execute(select(func.coalesce(func.sum(LANE.c.size), 0)).where(LANE.c.center == HQ)).scalar_one()
    return {
        "events": int(events),
        "accepted": int(events) - sum(rejected.values()),
        "rejected": dict(sorted(rejected.items())),
        "duplicates": int(duplicates),
        "missing": int(missing),
        "receipts": _count(db, select(func.count()).select_from(RECEIPT).where(RECEIPT.c.lane_id.in_(of_centers))),
        "quarantined": _count(db, select(func.count()).select_from(QUARANTINE)),
        "forks": _count(
            db, select(func.count()).select_from(EVIDENCE).where(EVIDENCE.c.origin.in_(select(LANE.c.origin)))
        ),
        "entities": entities_by_stream(db),
        "published_backlog": int(unpublished),
        "basis": int(basis),
    }


def entities_by_stream(db: Connection) -> dict[str, int]:
    """Return how many entities HQ has of each stream that centers write facts in."""
    rows = db.execute(
        select(ENTITY.c.stream, func.count())
        .where(ENTITY.c.center != HQ, ENTITY.c.stream != "lane")
        .group_by(ENTITY.c.stream)
        .order_by(ENTITY.c.stream)
    )
    return {stream: int(count) for stream, count in rows}


def receipts_by_center(db: Connection) -> dict[str, int]:
    """Return how many receipts HQ has given each center."""
    rows = db.execute(
        select(LANE.c.center, func.count())
        .select_from(RECEIPT)
        .join(LANE, LANE.c.id == RECEIPT.c.lane_id)
        .where(LANE.c.center != HQ)
        .group_by(LANE.c.center)
    )
    return {center: int(count) for center, count in rows}


def events_after(db: Connection, center: str) -> bool:
    """Return whether HQ has any entity of this center that is a fact, not a lane."""
    query = select(ENTITY.c.id).where(ENTITY.c.center == center, ENTITY.c.stream != "lane").limit(1)
    return db.execute(query).first() is not None


def lanes(db: Connection, center: str | None = None) -> list[dict[str, Any]]:
    """Return every lane that HQ has taken events of, the hq lane too, oldest first within its center."""
    query = select(LANE, _PUBLISHED.label("published")).select_from(_LANE_AND_CURSOR).order_by(LANE.c.center, LANE.c.id)
    if center is not None:
        query = query.where(LANE.c.center == center)
    return [
        {
            "origin": row.origin,
            "center": row.center,
            "epoch": row.epoch,
            "size": row.size,
            "published": row.published,
            "missing": row.missing,
            "closed_by": row.closed_by,
            "recorded_at": moment(row.recorded_at_us),
            "state_digest": bytes(row.state_digest).hex(),
        }
        for row in db.execute(query)
    ]


def measures(db: Connection, center: str) -> dict[str, str]:
    """Return what a center's lanes count, summed exactly by the reader where there are several."""
    rows = db.execute(
        select(LANE.c.origin, MEASURE.c.key, MEASURE.c.value)
        .join(LANE, LANE.c.id == MEASURE.c.lane_id)
        .where(LANE.c.center == center)
        .order_by(MEASURE.c.key, LANE.c.id)
    )
    return {f"{origin} {key}": value for origin, key, value in rows}


def evidence(db: Connection, center: str) -> list[dict[str, Any]]:
    """Return the pairs of notes that prove this center's forks."""
    rows = db.execute(
        select(EVIDENCE)
        .where(EVIDENCE.c.origin.in_(select(LANE.c.origin).where(LANE.c.center == center)))
        .order_by(EVIDENCE.c.recorded_at_us)
        .limit(NOTES_MAX)
    )
    return [
        {
            "origin": row.origin,
            "size": row.size,
            "ours": bytes(row.ours).decode("utf-8", "replace"),
            "theirs": bytes(row.theirs).decode("utf-8", "replace"),
            "recorded_at": moment(row.recorded_at_us),
        }
        for row in rows
    ]


def entity(db: Connection, stream: str, entity_id: str) -> dict[str, Any] | None:
    """Return one entity as HQ has it, and which event it came from; None where HQ has none."""
    row = db.execute(
        select(ENTITY.c.document, ENTITY.c.digest, LANE.c.origin, ENTITY.c.sequence)
        .join(LANE, LANE.c.id == ENTITY.c.lane_id)
        .where(ENTITY.c.stream == stream, ENTITY.c.id == entity_id)
    ).first()
    if row is None:
        return None
    return {**orjson.loads(row.document), "digest": bytes(row.digest).hex(), "origin": row.origin, "at": row.sequence}


def entities(db: Connection, stream: str, limit: int, center: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the first `limit` entities of a stream by id."""
    query = select(ENTITY.c.document).where(ENTITY.c.stream == stream).order_by(ENTITY.c.id).limit(limit)
    if center is not None:
        query = query.where(ENTITY.c.center == center)
    for (document,) in db.execute(query):
        yield orjson.loads(document)


def count_entities(db: Connection, stream: str) -> int:
    """Return how many entities a stream has."""
    return _count(db, select(func.count()).select_from(ENTITY).where(ENTITY.c.stream == stream))


def quarantined(db: Connection, limit: int, center: str | None = None) -> list[dict[str, Any]]:
    """Return the newest records that were kept without becoming events."""
    query = select(QUARANTINE).order_by(QUARANTINE.c.id.desc()).limit(limit)
    if center is not None:
        query = query.where(QUARANTINE.c.center == center)
    return [_quarantined(row) for row in db.execute(query)]


def quarantined_record(db: Connection, number: int) -> dict[str, Any] | None:
    """Return one quarantined record with its headers and the beginning of its value, None where there is none."""
    row = db.execute(select(QUARANTINE).where(QUARANTINE.c.id == number)).first()
    if row is None:
        return None
    data = bytes(row.data)
    found = {**_quarantined(row), "key": _text(row.key), "is_whole": len(data) == row.size_bytes}
    try:
        headers, value = split_canonical(data)
        found |= {
            "headers": {_text(name.encode("utf-8", "surrogateescape")): _text(content) for name, content in headers},
            "value_hex": value.hex(),
        }
    except Malformed:
        found |= {"headers": {}, "value_hex": data.hex()}
    return found


def _quarantined(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "center": row.center,
        "offset": row.kafka_offset,
        "reason": row.reason,
        "detail": row.detail,
        "bytes": row.size_bytes,
        "recorded_at": moment(row.recorded_at_us),
        "digest": bytes(row.digest).hex(),
    }


def _text(content: bytes | None) -> str | None:
    return None if content is None else bytes(content).decode("utf-8", "replace")


def _count(db: Connection, query: Select[int]) -> int:
    return int(db.execute(query).scalar_one())
