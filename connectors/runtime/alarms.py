"""What an alarm says: kept as the name of its text and the values in it, said in the words of whoever reads.

Each stands in the outbox under its `AlarmName`. What HQ is told of an alarm is signed, and no word of these:
`told_to_hq` has that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

import orjson

from connectors.runtime.alarm_name import AlarmName
from schemas.words import NO_WORDS, Language, stream_words, words

CENTER: Final = "center"
BREAKS: Final = "breaks"  # the group of texts by `witness.Why`


class AlarmText(StrEnum):
    """The texts of schemas/words/alarms.toml."""

    FOREIGN = "foreign"
    FOREIGN_OPENED_AS = "foreign_opened_as"
    DIVERGED = "diverged"
    KEY_UNKNOWN = "key_unknown"
    KEY_REVOKED = "key_revoked"
    LONG_SEALS = "long_seals"
    WITNESS_KEY_UNKNOWN = "witness_key_unknown"
    WITNESS_KEY_REVOKED = "witness_key_revoked"
    FOREIGN_KEY = "foreign_key"
    NOT_ACTIVE = "not_active"
    SCHEMA_NOT_ANNOUNCED = "schema_not_announced"
    LOG = "log"
    LOG_MISSING = "log_missing"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_BEHIND = "clock_behind"
    NOT_LOGGED = "not_logged"
    NOT_LOGGED_MORE = "not_logged_more"
    REGISTRY_OLD = "registry_old"
    REGISTRY_OTHER = "registry_other"


# What can be said under each name; the words' check asks for each of them.
TEXTS: Final[Mapping[AlarmName, tuple[AlarmText, ...]]] = {
    AlarmName.FOREIGN: (AlarmText.FOREIGN, AlarmText.FOREIGN_OPENED_AS),
    AlarmName.DIVERGED: (AlarmText.DIVERGED,),
    AlarmName.KEY: (AlarmText.KEY_UNKNOWN, AlarmText.KEY_REVOKED),
    AlarmName.LONG_SEALS: (AlarmText.LONG_SEALS,),
    AlarmName.WITNESS_KEY: (AlarmText.WITNESS_KEY_UNKNOWN, AlarmText.WITNESS_KEY_REVOKED),
    AlarmName.FOREIGN_KEY: (AlarmText.FOREIGN_KEY,),
    AlarmName.SUSPENDED: (AlarmText.NOT_ACTIVE,),
    AlarmName.SCHEMA_NOT_ANNOUNCED: (AlarmText.SCHEMA_NOT_ANNOUNCED,),
    AlarmName.LOG: (AlarmText.LOG, AlarmText.LOG_MISSING),
    AlarmName.CLOCK: (AlarmText.CLOCK_AHEAD, AlarmText.CLOCK_BEHIND),
    AlarmName.NOT_LOGGED: (AlarmText.NOT_LOGGED, AlarmText.NOT_LOGGED_MORE),
    AlarmName.REGISTRY: (AlarmText.REGISTRY_OLD, AlarmText.REGISTRY_OTHER),
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person of this office must know; `values` are filled into its text."""

    text: AlarmText
    values: Mapping[str, str]

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """Return the alarm that `to_text` has written; None where an older release has kept its sentence instead."""
        if not text.startswith("{"):
            return None
        found = orjson.loads(text)
        return cls(AlarmText(found["text"]), found["values"])

    def to_text(self) -> str:
        """Return the alarm as it is kept."""
        return orjson.dumps({"text": self.text, "values": dict(self.values)}).decode()


def alarm_text(alarm: Alarm, language: Language) -> str:
    """Return what an alarm says to people.

    A status of the center is said as everywhere, and in which way HQ's log is broken by its own words: the `reason`
    that is kept beside it is HQ's, in English.
    """
    values = dict(alarm.values)
    if "status" in values:
        said = stream_words().get(CENTER, NO_WORDS).find(f"statuses.{values['status']}", language)
        values["status"] = said or values["status"]
    if "why" in values:
        values["reason"] = words("alarms").say(f"{BREAKS}.{values['why']}", language, **values)
    return words("alarms").say(alarm.text, language, **values)


def kept_text(kept: str, language: Language) -> str:
    """Return what an alarm of the outbox says to people; the sentence of an older release as it stands."""
    alarm = Alarm.from_text(kept)
    return kept if alarm is None else alarm_text(alarm, language)


def told_to_hq(kept: str) -> str:
    """Return how HQ is told of an alarm of ours about its log: in English, whatever the office reads.

    It is signed, so it is no word of the catalogue, which may come to say the same better; and what 0.2 kept was this
    very sentence, so that nothing is told anew after an update.
    """
    alarm = Alarm.from_text(kept)
    if alarm is None:
        return kept
    if alarm.text is AlarmText.LOG:
        return f"{alarm.values['reason']}; nothing is cosigned any more, see `connector witness status`"
    if alarm.text is AlarmText.LOG_MISSING:
        return f"{alarm.values['reason']}; nothing is cosigned until hub.checkpoints has it"
    more = " and more" if alarm.text is AlarmText.NOT_LOGGED_MORE else ""
    return "HQ gave a receipt that is not in its log: {origin} to {last}, {stored_at}".format(**alarm.values) + more
