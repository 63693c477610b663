"""HQ changes its own keys beside running centers: nothing is lost, and nobody but the root key changes them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from connectors.runtime.link import Link
from connectors.runtime.office import read_office, read_trust
from connectors.runtime.outbox import Outbox
from connectors.runtime.trust import Trusted, TrustReader
from hub.broker.embedded import EmbeddedKafka
from hub.hq.centers import add_key
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity, read_root
from hub.hq.rotation import next_note, put, retired, rotated
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.control import enrolment, seal_key_name
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import Receipt, Resend
from hub.protocol.status import read_said
from hub.protocol.topics import CHECKPOINTS, TRUST
from hub.protocol.trust import Trust, open_trust
from tests.support.center import Center
from tests.support.folder import HUB, OfficeFolder, until
from tests.support.peek import ask
from tests.support.worker import Hub, answers, read_topic

pytestmark = pytest.mark.integration


@pytest.fixture
async def office(hub: Hub, kafka: EmbeddedKafka, tmp_path: Path, topic_prefix: str) -> OfficeFolder:
    """Return an office that HQ has registered, and that has pinned its first trust note."""
    office = OfficeFolder(tmp_path / "office", topic_prefix, kafka.bootstrap)
    (office.folder / "trust.note").write_bytes(hub.identity.note)
    await hub.register(Center(office.center, seed=b"k" * 32))
    return office


def sign(hub: Hub, trust: Trust, reason: str) -> None:
    """Have the root key sign a trust note, as `hub key` does."""
    folder = HubFolder(hub.data_dir).keys
    put(folder, next_note(trust, datetime.now(UTC), reason), read_root(folder / "root.key", trust.root))


def rotate(hub: Hub, purpose: str) -> None:
    sign(hub, rotated(load_identity(HubFolder(hub.data_dir).keys), purpose), f"{purpose} rotated")


async def receipts(hub: Hub, center: str) -> list[tuple[bytes, Receipt]]:
    """Return HQ's receipts for a center, each with the id of the key that it is signed by."""
    found = []
    for record in await read_topic(hub.bootstrap, f"out.{center}"):
        note = Note.from_bytes(record.value)
        said = read_said(note.text)
        if isinstance(said, Receipt):
            found.append((note.signatures[0].key_id, said))
    return found


async def published(hub: Hub) -> Trust:
    """Return HQ's newest trust note on Kafka, once there is one: a worker that has just started says it soon."""
    pinned = load_identity(HubFolder(hub.data_dir).keys).trust
    assert pinned is not None
    async with asyncio.timeout(20):
        while True:
            # Other tests' hubs of this name use the same broker.
            notes = [record.value for record in await read_topic(hub.bootstrap, TRUST)]
            ours = [note for note in notes if note and pinned.root.to_text() in note.decode()]
            if ours:
                return open_trust(ours[-1], pinned.root)
            await asyncio.sleep(0.05)


async def put_on(hub: Hub, value: bytes) -> None:
    """Write a record to `hub.trust`, as whoever has taken over the broker could."""
    producer = AIOKafkaProducer(bootstrap_servers=hub.bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(TRUST, value, key=b"hub.example", partition=0)
    finally:
        await producer.stop()


async def test_running_connector_takes_receipts_by_the_new_key_without_a_gap(hub: Hub, office: OfficeFolder) -> None:
    """HQ's receipts key is rotated while rows come in: each has its receipt, no answer is disbelieved."""
    first = hub.identity.receipts.verifier
    titles = {}
    async with office.running() as connector:
        for number in range(12):
            titles[f"N{number}"] = f"Pump {number}"
            office.sheet(titles)
            await until(lambda: connector.outbox.status()["totals"]["accepted"] == len(titles))
            if number == 3:
                rotate(hub, "receipts")
            if number >= 3:
                await asyncio.sleep(0.2)  # a stream of rows, over the seconds in which the worker takes the key over
        outbox = connector.outbox.status()
    assert (outbox["totals"]["backlog"], outbox["alarms"]) == (0, {})
    now = load_identity(HubFolder(hub.data_dir).keys).receipts.verifier
    signed = await receipts(hub, office.center)
    by = [key_id for key_id, _ in signed]
    assert (by[0], by[-1]) == (first.key_id, now.key_id)
    assert by == sorted(by, key=lambda key_id: key_id == now.key_id)  # never the old one again
    pinned = read_trust(office.folder / "trust.note")
    assert (pinned.serial, pinned.receipts) == (2, (first, now))


async def test_connector_that_was_away_looks_the_new_key_up_before_it_disbelieves(
    hub: Hub, office: OfficeFolder, kafka: EmbeddedKafka
) -> None:
    """Receipts by a new key lie there when the connector comes back: it reads the trust note first, loses none."""
    office.sheet({"A": "Pump"})
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["accepted"] == 1)
    rotate(hub, "receipts")
    now = load_identity(HubFolder(hub.data_dir).keys).receipts.verifier
    async with asyncio.timeout(20):
        while (await published(hub)).serial != 2:
            await asyncio.sleep(0.05)
    # Nobody reads hub.trust beside the one who asks: this is the lookup alone.
    opened = read_office(office.folder)
    with Outbox(opened.outbox) as outbox:
        link = Link(opened.settings, outbox)
        trusted = Trusted(office.folder / "trust.note", opened.trust)
        note = sign_note(Receipt("o", 1, 1, bytes(32), datetime.now(UTC), 1).to_text(), [Signer(now.name, b"z" * 32)])
        assert trusted.lacks(note)
        await TrustReader(trusted, link).look()
        assert trusted.trust.receipts[-1] == now
    office.sheet({"A": "Pump", "B": "Valve"})
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["accepted"] == 2)
    assert read_trust(office.folder / "trust.note").serial == 2


