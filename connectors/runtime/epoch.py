"""Opening a lane: when a new epoch is due, why, and what its first event says."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import Any

import structlog

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm
from connectors.runtime.codecs import Codecs
from connectors.runtime.ids import EventIds
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.lane import Previous, new_origin
from connectors.runtime.outbox.meta import Foreign, Meta
from connectors.runtime.told import OfficeFatal
from hub.domain.catalogue import KINDS
from hub.protocol.moment import write_time
from hub.protocol.record import LANE_OPENED
from schemas.words.said import Said, said

log = structlog.get_logger(__name__)


def reason_for_epoch(outbox: Outbox) -> str | None:
    """Return why a new lane must be opened, None if the open one goes on.

    Errors: Fatal, if another outbox of this center opened a lane after ours.
    """
    foreign = outbox.database.foreign()
    if foreign is not None:
        raise OfficeFatal("errors.foreign", lane=_lane_said(foreign), path=outbox.path)
    wanted = outbox.database.meta(Meta.EPOCH_WANTED)
    if wanted is not None:
        return str(wanted)
    diverged = outbox.database.meta(AlarmName.DIVERGED)
    if diverged is not None:
        return f"the outbox is an old copy: HQ has {_holds(diverged)}"
    if outbox.lane.epoch is None:
        return "a new outbox" if outbox.answers.origins.newest() is None else "a new outbox for a center that HQ knows"
    return None


def _lane_said(foreign: Foreign) -> Said:
    """Return what is known of the lane that another machine opened."""
    at = write_time(foreign.recorded_at)
    if not foreign.opened_as:
        return said("errors.foreign_lane", origin=foreign.origin, at=at)
    return said("errors.foreign_lane_opened", origin=foreign.origin, at=at, opened_as=foreign.opened_as)


def _holds(diverged: str) -> str:
    """Return what HQ has of a lane more than this outbox, by its alarm; signed with the new lane's first event."""
    alarm = Alarm.from_text(diverged)
    return diverged if alarm is None else f"size {alarm.values['size']} recorded {alarm.values['recorded_at']}"


def open_epoch(outbox: Outbox, codecs: Codecs, ids: EventIds, hub: str, center: str, reason: str) -> set[str]:
    """Open a new lane in the outbox, in which what has no receipt is said again; return the files to plan again.

    There are such files where the new lane continues what another outbox, or this one before it went back to an old
    copy, told HQ: we do not know what HQ holds of our rows.
    """
    previous, files = _previous(outbox), set[str]()
    if previous is not None and previous != outbox.lane.previous():
        files = outbox.rows.forget_held()  # after a crash here the same is done again, for the lane is not open yet
    origin, now = new_origin(hub, center, os.urandom(4)), datetime.now(UTC)
    # Another outbox of this center that sees this lane stops, and can then say which machine to look at.
    record: dict[str, Any] = {"origin": origin, "reason": f"{reason[:350]} (machine {socket.gethostname()[:100]})"}
    if previous is not None:
        record |= {
            "previous_origin": previous.origin,
            "previous_size": previous.size,
            "previous_root": previous.root.hex(),
        }
    opened = codecs.event(
        KINDS[LANE_OPENED],
        f"{center}:{origin.rpartition('/')[2]}",
        record,
        event_id=ids.make(),
        time=now,
        status="open",
        digest=None,
    )
    outbox.lane.open(origin, reason, opened, now)
    # A center's first lane is how things begin; any other one is something that a person should have seen.
    say = log.info if previous is None else log.warning
    say("lane_opened", origin=origin, reason=reason, previous=previous.origin if previous else None)
    return files


def _previous(outbox: Outbox) -> Previous | None:
    """Return what a new lane continues: our own as we sealed it, unless HQ told of another or of more."""
    newest, own = outbox.answers.origins.newest(), outbox.lane.previous()
    if newest is None or (
        own is not None and own.origin == newest.origin and outbox.database.meta(AlarmName.DIVERGED) is None
    ):
        return own
    return newest
