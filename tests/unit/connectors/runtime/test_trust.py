"""What an office makes of HQ's trust notes and answers, whatever comes on the topics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from connectors.runtime.link import Link
from connectors.runtime.office import read_trust
from connectors.runtime.outbox import Outbox
from connectors.runtime.settings import ConnectorSettings
from connectors.runtime.trust import LOOKS_MAX, Trusted, TrustReader
from hub.base.faulty import Fault, FaultyFiles
from hub.kafka.memory import MemoryBroker
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import Receipt, Resend
from hub.protocol.topics import TRUST
from hub.protocol.trust import Trust

HUB = "hub.example"
JUNK = 500
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT, OLD, NEW = (
    Signer(f"{HUB}/{name}", seed * 32) for name, seed in (("root", b"o"), ("receipts", b"r"), ("receipts", b"s"))
)
LOGS = (Signer(f"{HUB}/log", b"l" * 32).verifier, Signer(f"{HUB}/log", b"m" * 32, COSIGNATURE_MLDSA44).verifier)
FIRST = Trust(
    HUB,
    ROOT.verifier,
    (OLD.verifier,),
    LOGS,
    (Signer(f"{HUB}/hq", b"h" * 32).verifier,),
    serial=1,
    time=NOW,
    reason="first",
)
ROTATED = replace(FIRST, receipts=(OLD.verifier, NEW.verifier), serial=2)
RETIRED = replace(ROTATED, retired=((NOW, OLD.verifier),), serial=3)


def note(trust: Trust, by: Signer = ROOT) -> bytes:
    return sign_note(trust.to_text(), [by]).to_bytes()


def receipt(by: Signer, at: datetime) -> Note:
    return sign_note(Receipt(f"{HUB}/uz/0000abcd", 1, 1, bytes(32), at, 1).to_text(), [by])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "trust.note"
    found.write_bytes(note(FIRST))
    return found


@pytest.fixture
def trusted(path: Path) -> Trusted:
    return Trusted(path, read_trust(path))


def test_newer_note_replaces_the_file_and_counts_at_once(trusted: Trusted, path: Path) -> None:
    """The next start begins with it; nothing but the note is left in the folder."""
    assert trusted.take(note(ROTATED))
    assert (trusted.trust, read_trust(path)) == (ROTATED, ROTATED)
    assert [entry.name for entry in path.parent.iterdir()] == ["trust.note"]
    assert trusted.logs() == LOGS


@pytest.mark.parametrize("serial", [1, 2])
def test_note_that_is_not_newer_changes_nothing(trusted: Trusted, path: Path, serial: int) -> None:
    """An old note that somebody publishes again can't bring a former key back into use."""
    trusted.take(note(ROTATED))
    assert not trusted.take(note(replace(FIRST, serial=serial)))
    assert read_trust(path) == ROTATED


def test_office_of_0_1_0_takes_the_first_note(tmp_path: Path) -> None:
    """What it pinned is of version 1, which comes before every serial."""
    path = tmp_path / "trust.note"
    path.write_bytes(note(Trust(HUB, ROOT.verifier, (OLD.verifier,))))
    trusted = Trusted(path, read_trust(path))
    assert trusted.logs() == ()
    assert trusted.take(note(FIRST))
    assert read_trust(path) == FIRST


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing",
        note(ROTATED, Signer(f"{HUB}/root", b"x" * 32)),
        note(replace(ROTATED, root=Signer(f"{HUB}/root", b"x" * 32).verifier)),
        note(ROTATED)[:-10],
    ],
    ids=["empty", "no note", "another root", "another root inside", "cut"],
)
def test_note_that_the_pinned_root_has_not_signed_is_refused(trusted: Trusted, path: Path, data: bytes) -> None:
    """The file stays as it is."""
    with pytest.raises(Malformed):
        trusted.take(data)
    assert read_trust(path) == FIRST


@pytest.mark.parametrize("fault", Fault)
def test_note_that_can_not_be_stored_does_not_count_until_it_is(path: Path, fault: Fault) -> None:
    """Otherwise the next start would know less than this one: it is read again when there is room.

    Stored though the disk said that it was not, it is what the next start begins with; here it is taken again.
    """
    files = FaultyFiles()
    files.faults.plan(fault)
    trusted = Trusted(path, read_trust(path), files.write)
    with pytest.raises(Retriable, match=r"trust\.note: No space left"):
        trusted.take(note(ROTATED))
    assert trusted.trust == FIRST
    assert read_trust(path) == (FIRST if fault is Fault.REFUSED else ROTATED)
    assert trusted.take(note(ROTATED))
    assert (trusted.trust, read_trust(path)) == (ROTATED, ROTATED)
    assert [entry.name for entry in path.parent.iterdir()] == ["trust.note"]


def test_only_an_unknown_key_of_hqs_is_looked_up(trusted: Trusted) -> None:
    """What somebody else has signed is no reason to ask."""
    assert trusted.lacks(receipt(NEW, NOW))
    assert not trusted.lacks(receipt(OLD, NOW))
    assert not trusted.lacks(receipt(Signer(f"{HUB}/uz", b"s" * 32), NOW))
    trusted.take(note(ROTATED))
    assert not trusted.lacks(receipt(NEW, NOW))


