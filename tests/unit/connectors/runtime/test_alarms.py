"""An alarm says the same in every language, with what it is about filled in."""

from __future__ import annotations

import pytest

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import TEXTS, Alarm, AlarmText, alarm_text, kept_text, told_to_hq
from connectors.runtime.witness import Break, Why
from schemas.words import LANGUAGES

VALUES = {
    "key": "K+1",
    "keys": "K+2",
    "note": "uz.witness.note",
    "status": "suspended",
    "origin": "hub.example/uz/eeeeeeee",
    "recorded_at": "2026-01-02T03:04:05.000000Z",
    "opened_as": "moved (machine pc-7)",
    "size": "9",
    "type": "net.cohub.offer.published.v1",
    "reason": "HQ has signed two roots at size 3",
    "last": "3",
    "gap": "51:00:04",
    "wanted": "12",
    "before": "hub.example/hq/00000001",
    "stored_at": "2026-01-02T03:04:05.000000Z",
}


@pytest.mark.parametrize("text", list(AlarmText))
def test_every_alarm_can_be_said_with_its_values_in_every_language(text: AlarmText) -> None:
    """No place is left open, in no language."""
    said = {alarm_text(Alarm(text, VALUES), language) for language in LANGUAGES}
    assert len(said) == len(LANGUAGES)
    assert not any("{" in each for each in said)


def test_status_of_the_center_is_said_in_words() -> None:
    """A person reads no code; one that a later release brings is shown as it is."""
    assert "已暂停" in alarm_text(Alarm(AlarmText.NOT_ACTIVE, VALUES), "zh")
    assert "asleep" in alarm_text(Alarm(AlarmText.NOT_ACTIVE, {"status": "asleep"}), "zh")
    assert alarm_text(Alarm(AlarmText.NOT_ACTIVE, VALUES), "en") == "HQ has this center as suspended: ask HQ why"


def test_every_name_has_its_texts_and_every_text_one_name() -> None:
    """No alarm is a sentence in code, and no text is of an alarm that nobody raises."""
    assert TEXTS.keys() == set(AlarmName)
    assert sorted(text for texts in TEXTS.values() for text in texts) == sorted(AlarmText)


@pytest.mark.parametrize("text", list(AlarmText))
def test_alarm_is_read_as_it_was_kept(text: AlarmText) -> None:
    """The outbox keeps the name and the values; whoever looks says them in their own language."""
    alarm = Alarm(text, VALUES)
    assert Alarm.from_text(alarm.to_text()) == alarm
    assert kept_text(alarm.to_text(), "ru") == alarm_text(alarm, "ru")


def test_sentence_of_an_older_release_is_shown_as_it_stands() -> None:
    """What 0.2 has kept is no record, and is still told."""
    assert kept_text("size 9 recorded 2026-01-02T03:04:05.000000Z", "zh").startswith("size 9 recorded")


LOG_SAID = "HQ has signed two roots at size 3; nothing is cosigned any more, see `connector witness status`"
NOT_LOGGED_SAID = "HQ gave a receipt that is not in its log: hub.example/uz/eeeeeeee to 3, 2026-01-02T03:04:05.000000Z"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AlarmText.LOG, LOG_SAID),
        (AlarmText.NOT_LOGGED, NOT_LOGGED_SAID),
        (AlarmText.NOT_LOGGED_MORE, f"{NOT_LOGGED_SAID} and more"),
    ],
)
def test_what_hq_is_told_is_signed_and_stays_byte_for_byte(text: AlarmText, said: str) -> None:
    """The catalogue may change; the signed alarm is that of 0.2, whose kept sentence is told as it stands."""
    assert told_to_hq(Alarm(text, VALUES).to_text()) == said
    assert told_to_hq(said) == said


BREAK_VALUES = {"size": "4", "ours": "3"}


BREAKS_SAID = {
    Why.OTHER_ROOT: "HQ has signed another root at size 4 than before",
    Why.NOWHERE: "the leaves from 3 on are nowhere, and HQ has signed 4",
    Why.TWO_ROOTS: "HQ has signed two roots at size 4",
    Why.OTHER_STORY: "what HQ shows now does not lead to the root that it signed at 4",
    Why.DOES_NOT_FOLLOW: "checkpoint 4 does not follow from 3: its leaves lead to another root",
    Why.CUT_OFF: "HQ's log ends at 3, and it has signed one of 4",
}


@pytest.mark.parametrize("why", list(Why))
def test_break_of_the_log_is_said_in_every_language_and_told_to_hq_in_one(why: Why) -> None:
    """Its reason for people is the catalogue's; what HQ is told stands in code, and today's English is the same."""
    found = Break(why, BREAK_VALUES, b"", b"")
    alarm = Alarm(AlarmText.LOG, {"reason": found.reason, "why": why, **found.values})
    said = {language: alarm_text(alarm, language) for language in LANGUAGES}
    assert found.reason == BREAKS_SAID[why]
    assert found.reason in said["en"]
    assert not any(found.reason in said[language] or "{" in said[language] for language in ("zh", "ru"))
    assert told_to_hq(alarm.to_text()).startswith(f"{found.reason}; nothing is cosigned any more")
    missing = Alarm(AlarmText.LOG_MISSING, alarm.values)
    assert found.reason in alarm_text(missing, "en")
    assert told_to_hq(missing.to_text()) == f"{found.reason}; nothing is cosigned until hub.checkpoints has it"
