"""The alarms of an office in the words of its people."""

from __future__ import annotations

from connectors.runtime.registry import CENTER, RegistryAlarm
from schemas.words import NO_WORDS, Language, stream_words, words


def alarm_text(alarm: RegistryAlarm, language: Language) -> str:
    """Return what an alarm says to people; a status of the center is said as everywhere."""
    values = dict(alarm.values)
    if "status" in values:
        said = stream_words().get(CENTER, NO_WORDS).find(f"statuses.{values['status']}", language)
        values["status"] = said or values["status"]
    return words("alarms").say(alarm.text, language, **values)
