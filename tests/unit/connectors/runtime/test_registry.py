"""What HQ's registry says of a center, and what of it a person must know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import schemas
from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, alarm_text
from connectors.runtime.codecs import Codecs
from connectors.runtime.link import Link
from connectors.runtime.office import Office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.beliefs import save
from connectors.runtime.outbox.faulty import FaultyDatabase
from connectors.runtime.outbox.queue import NewEvent, append
from connectors.runtime.registry import LANES, Registry
from connectors.runtime.registry_reader import RegistryReader, lane_reason, office_keys, read_registry
from connectors.runtime.settings import ConnectorSettings
from connectors.runtime.signals import Replans, Signal
from hub.base.faulty import Fault
from hub.domain.catalogue import KINDS
from hub.domain.state import encode_state_prefix, partition_of
from hub.kafka.memory import MemoryBroker
from hub.protocol.avro import frame
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, Signer
from hub.protocol.note import sign_note
from hub.protocol.record import CENTER_REGISTERED, LANE_OPENED
from hub.protocol.schema import DATASCHEMA, parse_schema
from hub.protocol.topics import LANE
from hub.protocol.trust import Trust
from hub.protocol.verdict import Code
from tests.support.center import CODECS, HUB, RELEASED, Center, filled
from tests.support.end import running, until
from tests.support.hq import center_record
from tests.support.hq_lane import ROOT, TRUST, LaneWriter
from tests.support.office import Office as Outboxed

OURS, THEIRS = Center("uz"), Center("uz", seed=b"x" * 32)
KEY = OURS.signer.verifier
OFFER = "net.cohub.offer.published.v1"
REVISED = "net.cohub.center.revised.v1"
SAID = {"suspended": "net.cohub.center.suspended.v1", "closed": "net.cohub.center.closed.v1"}
CODES = "net.cohub.code_list.published.v1"


def lane(*keys: Center, **fields: Any) -> LaneWriter:
    """Return HQ's lane with one announced schema and our center, with these keys or in this form."""
    return LaneWriter().open(OFFER).say((CENTER_REGISTERED, "uz", center_record(*keys, **fields)))


def revised(said: LaneWriter, *keys: Center, **fields: Any) -> LaneWriter:
    """Have HQ say another record of our center."""
    return said.say((REVISED, "uz", center_record(*keys, **fields)))


def turned(said: LaneWriter, status: str) -> LaneWriter:
    """Have HQ suspend or close our center."""
    return said.say((SAID[status], "uz", {"reason": "audit", "effective_on": None}))


def urn(event_type: str) -> str:
    return DATASCHEMA + RELEASED[KINDS[event_type].schema_path].sha256


def told(alarms: dict[AlarmName, Alarm | None]) -> dict[AlarmName, str]:
    """Return what the alarms say that there is a reason for."""
    return {name: alarm_text(alarm, "en") for name, alarm in alarms.items() if alarm is not None}


def raised(found: Registry, *known: Signer) -> set[str]:
    public = {KEY.public, *(key.verifier.public for key in known)}
    return set(told(found.alarms(KEY, public)))


def test_center_with_its_own_key_alone_raises_no_alarm() -> None:
    """What is in order is not told."""
    assert raised(lane(OURS).registry()) == set()


def test_active_key_that_the_office_never_had_is_an_alarm_that_names_it() -> None:
    """Whoever registers a key in a center's name is seen by the center."""
    found = revised(lane(OURS), OURS, THEIRS).registry()
    assert THEIRS.signer.verifier.to_text() in told(found.alarms(KEY, {KEY.public}))[AlarmName.FOREIGN_KEY]


def test_key_that_was_rotated_away_is_no_alarm() -> None:
    """A key that the office still has beside the new one is its own."""
    assert raised(lane(OURS, THEIRS).registry(), THEIRS.signer) == set()


