"""What a witness tells HQ: round trips, and everything else is Malformed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.checkpoint import Checkpoint
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_ED25519, Signer
from hub.protocol.note import Note
from hub.protocol.witness import (
    REASON_BYTES_MAX,
    Alarm,
    cosigned_note,
    log_origin,
    open_cosigned,
    witness_key_name,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
KEY = Signer(witness_key_name("hub.example", "uz"), b"w" * 32, COSIGNATURE_ED25519)
TEXT = Checkpoint(log_origin("hub.example"), 7, b"r" * 32).to_text()


def test_names_are_those_of_the_protocol() -> None:
    """The log's origin names its keys; a witness key is named after its center."""
    assert (log_origin("hub.example"), KEY.name) == ("hub.example/log", "hub.example/uz/witness")


def test_cosigned_note_goes_round() -> None:
    """The note has the checkpoint's text and one good line, with its time in whole seconds."""
    data = cosigned_note(TEXT, KEY, NOW)
    said = open_cosigned(data)
    assert (said.checkpoint.size, said.at, said.line.name) == (7, NOW.replace(microsecond=0), KEY.name)
    said.note.verify([KEY.verifier])
    assert said.note.to_bytes() == data


@pytest.mark.parametrize("cut", range(0, len(cosigned_note(TEXT, KEY, NOW)), 7))
def test_cosigned_note_truncated_is_malformed_or_unverified(cut: int) -> None:
    """No part of a cosignature is one."""
    data = cosigned_note(TEXT, KEY, NOW)
    with pytest.raises(Malformed):
        open_cosigned(data[:cut]).note.verify([KEY.verifier])


def test_cosigned_note_of_two_lines_is_malformed() -> None:
    """One witness, one line: HQ stores what it was told, and no more."""
    note = Note.from_bytes(cosigned_note(TEXT, KEY, NOW))
    with pytest.raises(Malformed, match="one signature line"):
        open_cosigned(Note(note.text, note.signatures * 2).to_bytes())


@given(st.integers(0, 2**63 - 1), st.text(max_size=700))
def test_alarm_goes_round(size: int, reason: str) -> None:
    """Whatever the reason, the text is one line for it, and means the same when read."""
    text = Alarm("uz", NOW, size, reason).to_text()
    read = Alarm.from_text(text)
    assert (read.center, read.time, read.size, read.to_text()) == ("uz", NOW, size, text)
    assert len(read.reason.encode()) <= REASON_BYTES_MAX


def test_alarm_without_a_reason_takes_it_back() -> None:
    """An empty reason is written as - and read as none."""
    text = Alarm("uz", NOW.astimezone(timezone(timedelta(hours=5))), 3, " \n").to_text()
    assert text == "cohub-alarm/v1\nuz\ntime 2026-03-01T12:00:00.250000Z\nsize 3\nreason -\n"
    assert Alarm.from_text(text).reason == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v1", "v2"),
        ("uz", "UZ"),
        ("time 2026", "time 26"),
        ("size 3", "size 03"),
        ("size 3", "size -3"),
        ("reason x", "reason "),
        ("reason x", "because x"),
        ("reason x\n", "reason x"),
        ("reason x\n", "reason x\nmore y\n"),
        ("000Z", "000+00:00"),
    ],
)
def test_alarm_in_another_form_is_malformed(old: str, new: str) -> None:
    """One form, and nothing else."""
    text = Alarm("uz", NOW, 3, "x").to_text()
    assert old in text
    with pytest.raises(Malformed):
        Alarm.from_text(text.replace(old, new))
