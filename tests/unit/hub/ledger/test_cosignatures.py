"""What HQ makes of a witness's cosignatures and alarms."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hub.ledger.lane import Status
from hub.ledger.notary import append
from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.keys import ED25519, Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.witness import COSIGNATURE_KIND, Alarm, log_origin
from tests.support.center import HUB, NOW, Center
from tests.support.hq import IDENTITY, Hq, accepted, center_record, reasons
from tests.support.peek import ask, log_of, peek
from tests.support.witness import Witness, control

KEYS = [IDENTITY.log, IDENTITY.log_long]


@pytest.fixture
def uz() -> Witness:
    return Witness(Center())


async def register(hq: Hq, *witnesses: Witness) -> None:
    for witness in witnesses:
        record = center_record(witness.center)
        await hq.register(witness.center, keys=[*record["keys"], witness.key()])


async def checkpoint(hq: Hq) -> bytes:
    """Log what there is; return the newest checkpoint."""
    store = hq.store.log
    receipts = await store.unlogged(100)
    addition = append(await store.read(log_origin(HUB)), receipts, KEYS, NOW)
    await store.append(addition)
    return addition.log.note


def rows(hq: Hq) -> list[tuple[object, ...]]:
    return peek(hq.database, "SELECT size, name, center, value, received_at_us FROM cosignature")


def alarm_of(hq: Hq, center: str) -> str | None:
    """Return the text of a center's alarm, None where it has none, or has taken it back."""
    text: str | None = ask(hq.database, "SELECT alarm FROM intake WHERE center = ?", center)
    return None if text is None or not Alarm.from_text(text).reason else str(text)


async def test_cosignature_under_our_checkpoint_is_stored_once(hq: Hq, uz: Witness) -> None:
    """The line's own bytes are kept; one that comes again, at another time even, changes nothing."""
    await register(hq, uz)
    note = await checkpoint(hq)
    record = uz.cosignature(note)
    step = await hq.feed("uz", [record])
    assert (len(step.cosignatures), reasons(step)) == (1, [])
    stored = rows(hq)
    line = Note.from_bytes(record.value or b"").signatures[0]
    size = checkpoint_of(note).size
    assert [row[:4] for row in stored] == [(size, uz.signer.name, "uz", line.value)]
    await hq.feed("uz", [record, uz.cosignature(note, NOW + timedelta(seconds=9), 101)], NOW + timedelta(seconds=10))
    assert rows(hq) == stored
    (ours,) = log_of(hq.database).cosignatures(size)
    Note(Note.from_bytes(note).text, (ours.line,)).verify([uz.signer.verifier])


async def test_cosignature_by_unknown_key_is_passed_over(hq: Hq, uz: Witness) -> None:
    """Whoever is not HQ's witness costs nothing: no row, no quarantine, and the lane goes on."""
    await hq.register(uz.center)
    note = await checkpoint(hq)
    outside = Signer("witness.example/w", b"o" * 32, uz.signer.algorithm)
    kz = Witness(Center("kz"))
    records = [uz.cosignature(note), kz.cosignature(note, offset=101)]
    records.append(control(COSIGNATURE_KIND, sign_checkpoint(checkpoint_of(note), [outside], NOW), 102))
    step = await hq.feed("uz", [*records, *uz.center.opened(2)])
    assert (rows(hq), reasons(step), step.reading.intake.status) == ([], [], Status.READING)
    assert len(step.commits) == 1


def checkpoint_of(note: bytes) -> Checkpoint:
    return Checkpoint.from_text(Note.from_bytes(note).text)


async def test_cosignature_by_revoked_key_is_quarantined(hq: Hq, uz: Witness) -> None:
    """What HQ believed before stays; what comes after the revocation is kept apart."""
    await register(hq, uz)
    note = await checkpoint(hq)
    await hq.feed("uz", [uz.cosignature(note)])
    record = center_record(uz.center)
    record["keys"].append(uz.key(status="revoked"))
    await hq.said("key_revoked", uz.center, record)
    step = await hq.feed("uz", [uz.cosignature(await checkpoint(hq), offset=101)])
    assert (reasons(step), len(rows(hq))) == (["BAD_COSIGNATURE"], 1)


async def test_cosignature_under_another_root_is_kept_as_evidence(hq: Hq, uz: Witness) -> None:
    """A good line under what HQ never signed is not counted, and its bytes are kept with the reason."""
    await register(hq, uz)
    note = await checkpoint(hq)
    known = checkpoint_of(note)
    other = sign_checkpoint(Checkpoint(known.origin, known.size, b"x" * 32), KEYS, NOW)
    ahead = sign_checkpoint(Checkpoint(known.origin, known.size + 7, b"y" * 32), KEYS, NOW)
    bad = [uz.cosignature(other), uz.cosignature(ahead, offset=101)]
    step = await hq.feed("uz", [*bad, uz.cosignature(note, offset=102)])
    assert reasons(step) == ["OTHER_ROOT", "UNKNOWN_CHECKPOINT"]
    assert [row[0] for row in rows(hq)] == [known.size]
    assert [q.data for q in step.quarantine] == [b"0:," + (r.value or b"") for r in bad]


