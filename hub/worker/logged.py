"""What a worker's log has of causes, and of records that became no events: the first of a step, and how many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from hub.ledger.lane import Intake
from hub.ledger.reading import Quarantined
from hub.protocol.cause import Cause
from schemas.words.causes import cause_said

QUARANTINE_LOGGED_MAX: Final = 8  # of one step: a stranger fills no log

log = structlog.get_logger(__name__)


def told(why: str) -> dict[str, str]:
    """Return a cause as the log has it: by its code, and as a sentence."""
    if not why:
        return {"why": ""}
    line = Cause.stored(why).to_line()
    return {"why": line, "said": cause_said(line).text()}


def log_standing(intake: Intake, was: Intake) -> None:
    """Log where a center's intake stands behind a step, if that is not where it stood, or it stands still."""
    if not intake.is_read:
        log.warning("lane_stopped", center=intake.center, status=str(intake.status), **told(intake.why))
    elif (intake.status, intake.why) != (was.status, was.why):
        event = "lane_reads_on" if intake.why else "lane_reads"
        log.warning(event, center=intake.center, status=str(intake.status), **told(intake.why))


def log_quarantined(center: str, found: Sequence[Quarantined]) -> None:
    """Log the records that one step has quarantined."""
    for item in found[:QUARANTINE_LOGGED_MAX]:
        log.warning(
            "record_quarantined", center=center, reason=item.reason, detail=item.detail, offset=item.record.offset
        )
    if len(found) > QUARANTINE_LOGGED_MAX:
        log.warning("records_quarantined", center=center, records=len(found))
