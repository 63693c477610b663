"""An alarm says the same in every language, with what it is about filled in."""

from __future__ import annotations

import pytest

from connectors.runtime.alarms import alarm_text
from connectors.runtime.registry import AlarmText, RegistryAlarm
from schemas.words import LANGUAGES

VALUES = {"key": "K+1", "keys": "K+2", "note": "uz.witness.note", "status": "suspended"}


@pytest.mark.parametrize("text", list(AlarmText))
def test_every_alarm_can_be_said_with_its_values_in_every_language(text: AlarmText) -> None:
    """No place is left open, in no language."""
    said = {alarm_text(RegistryAlarm(text, VALUES), language) for language in LANGUAGES}
    assert len(said) == len(LANGUAGES)
    assert not any("{" in each for each in said)


def test_status_of_the_center_is_said_in_words() -> None:
    """A person reads no code; one that a later release brings is shown as it is."""
    assert "已暂停" in alarm_text(RegistryAlarm(AlarmText.NOT_ACTIVE, VALUES), "zh")
    assert "asleep" in alarm_text(RegistryAlarm(AlarmText.NOT_ACTIVE, {"status": "asleep"}), "zh")
    assert (
        alarm_text(RegistryAlarm(AlarmText.NOT_ACTIVE, VALUES), "en") == "HQ has this center as suspended: ask HQ why"
    )