def test_revoked_foreign_key_is_no_alarm_and_our_own_revoked_key_is_one() -> None:
    """A revoked key signs nothing; if it is ours, neither do we."""
    record = center_record(OURS, THEIRS)
    theirs = [record["keys"][0], record["keys"][1] | {"status": "revoked"}]
    ours = [record["keys"][0] | {"status": "revoked"}]
    assert raised(lane(keys=theirs).registry()) == set()
    assert raised(lane(keys=ours).registry()) == {"key"}


def test_unknown_key_says_what_to_send_and_an_unknown_center_nothing() -> None:
    """A key that was not enrolled yet is told of; of a center that HQ has not added, the link tells."""
    assert "enrolment note" in told(lane().registry().alarms(KEY, {KEY.public}))[AlarmName.KEY]
    assert LaneWriter().open(OFFER).registry().alarms(KEY, {KEY.public}) == {}


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_center_that_is_not_active_is_an_alarm(status: str) -> None:
    """A center whose lane waits learns why."""
    assert raised(turned(lane(OURS), status).registry()) == {"suspended"}


def test_key_of_a_kind_from_the_future_is_passed_over() -> None:
    """What this release can't read is no reason to believe nothing of the center."""
    record = center_record(OURS)
    strange = record["keys"][0] | {"purpose": "witness", "vkey": "hub.example/uz/witness+00000000+BAAA"}
    assert raised(lane(keys=[*record["keys"], strange]).registry()) == set()


def test_witness_key_is_asked_for_until_hq_has_it_and_a_foreign_one_alarms() -> None:
    """A witness key counts once it is enrolled; one in our name that we never had is somebody else's."""
    witness = Signer(f"{HUB}/{OURS.id}/witness", b"w" * 32, COSIGNATURE_ED25519).verifier
    record = center_record(OURS)
    key = record["keys"][0] | {"purpose": "witness", "vkey": witness.to_text()}
    without, having = lane(OURS).registry(), lane(keys=[*record["keys"], key]).registry()
    asked = told(without.alarms(KEY, {KEY.public}, witness=witness))
    assert (set(asked), "uz.witness.note" in asked[AlarmName.WITNESS_KEY]) == ({"witness_key"}, True)
    assert told(having.alarms(KEY, {KEY.public, witness.public}, witness=witness)) == {}
    assert set(told(having.alarms(KEY, {KEY.public}))) == {"foreign_key"}
    revoked = lane(keys=[*record["keys"], key | {"status": "revoked"}]).registry()
    assert "revoked" in told(revoked.alarms(KEY, {KEY.public}, witness=witness))[AlarmName.WITNESS_KEY]


def test_ml_dsa_key_that_hq_wants_and_the_office_does_not_seal_by_raises_an_alarm() -> None:
    """Once HQ has such a key it takes no seal without its signature: better an alarm than a parked lane alone."""
    long_key = Signer(f"{HUB}/{OURS.id}", b"m" * 32, COSIGNATURE_MLDSA44).verifier
    record = center_record(OURS)
    key = record["keys"][0] | {"vkey": long_key.to_text()}
    having = lane(keys=[*record["keys"], key]).registry()
    known = {KEY.public, long_key.public}
    assert set(told(having.alarms(KEY, known))) == {"long_seals"}
    assert told(having.alarms(KEY, known, long_key)) == {}
    assert told(lane(OURS).registry().alarms(KEY, known, long_key)) == {}


def test_schema_is_announced_by_its_whole_digest_and_only_in_a_known_registry() -> None:
    """An unread or empty registry holds nothing back; a read one holds back what it does not have."""
    missing = urn("net.cohub.deal.opened.v1")
    empty = Registry("uz")
    assert empty.announced(missing)
    empty.complete = True
    assert (empty.known, empty.announced(missing), empty.alarms(KEY, set())) == (False, True, {})
    said = lane(OURS)
    found = said.registry()
    assert (found.announced(urn(OFFER)), found.announced(missing)) == (True, False)
    assert not found.announced(urn(OFFER)[:-1] + "f")
    found.follow(LaneWriter().open().lane())
    assert found.announced(missing)