async def test_trust_notes_by_others_and_old_ones_change_nothing(hub: Hub, office: OfficeFolder) -> None:
    """Who has taken over the broker can write to hub.trust: only the pinned root's newer note counts."""
    old = hub.identity.note
    rotate(hub, "receipts")
    async with office.running():
        await until(lambda: read_trust(office.folder / "trust.note").serial == 2)
        stranger = Signer(f"{HUB}/root", b"x" * 32)
        trust = open_trust(old)
        forged = next_note(
            next_note(next_note(trust, datetime.now(UTC), "f"), datetime.now(UTC), "f"), datetime.now(UTC), "f"
        )
        await put_on(hub, old)
        await put_on(hub, sign_note(forged.to_text(), [stranger]).to_bytes())
        await put_on(hub, b"no note")
        rotate(hub, "receipts")
        await until(lambda: read_trust(office.folder / "trust.note").serial == 3)
    assert len(read_trust(office.folder / "trust.note").receipts) == 3


async def test_log_keys_are_rotated_and_old_checkpoints_stay_good(hub: Hub, office: OfficeFolder) -> None:
    """New checkpoints are signed by the new keys, of both kinds; the note has the keys of the old ones, too."""
    before = hub.identity
    rotate(hub, "log")
    trust = load_identity(HubFolder(hub.data_dir).keys).trust
    assert trust is not None
    wanted = [trust.in_use("log", ED25519), trust.in_use("log", COSIGNATURE_MLDSA44)]
    titles: dict[str, str] = {}
    notes: list[Note] = []

    async def signed_by_new() -> bool:
        nonlocal notes
        notes = []
        for record in await read_topic(hub.bootstrap, CHECKPOINTS):
            _, note = open_checkpoint(record.value)
            ids = {line.key_id for line in note.signatures}
            if ids & {key.key_id for key in trust.logs}:
                notes.append(note)
        ids = {line.key_id for line in notes[-1].signatures} if notes else set()
        return ids == {key.key_id for key in wanted if key}

    async with office.running(), asyncio.timeout(60):
        while not await signed_by_new():
            titles[f"N{len(titles)}"] = "Pump"
            office.sheet(titles)
            await asyncio.sleep(0.2)
    for note in notes:
        for algorithm in (ED25519, COSIGNATURE_MLDSA44):
            note.verify([key for key in trust.logs if key.algorithm == algorithm])
    assert before.log.verifier in trust.logs


async def test_witness_goes_on_over_a_rotation_of_the_log_keys(hub: Hub, office: OfficeFolder) -> None:
    """Its center cosigns a checkpoint by the new keys, and raises no alarm; HQ counts it."""
    key = Signer(f"{HUB}/{office.center}/witness", b"w" * 32, COSIGNATURE_ED25519)
    path = office.folder / "keys" / "witness.key"
    path.write_text(key.to_text())
    path.chmod(0o600)
    note = enrolment(HUB, office.center, "witness", key)
    await add_key(HubFolder(hub.data_dir), office.center, note, replaces_lost=False)
    office.sheet({"A": "Pump"})
    async with office.running() as connector:
        await until(lambda: cosigned(hub), 30)
        rotate(hub, "log")
        new = load_identity(HubFolder(hub.data_dir).keys).log.verifier
        titles = {"A": "Pump"}
        async with asyncio.timeout(40):
            while not any(new.key_id in {line.key_id for line in note.signatures} for note in cosigned(hub)):
                titles[f"N{len(titles)}"] = "Valve"
                office.sheet(titles)
                await asyncio.sleep(0.3)
        assert connector.outbox.status()["alarms"] == {}


