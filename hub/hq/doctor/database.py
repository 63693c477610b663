"""Whether HQ's database can be read and is of this release, and what it says of the centers' access and invitations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hub.base import files
from hub.hq.access import standing
from hub.hq.doctor.examined import Check, Examined, examined
from hub.hq.folder import HubFolder
from hub.protocol.errors import CohubError, NotFound, Retriable, UsageError
from hub.store.access_store import OPEN
from hub.store.read.access import GivenAccess
from hub.store.read.centers import RegisteredCenter
from hub.store.read.invitations import InvitationStanding


@dataclass(frozen=True, slots=True)
class Kept:
    """What the database says, at one moment."""

    centers: tuple[RegisteredCenter, ...] = ()
    given: Mapping[str, GivenAccess] = field(default_factory=dict)
    invitations: tuple[InvitationStanding, ...] = ()

    @property
    def open_centers(self) -> list[str]:
        """The ids of the centers that are not closed."""
        return [center.id for center in self.centers if center.status != "closed"]


def examine_database(where: HubFolder, at: datetime) -> tuple[Examined, Kept | None]:
    """Look into the database; return what it says, too, None where that can't be told."""
    try:
        place = where.place()
    except UsageError as exc:  # told of the settings, too
        return examined(Check.DATABASE, "unfit", path=where.database, reason=str(exc)), None
    path = place if isinstance(place, Path) else place.location
    nothing = examined(Check.DATABASE, "none", path=path)
    if isinstance(place, Path) and files.kind_at(place) is None:
        return nothing, Kept()
    try:
        with closing(where.reads()) as reads, reads.snapshot() as now:
            version = reads.version.number
            totals, kept = now.totals(), Kept(now.centers(), now.access(), now.invitations(at))
    except NotFound:
        return nothing, Kept()
    except Retriable as exc:
        return examined(Check.DATABASE, "busy", path=path, reason=str(exc)), None
    except CohubError as exc:
        return examined(Check.DATABASE, "unfit", path=path, reason=str(exc)), None
    centers = len(kept.centers)
    return examined(Check.DATABASE, "current", version=version or "", centers=centers, events=totals.events), kept


def examine_access(kept: Kept) -> Iterator[Examined]:
    """Look whether Kafka has topics, rights and quotas of each center as HQ says; nothing where there is no center."""
    states = {center.id: standing(center, kept.given).state for center in kept.centers}
    if not states:
        return
    behind = [center for center, state in states.items() if state == "waits"]
    if behind:
        yield examined(Check.CENTERS, "behind", centers=", ".join(behind))
    elif OPEN in states.values():
        yield examined(Check.CENTERS, "open")
    else:
        yield examined(Check.CENTERS, "as_wanted", count=len(states))


def examine_invitations(kept: Kept) -> Examined:
    """Look at the newest invitation of each center, where it has anything to tell."""
    newest = {invited.center: invited for invited in kept.invitations}.values()
    found = {
        "contested": [one.center for one in newest if one.alarm],
        "asked": [one.center for one in newest if one.stage == "asked" or one.unfinished],
        "expired": [one.center for one in newest if one.stage == "expired"],
        "open": [one.center for one in newest if one.stage == "invited"],
    }
    for case, centers in found.items():
        if centers:
            return examined(Check.INVITATIONS, case, centers=", ".join(centers))
    return examined(Check.INVITATIONS, "none")