async def test_garbled_cosignature_is_quarantined(hq: Hq, uz: Witness) -> None:
    """Nothing that a center writes as a cosignature stops its lane."""
    await register(hq, uz)
    note = await checkpoint(hq)
    good = uz.cosignature(note).value or b""
    lane = sign_checkpoint(Checkpoint(uz.center.origin, 3, b"z" * 32), [uz.signer], NOW)
    plain = Signer(uz.signer.name, uz.signer.seed, ED25519)
    values = [
        None,
        b"",
        good[:-20],
        good.replace("— ".encode(), b"- "),
        good[:-9] + b"AAAAAAA=\n",
        good + good.splitlines(keepends=True)[-1],
        note,
        lane,
        sign_note(Note.from_bytes(note).text, [plain]).to_bytes(),
    ]
    step = await hq.feed("uz", [control(COSIGNATURE_KIND, v, 100 + n) for n, v in enumerate(values)])
    assert reasons(step) == ["BAD_COSIGNATURE"] * len(values)
    assert step.reading.intake.status is Status.READING
    assert rows(hq) == []


async def test_alarm_stands_until_it_is_taken_back(hq: Hq, uz: Witness) -> None:
    """The last word of a center's witness counts; a center can't speak for another."""
    await register(hq, uz)
    await checkpoint(hq)
    records = [uz.alarm("two roots\nof one size", 7), uz.alarm("of another", center="kz", offset=101)]
    step = await hq.feed("uz", records)
    assert reasons(step) == ["BAD_CONTROL"]
    assert "size 7\nreason two roots of one size\n" in (alarm_of(hq, "uz") or "")
    await hq.feed("uz", [uz.cosignature(await checkpoint_again(hq), offset=102)])
    assert alarm_of(hq, "uz") is not None
    await hq.feed("uz", [uz.alarm("", 8, offset=103)])
    assert alarm_of(hq, "uz") is None


@pytest.mark.parametrize("fetches", [1, 2, 4])
async def test_alarm_that_is_said_again_is_no_news(hq: Hq, uz: Witness, fetches: int) -> None:
    """Whoever writes the topic can neither raise an alarm again that was taken back, nor take back one that stands.

    Wherever fetches end.
    """
    await register(hq, uz)
    raised, taken_back = uz.alarm("two roots", 7), uz.alarm("", 8, 101, at=NOW + timedelta(seconds=5))
    records = [raised, taken_back, replace(raised, offset=102), replace(raised, offset=103)]
    for at in range(0, 4, 4 // fetches):
        await hq.feed("uz", records[at : at + 4 // fetches])
    assert alarm_of(hq, "uz") is None
    anew = uz.alarm("three roots", 9, 104, at=NOW + timedelta(seconds=9))
    for record in (anew, replace(taken_back, offset=105)):
        await hq.feed("uz", [record])
    assert "three roots" in (alarm_of(hq, "uz") or "")


async def test_alarm_by_a_clock_that_was_ahead_can_be_taken_back(hq: Hq, uz: Witness) -> None:
    """The office has set its clock since: what it says by the right one counts."""
    await register(hq, uz)
    await hq.feed("uz", [uz.alarm("two roots", 7, at=NOW + timedelta(days=365))])
    assert alarm_of(hq, "uz") is not None
    await hq.feed("uz", [uz.alarm("", 8, 101, at=NOW + timedelta(seconds=1))])
    assert alarm_of(hq, "uz") is None


async def checkpoint_again(hq: Hq) -> bytes:
    newest = log_of(hq.database).newest()
    assert newest is not None
    return newest.note


async def test_alarm_by_unknown_key_is_passed_over_and_counted(hq: Hq, uz: Witness) -> None:
    """As presence is: a center says it again, and whoever has no key of the center's stops nothing."""
    await hq.register(uz.center)
    stranger = Witness(Center(seed=b"n" * 32))
    step = await hq.feed("uz", [stranger.alarm("something"), *uz.center.opened(1)])
    assert (step.reading.intake.status, accepted(step), reasons(step)) == (Status.READING, [1, 2], [])
    assert (alarm_of(hq, "uz"), step.heard.strangers) == (None, 1)
    assert ask(hq.database, "SELECT strangers FROM intake WHERE center = 'uz'") == 1


async def test_unknown_control_record_is_quarantined(hq: Hq, uz: Witness) -> None:
    """A kind that this release does not know is kept, and the lane goes on."""
    await register(hq, uz)
    step = await hq.feed("uz", [control("later", b"x"), *uz.center.opened(1)])
    assert reasons(step) == ["BAD_CONTROL"]