def test_registry_has_what_rows_are_planned_by() -> None:
    """The centers that there are, the codes of HQ's lists, the streams that are ours, and the lane they follow from."""
    terms = [{"code": code, "zh": None, "en": None, "ru": None} for code in ("A", "B")]
    said = lane(OURS, streams=["offer"]).register(Center("kz")).say((CODES, "ipc", {"name": "ipc", "codes": terms}))
    found = said.registry()
    assert found.centers == {"uz", "kz"}
    assert found.code_lists == {"ipc": {"A", "B"}}
    assert found.center is not None
    assert found.center.streams == {"offer"}
    assert (found.origin, found.size, found.rules) == (said.origin, said.edge.size, 1)


def test_of_several_words_of_hq_the_last_in_its_lane_counts() -> None:
    """Its place in the lane says which is the newer; no number in a record does."""
    said = revised(turned(lane(THEIRS), "suspended"), OURS)
    assert raised(said.registry()) == {"suspended"}


async def test_registry_that_stays_unknown_holds_nothing_back_for_ever(office: Outboxed, tmp_path: Path) -> None:
    """An HQ that publishes no registry still gets the events, after a while: its verdict is better than silence."""
    settings = ConnectorSettings(hub=HUB, center="uz", bootstrap=("127.0.0.1:1",), registry_wait_s=0.01)
    trust = Trust(HUB, KEY, (KEY,))
    reader = RegistryReader(
        Office(tmp_path, settings, OURS.signer, trust),
        office.outbox,
        Link(settings, office.outbox),
        Signal(),
        Replans(),
        lambda: trust,
    )
    with capture_logs() as logs:
        await reader.settled()
        await reader.settled()
    assert [line["event"] for line in logs] == ["registry_unknown"]
    assert reader.registry.announced(urn(OFFER))


def test_office_keys_are_those_that_are_kept_as_key_or_old(tmp_path: Path) -> None:
    """Old keys beside the new one are known, other files and damaged ones are not read as keys."""
    (tmp_path / "keys").mkdir()
    for name, text in {
        "seal.key": OURS.signer.to_text(),
        "seal.key.old": THEIRS.signer.to_text(),
        "notes.txt": Signer("hub.example/uz", b"n" * 32).to_text(),
        "broken.key": "what",
    }.items():
        (tmp_path / "keys" / name).write_text(text)
    assert office_keys(tmp_path) == {KEY.public, THEIRS.signer.verifier.public}


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("nth", range(1, 6))
async def test_alarms_and_plans_follow_the_registry_though_a_commit_failed(
    codecs: Codecs, tmp_path: Path, nth: int, fault: Fault
) -> None:
    """A revoked key is told, and a row of a stream that is allowed now is planned again, whatever the disk did."""
    database = FaultyDatabase(tmp_path / "outbox.sqlite3")
    with Outbox(tmp_path / "outbox.sqlite3", database=database) as outbox:
        with database.transaction() as connection:
            save(connection, append(connection, [published(codecs)], {}))
            connection.execute(
                "UPDATE entity SET state='rejected', code=?, inflight=0, file='a.csv'", (Code.STREAM_NOT_ALLOWED,)
            )
        settings = ConnectorSettings(hub=HUB, center="uz", bootstrap=("memory:1",), request_timeout_s=1.0)
        broker, said = MemoryBroker({LANE: 1}), lane(THEIRS, streams=["deal"])
        await said.publish(broker)
        office, replans = Office(tmp_path, settings, OURS.signer, TRUST), Replans()
        link = Link(settings, outbox, broker)
        reader = RegistryReader(office, outbox, link, Signal(), replans, lambda: TRUST)
        database.faults.plan(fault, nth)
        async with running(reader.run()):
            await until(lambda: database.meta("key") and database.meta("foreign_key"))
            await revised(said, OURS, streams=["deal", "offer"]).publish(broker, 2)
            await until(lambda: not database.meta("key") and not database.meta("foreign_key"))
            await until(lambda: (asked := replans.take()).every or asked.files == {"a.csv"})
            await until(lambda: database.read("SELECT state, fingerprint FROM entity") == [("pending", None)])


