"""What keeps this center from HQ though the broker lets it in: suspended, closed, not registered, HQ silent."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub.base.obstacle import Obstacle, obstacles_in, time_text
from hub.protocol.cause import Cause, CauseCode
from schemas.words.causes import cause_said, remedy_said
from schemas.words.said import Said, said

if TYPE_CHECKING:
    from connectors.cli.office import OpenedOffice
    from connectors.runtime.registry import Registry
    from connectors.runtime.standing import Kept
    from hub.base.second_clock import SecondClock
    from hub.protocol.status import StatusNote

ACTIVE: Final = "active"


def is_unconfirmed(office: Path) -> bool:
    """Return whether an office has asked to join, and HQ has not answered: its settings are written with the answer."""
    from connectors.runtime.joining import REQUEST
    from connectors.runtime.settings import FILE
    from hub.base import files

    return files.is_file(office / REQUEST) and files.kind_at(office / FILE) is None


def standing_obstacle(registry: Registry, note: StatusNote | None) -> Said | None:
    """Return that HQ has suspended or closed this center, as its sealed lane says; since when its status note tells."""
    center = registry.center
    if center is None or center.status == ACTIVE:
        return None
    code = CauseCode.CLOSED if center.status == "closed" else CauseCode.SUSPENDED
    line = Cause.of(code, text=center.status_reason).to_line()
    since = note.since if note is not None and note.state == center.status else None
    return _stopped(code, line, since)


def closed_obstacle(kept: Kept | None, obstacles: tuple[object, ...]) -> Said | None:
    """Return that HQ has closed this center, where the broker knows its login no more and HQ's last word was that."""
    refused = any(one.name.endswith(Obstacle.LOGIN_REFUSED) for one in obstacles_in(obstacles))
    if kept is None or not refused or kept.note.state != "closed":
        return None
    return _stopped(CauseCode.CLOSED, kept.note.why or CauseCode.CLOSED, kept.note.since)


def _stopped(code: CauseCode, line: str, since: datetime | None) -> Said:
    when = said("span.unknown") if since is None else time_text(since)
    remedy = remedy_said(line, "office")
    if code is CauseCode.CLOSED:
        return said("obstacles.closed", since=when, why=cause_said(line), remedy=remedy)
    return said("obstacles.suspended", since=when, why=cause_said(line), remedy=remedy)


def kept_status(office: OpenedOffice) -> Kept | None:
    """Return what HQ said last to a running connector of how it stands with us; None where nothing is kept."""
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.outbox.status import hq_status
    from hub.protocol.errors import CohubError

    if not office.outbox.exists():
        return None
    try:
        with Outbox(office.outbox, read_only=True) as outbox:
            return hq_status(outbox.database)
    except CohubError:
        return None  # said already, where HQ's word is


def past_times(office: OpenedOffice) -> list[SecondClock]:
    """Return times that have been for sure: when HQ signed what this office has."""
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.outbox.lookup import receipt_times
    from hub.base.second_clock import SecondClock
    from hub.protocol.errors import CohubError
    from hub.protocol.moment import read_time

    kept = kept_status(office)
    found = [] if kept is None else [kept.note.time]
    if office.outbox.exists():
        try:
            with Outbox(office.outbox, read_only=True) as outbox:
                found += [read_time(recorded) for recorded, _ in receipt_times(outbox.database)]
        except CohubError:
            pass
    return [SecondClock(max(found), is_past=True)] if found else []


def silent_obstacle(since: datetime) -> Said:
    """Return that HQ says nothing, though the broker answers."""
    return said("obstacles.hq_down", since=time_text(since))