def cosigned(hub: Hub) -> list[Note]:
    """Return the checkpoints that HQ has a cosignature of."""
    with contextlib.closing(sqlite3.connect(HubFolder(hub.data_dir).database)) as db:
        rows = db.execute("SELECT DISTINCT note FROM checkpoint JOIN cosignature USING (size)")
        return [Note.from_bytes(row[0]) for row in rows]


async def test_seal_with_ml_dsa_is_taken_and_one_without_is_not_once_the_key_is_enrolled(
    hub: Hub, office: OfficeFolder, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    """long_seals: two lines in every seal; HQ wants both from the basis on at which it has the key."""
    name = seal_key_name(HUB, office.center)
    long_key = Signer(name, b"m" * 32, COSIGNATURE_MLDSA44)
    path = office.folder / "keys" / "seal-mldsa44.key"
    path.write_text(long_key.to_text())
    path.chmod(0o600)
    settings = office.folder / "connector.yaml"
    alone = settings.read_text()
    office.sheet({"A": "Pump"})
    settings.write_text(alone + "long_seals: true\n")
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["accepted"] == 1)
    note = enrolment(HUB, office.center, "seal", long_key, office.key)
    await add_key(HubFolder(hub.data_dir), office.center, note, replaces_lost=False)
    basis, rows = ask(HubFolder(hub.data_dir).database, "SELECT size FROM lane WHERE center = 'hq'"), {"A": "Pump"}
    async with office.running() as connector:
        while max(said.basis for said in await answers(hub, office.center) if isinstance(said, Receipt)) < basis:
            rows[f"B{len(rows)}"] = "Valve"  # until HQ has judged one under the basis that has the key
            office.sheet(rows)
            await until(lambda: connector.outbox.status()["totals"]["accepted"] == len(rows))
        assert connector.outbox.status()["alarms"] == {}
    # The setting is taken back: HQ takes nothing more, and the office is told why.
    settings.write_text(alone)
    async with office.running() as connector:
        await until(lambda: "long_seals" in connector.outbox.status()["alarms"])
        office.sheet({**rows, "C": "Filter"})
        async with asyncio.timeout(60):
            while not (asked := [said for said in await answers(hub, office.center) if isinstance(said, Resend)]):
                await asyncio.sleep(0.05)
        assert "LONG_KEY_MISSING" in asked[0].reason
        assert connector.outbox.status()["totals"]["accepted"] == len(rows)
    # And again: what was sealed by one key alone is sealed by both.
    settings.write_text(alone + "long_seals: true\n")
    async with office.running() as connector:
        await until(lambda: connector.outbox.status()["totals"]["accepted"] == len(rows) + 1, 40)
        assert connector.outbox.status()["alarms"] == {}


async def test_retired_key_signs_nothing_new_and_what_it_signed_stays_good(hub: Hub, office: OfficeFolder) -> None:
    """A receipt by a retired key is believed if it is from before, and not if it is dated after."""
    identity = load_identity(HubFolder(hub.data_dir).keys)
    old = identity.receipts
    rotate(hub, "receipts")
    moment = datetime.now(UTC).replace(microsecond=0)
    later = moment.replace(year=moment.year + 1)
    sign(hub, retired(load_identity(HubFolder(hub.data_dir).keys), [old.verifier.key_id.hex()], later), "retired")
    pinned = load_identity(HubFolder(hub.data_dir).keys).trust
    assert pinned is not None
    trusted = Trusted(office.folder / "trust.note", pinned)

    def receipt(at: datetime) -> Note:
        return sign_note(Receipt("hub.example/uz/0000abcd", 1, 1, bytes(32), at, 1).to_text(), [old])

    assert isinstance(trusted.answer(receipt(moment)), Receipt)
    with pytest.raises(Malformed, match="was retired at"):
        trusted.answer(receipt(later))


async def test_keys_rotated_while_no_worker_ran_are_published_before_the_worker_signs(
    kafka: EmbeddedKafka, tmp_path: Path, topic_prefix: str
) -> None:
    """A worker that starts with other keys than centers have says so first; its first receipt is believed at once."""
    (tmp_path / "hub").mkdir()
    hub = Hub.make(tmp_path / "hub", kafka.bootstrap)
    pinned = hub.identity.note
    rotate(hub, "receipts")
    hub.identity.renew(load_identity(HubFolder(hub.data_dir).keys))
    async with hub.running():
        office = OfficeFolder(tmp_path / "office", topic_prefix, kafka.bootstrap, receipt_wait_s=600)
        (office.folder / "trust.note").write_bytes(pinned)
        await hub.register(Center(office.center, seed=b"k" * 32))
        office.sheet({"A": "Pump"})
        async with office.running() as connector:
            await until(lambda: connector.outbox.status()["totals"]["accepted"] == 1)
            assert (await published(hub)).serial == read_trust(office.folder / "trust.note").serial == 2