@dataclass
class Reading:
    """An office that reads `hub.lane` of a broker, with a clock of its own."""

    outbox: Outbox
    reader: RegistryReader
    broker: MemoryBroker
    trust: list[Trust]
    tick: list[float]

    def alarm(self) -> str | None:
        kept = self.outbox.database.meta(AlarmName.REGISTRY)
        return None if kept is None else Alarm.from_text(str(kept)).text  # type: ignore[union-attr]


@contextmanager
def reading(folder: Path, broker: MemoryBroker, *, trust: Trust = TRUST) -> Iterator[Reading]:
    settings = ConnectorSettings(hub=HUB, center="uz", bootstrap=("memory:1",), request_timeout_s=5.0)
    trusts, tick = [trust], [0.0]
    with Outbox(folder / "outbox.sqlite3") as outbox:
        office = Office(folder, settings, OURS.signer, trust)
        link = Link(settings, outbox, broker)
        reader = RegistryReader(office, outbox, link, Signal(), Replans(), lambda: trusts[-1], tick=lambda: tick[-1])
        yield Reading(outbox, reader, broker, trusts, tick)


async def test_office_reads_hqs_lane_and_nothing_that_others_write_beside_it(tmp_path: Path) -> None:
    """A record on `state.center` with the highest version, and strangers' records on `hub.lane`, change nothing."""
    broker, said = MemoryBroker({LANE: 1, "state.center": 8}), lane(OURS)
    await broker.producer().send_and_wait("state.center", b"revoked", key=b"hq:uz", partition=partition_of("hq"))
    thief = LaneWriter(hq=Signer(f"{HUB}/hq", b"x" * 32)).open(OFFER).register(THEIRS)
    await thief.publish(broker)
    await said.publish(broker)
    await thief.publish(broker)
    await broker.producer().send_and_wait(LANE, None, key=b"hq:uz", partition=0)
    with reading(tmp_path, broker) as office:
        async with running(office.reader.run()):
            await asyncio.wait_for(office.reader.settled(), 20)
            assert office.reader.registry.lane == said.lane()
            assert raised(office.reader.registry) == set()


async def test_lane_is_read_again_when_hqs_keys_are_known(tmp_path: Path) -> None:
    """A rotation whose trust note comes after what the new key has sealed loses nothing."""
    broker, said = MemoryBroker({LANE: 1}), lane(OURS)
    newer = Signer(f"{HUB}/hq", b"n" * 32)
    said.hq = newer
    await turned(said, "suspended").publish(broker)
    with reading(tmp_path, broker) as office:
        async with running(office.reader.run()):
            await asyncio.wait_for(office.reader.settled(), 20)
            assert raised(office.reader.registry) == set()
            office.trust.append(replace(TRUST, hqs=(*TRUST.hqs, newer.verifier), serial=2))
            await broker.producer().send_and_wait(LANE, None, key=b"x", partition=0)
            await until(lambda: raised(office.reader.registry) == {"suspended"})


async def test_copy_that_stays_shorter_than_what_was_read_is_told_and_the_alarm_ends_with_it(tmp_path: Path) -> None:
    """A stale copy for days: what it says still counts, for HQ has signed it, and a person is told."""
    said = lane(OURS)
    whole, short = MemoryBroker({LANE: 1}), MemoryBroker({LANE: 1})
    await said.publish(short)
    await turned(said, "suspended").publish(whole)
    with reading(tmp_path, whole) as office:
        async with running(office.reader.run()):
            await asyncio.wait_for(office.reader.settled(), 20)
    with reading(tmp_path, short) as office:
        async with running(office.reader.run()):
            await asyncio.wait_for(office.reader.settled(), 20)
            assert office.alarm() is None
            office.tick.append(3 * 86_400.0)
            await short.producer().send_and_wait(LANE, None, key=b"x", partition=0)
            await until(lambda: office.alarm() == "registry_old")
            await said.publish(short, 2)
            await until(lambda: office.alarm() is None)
            assert office.reader.registry.lane == said.lane()


