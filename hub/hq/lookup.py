"""What people ask HQ's database for by a name that they type. What is not there is said, with what there is instead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import Field

from hub.domain.catalogue import STREAMS
from hub.domain.key import typed_id
from hub.protocol.errors import NotFound
from hub.store.read.centers import RegisteredCenter
from hub.store.read.entities import HeldEntity, TracedEntity
from hub.store.read.intakes import IntakeStanding
from hub.store.read.invitations import InvitationStanding
from hub.store.read.lanes import LaneReport
from hub.store.read.model import ReadModel
from hub.store.read.quarantine import QuarantinedContent
from hub.store.read.reads import Snapshot


@dataclass(frozen=True, slots=True)
class Listed:
    """The first entities of a stream. `total` is how many HQ has of it, of the center that was asked for."""

    entities: tuple[HeldEntity, ...]
    total: int


def find_entity(now: Snapshot, stream: str, entity_id: str) -> TracedEntity:
    """Return one entity, by its id as HQ has it or as a person writes it. Errors: NotFound."""
    _check_stream(stream)
    found = now.entity(stream, entity_id) or now.entity(stream, typed_id(entity_id))
    if found is None:
        raise NotFound(f"HQ has no {stream} {entity_id}; `hub show {stream}` lists what it has")
    return found


def list_entities(now: Snapshot, stream: str, limit: int | None, center: str | None = None) -> Listed:
    """Return the first `limit` entities of a stream by id, or of one center's; None: all. Errors: NotFound."""
    _check_stream(stream)
    return Listed(now.entities(stream, limit, center), now.count_entities(stream, center))


def find_lanes(now: Snapshot, center: str) -> LaneReport:
    """Return all that there is to say of a center's lanes. Errors: NotFound."""
    found = now.lane_report(center)
    if found is None:
        known = [registered.id for registered in now.centers()]
        what = "HQ has read nothing of it yet" if center in known else f"known are {', '.join(known) or 'none'}"
        raise NotFound(f"no lane of a center {center}: {what}")
    return found


class CenterReport(ReadModel):
    """A center as it is registered, and where HQ stands with it."""

    registered: RegisteredCenter = Field(description="What the hq lane says of it")
    standing: IntakeStanding = Field(description="Where HQ stands with it, and what it said of itself")
    invitation: InvitationStanding | None = Field(description="Its newest invitation to join by one file")


def find_center(now: Snapshot, center: str) -> CenterReport:
    """Return all that there is to say of one center. Errors: NotFound."""
    centers = {registered.id: registered for registered in now.centers()}
    if center not in centers:
        raise NotFound(f"there is no center {center}; known are {', '.join(centers) or 'none'}")
    intakes = {intake.center: intake for intake in now.intakes()}
    invited = [found for found in now.invitations(datetime.now(UTC)) if found.center == center]
    return CenterReport(
        registered=centers[center],
        standing=intakes.get(center) or IntakeStanding(center=center),
        invitation=invited[-1] if invited else None,
    )


def find_quarantined(now: Snapshot, number: int) -> QuarantinedContent:
    """Return one record that became no event, with what was in it. Errors: NotFound."""
    found = now.quarantined_content(number)
    if found is None:
        raise NotFound(f"there is no quarantined record {number}; `hub quarantine list` has them")
    return found


def _check_stream(stream: str) -> None:
    if stream not in STREAMS:
        raise NotFound(f"there is no stream {stream}; expected one of {', '.join(STREAMS)}")
