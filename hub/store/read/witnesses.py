"""How far each center has cosigned HQ's log, and what is held against the log."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field
from sqlalchemy import Connection, func, select

from hub.ledger.witness import STRANGE
from hub.protocol.keys import COSIGNATURE_ED25519, Verifier
from hub.store.read.centers import RegisteredCenter
from hub.store.read.intakes import LastAlarm, alarms
from hub.store.read.model import ReadModel, moment
from hub.store.tables import COSIGNATURE, QUARANTINE


class WitnessStanding(ReadModel):
    """How far an active center has cosigned HQ's log."""

    center: str = Field(description="The center's id")
    key: Literal["active", "revoked", "none"] = Field(
        description="Whether it has a witness key that it can cosign with"
    )
    cosigned: int = Field(description="The newest size that it has cosigned, 0 where it never did")
    cosigned_at: datetime | None = Field(description="When it did so, by its own clock")
    alarm: LastAlarm | None = Field(description="What it holds against the log")


def witnesses(db: Connection, registered: Iterable[RegisteredCenter]) -> tuple[WitnessStanding, ...]:
    """Return how far each active center has cosigned HQ's log, by id; HQ itself is no witness."""
    held = alarms(db)
    return tuple(_witness(db, center, held.get(center.id)) for center in registered if center.status == "active")


def strange_cosignatures(db: Connection) -> int:
    """Return how many good cosignatures stand under checkpoints that HQ's database does not have."""
    query = select(func.count()).select_from(QUARANTINE).where(QUARANTINE.c.reason.in_(STRANGE))
    return int(db.execute(query).scalar_one())


def _witness(db: Connection, center: RegisteredCenter, alarm: LastAlarm | None) -> WitnessStanding:
    # A witness key of version 0.1.0, which had no cosignatures, has never signed anything.
    keys = {
        key.status
        for key in center.keys
        if key.purpose == "witness" and Verifier.from_text(key.vkey).algorithm == COSIGNATURE_ED25519
    }
    # From the newest on, which is where it ends at once for whoever cosigns at all.
    newest = select(COSIGNATURE.c.size, COSIGNATURE.c.cosigned_at_us).where(COSIGNATURE.c.center == center.id)
    row = db.execute(newest.order_by(COSIGNATURE.c.size.desc()).limit(1)).first() if keys else None
    return WitnessStanding(
        center=center.id,
        key="active" if "active" in keys else "revoked" if keys else "none",
        cosigned=row.size if row else 0,
        cosigned_at=moment(row.cosigned_at_us) if row else None,
        alarm=alarm,
    )