async def test_another_lane_by_hqs_keys_is_told_until_it_has_grown_past_the_one_before(tmp_path: Path) -> None:
    """HQ went back to an older database and went on: it has signed both, and the office says so."""
    first, second = MemoryBroker({LANE: 1}), MemoryBroker({LANE: 1})
    await turned(lane(OURS), "suspended").publish(first)
    other = revised(lane(OURS), OURS, THEIRS)
    await other.publish(second)
    for broker in (first, second):
        with reading(tmp_path, broker) as office:
            async with running(office.reader.run()):
                await asyncio.wait_for(office.reader.settled(), 20)
                if broker is second:
                    await until(lambda: office.alarm() == "registry_other")
                    await revised(other, OURS).publish(second, 3)
                    await until(lambda: office.alarm() is None)


async def test_check_reads_the_lane_by_the_newest_keys_that_the_root_vouches_for(tmp_path: Path) -> None:
    """Also where the trust file is older than what HQ has sealed; the file is left as it is."""
    newer = Signer(f"{HUB}/hq", b"n" * 32)
    broker, said = MemoryBroker({LANE: 1, "hub.trust": 1}), lane(OURS)
    said.hq = newer
    await revised(said, OURS, THEIRS).publish(broker)
    note = sign_note(replace(TRUST, hqs=(*TRUST.hqs, newer.verifier), serial=2).to_text(), [ROOT]).to_bytes()
    await broker.producer().send_and_wait("hub.trust", note, key=HUB.encode(), partition=0)
    settings = ConnectorSettings(hub=HUB, center="uz", bootstrap=("memory:1",), request_timeout_s=5.0)
    with Outbox(tmp_path / "outbox.sqlite3") as outbox:
        found = await read_registry(Link(settings, outbox, broker), TRUST)
    assert found.lane == said.lane(replace(TRUST, hqs=(*TRUST.hqs, newer.verifier)))
    assert raised(found) == {"foreign_key"}


@pytest.mark.parametrize("junk", [b"", b"\xff" * 9, b"\0" * 200])
async def test_reason_on_an_unsigned_topic_is_one_short_line(tmp_path: Path, junk: bytes) -> None:
    """Anybody may have written it: it forges no line, draws nothing, and what can't be read is no reason."""
    broker, origin = MemoryBroker({LANES: 8}), f"{HUB}/uz/0badcafe"
    form = parse_schema(schemas.read("state/lane.opened.v1.avsc"))
    hostile = "moved\n\x1b[2Jall is \u202ewell" + "!" * 9999
    opening = filled(LANE_OPENED, {"origin": origin, "previous_size": 0, "reason": hostile})
    body = CODECS[KINDS[LANE_OPENED].schema_path].encode(opening)
    prefix = encode_state_prefix("uz:0badcafe", "uz", "0badcafe", 1, 1, "open", 0, LANE_OPENED)
    settings = ConnectorSettings(hub=HUB, center="uz", bootstrap=("memory:1",), request_timeout_s=5.0)
    producer = broker.producer()
    value = frame(form.id, prefix + body) if not junk else frame(form.id, junk)
    await producer.send_and_wait(LANES, value, key=b"uz:0badcafe", partition=partition_of("uz"))
    with Outbox(tmp_path / "outbox.sqlite3") as outbox:
        said = await lane_reason(Link(settings, outbox, broker), origin)
    if junk:
        assert said is None
    else:
        assert said is not None
        assert said.startswith("moved \\x1b[2Jall is \\u202ewell!")
        assert len(said) < 300


def published(codecs: Codecs) -> NewEvent:
    record = {"title": "Title", "language": "en", "export_control": "free"}
    return codecs.event(
        KINDS["net.cohub.offer.published.v1"],
        "uz:A",
        record,
        event_id="e",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        status="published",
        digest=b"d",
    )
