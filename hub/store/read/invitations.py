"""Invitations for people: how far each is; of its secrets nothing."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field
from sqlalchemy import Connection, select

from hub.ledger.invitation import Issued
from hub.store.invitation_store import COLUMNS, issued_of
from hub.store.read.model import ReadModel
from hub.store.tables import INVITATION


class InvitationStanding(ReadModel):
    """How far one invitation is."""

    id: str = Field(description="8 hex digits, as in the enrolment bundle")
    center: str = Field(description="The center that may join by it")
    stage: str = Field(description="invited, asked, confirmed, contested, withdrawn or expired")
    made_at: datetime = Field(description="When HQ made it")
    expires_at: datetime = Field(description="When its time is over")
    asked_at: datetime | None = Field(description="When the office asked by it")
    request: str | None = Field(description="The SHA-256 of what it asked for")
    other_at: datetime | None = Field(description="When a different request came by it")
    other: str | None = Field(description="The SHA-256 of that")
    ended_at: datetime | None = Field(description="When it was confirmed and all was done, withdrawn, or over")
    alarm: bool = Field(description="Whether somebody else has the bundle, and nobody has taken note of it")
    unfinished: bool = Field(description="Whether confirming it was broken off: confirm it again")


def invitations(db: Connection, now: datetime) -> tuple[InvitationStanding, ...]:
    """Return every invitation as it is at this time, the oldest first. Errors: those of an edited row."""
    columns = [INVITATION.c[name] for name in COLUMNS]
    found = []
    for row in db.execute(select(*columns).order_by(INVITATION.c.made_at_us, INVITATION.c.id)):
        issued = issued_of(*row)
        if issued is None:
            raise ValueError(f"the invitation {row[0]}")
        found.append(standing_of(issued.at(now)))
    return tuple(found)


def standing_of(issued: Issued) -> InvitationStanding:
    """Return an invitation as people read it."""
    return InvitationStanding(
        id=issued.id,
        center=issued.center,
        stage=issued.stage,
        made_at=issued.made_at,
        expires_at=issued.expires_at,
        asked_at=issued.asked_at,
        request=issued.request,
        other_at=issued.other_at,
        other=issued.other,
        ended_at=issued.ended_at,
        alarm=issued.is_alarming,
        unfinished=issued.is_unfinished,
    )