def test_answers_are_believed_by_keys_in_use_and_former_ones(trusted: Trusted) -> None:
    """A stored receipt that is sent again is by the key of its time."""
    with pytest.raises(Malformed):
        trusted.answer(receipt(NEW, NOW))
    trusted.take(note(ROTATED))
    for key in (OLD, NEW):
        assert isinstance(trusted.answer(receipt(key, NOW + timedelta(days=1))), Receipt)


def test_retired_key_says_nothing_after_its_time(trusted: Trusted) -> None:
    """A receipt that is dated before it stays good; a resend request, which has no date, is believed by no such key."""
    trusted.take(note(RETIRED))
    assert isinstance(trusted.answer(receipt(OLD, NOW - timedelta(microseconds=1))), Receipt)
    with pytest.raises(Malformed, match="was retired at"):
        trusted.answer(receipt(OLD, NOW))
    asked = Resend(f"{HUB}/uz/0000abcd", 1, "gap").to_text()
    with pytest.raises(Malformed, match="was retired at"):
        trusted.answer(sign_note(asked, [OLD]))
    assert isinstance(trusted.answer(sign_note(asked, [NEW])), Resend)
    # Its own time is its own word: the outbox compares it with what came since.
    assert (trusted.retired_at(receipt(OLD, NOW)), trusted.retired_at(receipt(NEW, NOW))) == (NOW, None)


class Counting(Trusted):
    """Counts the records that are looked at."""

    taken = 0

    def take(self, data: bytes) -> bool:
        self.taken += 1
        return super().take(data)


@contextmanager
def reader(trusted: Trusted, broker: MemoryBroker, tick: list[float]) -> Iterator[TrustReader]:
    settings = ConnectorSettings(hub=HUB, center="uz", bootstrap=("memory:1",), request_timeout_s=5.0)
    with Outbox(trusted._path.parent / "outbox.sqlite3") as outbox:
        yield TrustReader(trusted, Link(settings, outbox, broker), lambda: tick[-1])


async def test_what_was_read_of_the_topic_is_not_read_again(path: Path) -> None:
    """A stranger fills it: each look goes on from the one before, and finds HQ's newer note behind all of it."""
    broker, trusted = MemoryBroker({TRUST: 1}), Counting(path, read_trust(path))
    for _ in range(JUNK):
        await broker.producer().send_and_wait(TRUST, b"junk", key=b"x", partition=0)
    with reader(trusted, broker, [0.0]) as looking:
        for _ in range(3):
            await looking.look()
        assert trusted.taken == JUNK
        await broker.producer().send_and_wait(TRUST, note(ROTATED), key=b"x", partition=0)
        await looking.look()
    assert (trusted.taken, trusted.trust) == (JUNK + 1, ROTATED)


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_newest_note_by_the_root_counts_wherever_it_stands(path: Path, order: tuple[int, ...]) -> None:
    """Said again by whomever, under whichever key and headers: of HQ's notes that with the highest serial is taken."""
    broker, trusted = MemoryBroker({TRUST: 1}), Trusted(path, read_trust(path))
    strangers_root = Signer(f"{HUB}/root", b"x" * 32)
    said = [
        (HUB.encode(), note(ROTATED)),
        (b"x", note(RETIRED)),
        (HUB.encode(), note(FIRST)),
        (HUB.encode(), note(replace(RETIRED, root=strangers_root.verifier, serial=9), strangers_root)),
    ]
    for index in order:
        key, value = said[index]
        headers = [("cohub-kind", b"receipt"), ("serial", b"7")]
        await broker.producer().send_and_wait(TRUST, value, key=key, partition=0, headers=headers)
    with reader(trusted, broker, [0.0]) as looking:
        await looking.look()
    assert (trusted.trust, read_trust(path)) == (RETIRED, RETIRED)


async def test_strangers_names_of_keys_are_looked_up_a_few_times_a_minute(path: Path) -> None:
    """However many there are; and where a look fails, none is tried for a while, and the answers behind it are read."""
    trusted, tick = Counting(path, read_trust(path)), [0.0]
    broker = MemoryBroker({TRUST: 1})
    await broker.producer().send_and_wait(TRUST, b"junk", key=b"x", partition=0)
    looks = []

    class Looking(TrustReader):
        async def look(self) -> None:
            looks.append(tick[-1])
            if tick[-1] >= 1000:
                raise Retriable("not to its end in time")

    settings = ConnectorSettings(hub=HUB, center="uz", bootstrap=("memory:1",))
    with Outbox(path.parent / "outbox.sqlite3") as outbox:
        looking = Looking(trusted, Link(settings, outbox, broker), lambda: tick[-1])
        for _ in range(100):
            await looking.look_seldom()
            await looking.look_for(receipt(NEW, NOW))
        assert len(looks) == LOOKS_MAX
        looks.clear()
        tick.append(1000.0)
        with pytest.raises(Retriable):
            await looking.look_for(receipt(NEW, NOW))
        for _ in range(100):
            await looking.look_for(receipt(NEW, NOW))
        assert len(looks) == 1
        tick.append(1061.0)
        with pytest.raises(Retriable):
            await looking.look_for(receipt(NEW, NOW))
