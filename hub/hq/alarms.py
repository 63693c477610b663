"""What an operator is told that something is wrong, in one line: HQ's alarms, a closed list, and why a lane stops.

The words stand in schemas/words, in alarms.toml and causes.toml.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hub.ledger.halt import Halt
from schemas.words import Language, words
from schemas.words.causes import cause_said, remedy_said, whole_said

if TYPE_CHECKING:
    from hub.store.read.intakes import IntakeStanding

PARTS: Final = ("message", "meaning", "remedy")
HALTS: Final = "hq.halts"  # the group of words that say why HQ's log stands still


class HqAlarm(StrEnum):
    """What an operator of HQ must know at once."""

    LOG_STOPPED = "LOG_STOPPED"  # the database is not what it was when HQ signed: nothing is signed any more
    STRANGE_COSIGNATURES = "STRANGE_COSIGNATURES"  # under checkpoints that the database does not have
    CLOCK = "CLOCK"  # lanes stand at times to come: HQ's clock was ahead, and nothing is recorded until then
    WITNESS = "WITNESS"  # what a center's witness holds against HQ's log
    INVITATION_CONTESTED = "INVITATION_CONTESTED"  # two offices have asked to join by one file
    INVITATION_REUSED = "INVITATION_REUSED"  # somebody has used a file that was confirmed


def halt_line(halt: Halt, language: Language = "en") -> str:
    """Return in one line why HQ's log stands still, what that means, what to do."""
    reason = words("alarms").say(f"{HALTS}.{halt.why}", language, **halt.values)
    return alarm_line(HqAlarm.LOG_STOPPED, language, reason=reason)


def alarm_line(alarm: HqAlarm, language: Language = "en", **values: object) -> str:
    """Return an alarm in one line: what is wrong, what it means, what to do."""
    message, meaning, remedy = (words("alarms").say(f"hq.{alarm}.{part}", language, **values) for part in PARTS)
    return f"ALARM {message}. {meaning} {remedy}"


def why_line(center: IntakeStanding, language: Language = "en") -> str:
    """Return in one line why HQ takes nothing of a center, or not all of it, and what a person here does about it."""
    if not center.cause:
        return center.why
    line = center.cause.partition("\n")[0]
    return whole_said(cause_said(line), remedy_said(line, "hq", center.center)).text(language)
