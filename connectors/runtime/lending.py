"""What an office gives back to an HQ whose database was put back from a copy: HQ's own signed words."""

from __future__ import annotations

import structlog

from connectors.runtime.outbox.answers import Answers
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.status import hq_status
from connectors.runtime.outbox.witnessed import Witnessed
from connectors.runtime.sender import Sender
from connectors.runtime.witness import Log
from hub.protocol.witness import LENT_LEAVES_MAX, LENT_LOG_KIND, LENT_RECEIPT_KIND, LentLog

log = structlog.get_logger(__name__)


async def lend_receipts(answers: Answers, sender: Sender, first: int) -> None:
    """Send HQ its receipts for the open lane from an event on, in order. What does not go out is asked for again."""
    for note in answers.notes_from(first):
        if not await sender.send_control(LENT_RECEIPT_KIND, note):
            return


async def lend_log(database: Database, kept: Witnessed, sender: Sender, after: int, stood: Log) -> bool:
    """Send HQ the leaves between what its topic leads to and what we stand by, with its checkpoint.

    Returns whether all of them went out. An HQ of 0.2, which has never told its status, can't read them.
    """
    leaves = kept.leaves(after, stood.size) if hq_status(database) is not None else []
    for at in range(0, len(leaves), LENT_LEAVES_MAX):
        part = LentLog(after + at, tuple(leaves[at : at + LENT_LEAVES_MAX]), stood.note)
        if not await sender.send_control(LENT_LOG_KIND, part.to_bytes()):
            return False
    if leaves:
        log.info("log_lent", after=after, size=stood.size)
    return True
