"""What `connector check` says of how HQ stands with this center, and what it says of this center to HQ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.cli.check import Checked
from connectors.cli.office import OpenedOffice
from hub.protocol.errors import CohubError
from schemas.words.causes import whole_said
from schemas.words.said import said

if TYPE_CHECKING:
    from connectors.runtime.outbox import Outbox
    from hub.protocol.control import More


def check_hq(office: OpenedOffice) -> Checked:
    """Say how HQ stands with this center, as HQ said it last to a running connector."""
    from connectors.runtime.hq_words import status_said, todo_said
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.outbox.status import hq_status
    from connectors.runtime.told import told_of

    if not office.outbox.exists():
        return Checked("hq", None, said("hq.never"))
    try:
        with Outbox(office.outbox, read_only=True) as outbox:
            kept = hq_status(outbox.database)
    except CohubError as exc:
        return Checked("hq", None, told_of(exc))
    if kept is None:
        return Checked("hq", None, said("hq.never"))
    is_stale = kept.is_stale(datetime.now(UTC))
    told = whole_said(status_said(kept, is_stale=is_stale), todo_said(kept))
    return Checked("hq", None if is_stale else not kept.stops, told)


def said_more(office: OpenedOffice, outbox: Outbox, now: datetime) -> More | None:
    """Return what is said of this center beside a check, so that HQ does not take an office for alive that is not."""
    from connectors.runtime.life import look
    from connectors.runtime.local_time import show_time
    from connectors.runtime.outbox.status import count_refused, hq_status
    from connectors.runtime.presence import more_of

    kept, vital = hq_status(outbox.database), look(office.path, office.outbox)
    if kept is None or not kept.reads_second_presence(now):
        return None
    life, ended = vital.life, ""
    if vital.standing != "running" and life is not None:
        why = life.ended.why if life.ended else said("check.killed", at=show_time(life.seen_at))
        ended = why.text()
    return more_of(outbox, now, count_refused(outbox.database), ended)
