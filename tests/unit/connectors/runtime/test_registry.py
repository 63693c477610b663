"""What HQ's registry says of a center, and what of it a person must know."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import schemas
from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, alarm_text
from connectors.runtime.codecs import Codecs, released_states
from connectors.runtime.link import Link
from connectors.runtime.office import Office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.beliefs import save
from connectors.runtime.outbox.faulty import FaultyDatabase
from connectors.runtime.outbox.queue import NewEvent, append
from connectors.runtime.registry import CENTERS, HQ_PARTITION, SCHEMAS, Registry
from connectors.runtime.registry_reader import RegistryReader, office_keys
from connectors.runtime.settings import ConnectorSettings
from connectors.runtime.signals import Replans, Signal
from hub.base.faulty import Fault
from hub.domain.catalogue import KINDS
from hub.kafka.memory import MemoryBroker
from hub.protocol.avro import Codec, frame
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, Signer
from hub.protocol.schema import DATASCHEMA, parse_schema
from hub.protocol.trust import Trust
from hub.protocol.verdict import Code
from tests.support.center import HUB, Center
from tests.support.end import running, until
from tests.support.hq import center_record
from tests.support.office import Office as Outboxed

OURS, THEIRS = Center("uz"), Center("uz", seed=b"x" * 32)
KEY = OURS.signer.verifier
STATE = Codec(parse_schema(schemas.read("state/center.key_added.v1.avsc")))


def state(version: int, *keys: Center, status: str = "active", **fields: Any) -> bytes:
    """Return a record of `state.center`, as HQ writes it."""
    value = {
        "id": "hq:uz",
        "center": "hq",
        "epoch": "00000001",
        "sequence": version,
        "version": version,
        "status": status,
        "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
        "changed_by": "net.cohub.center.key_added.v1",
        "record": center_record(*keys, **fields),
    }
    return frame(STATE.schema.id, STATE.encode(value))


def registry(*values: bytes, schema: int = 7) -> Registry:
    """Return a registry, read to its end, with one announced schema."""
    found = Registry("uz", released_states())
    found.take(SCHEMAS, f"hq:{schema}".encode(), b"-")
    for value in values:
        found.take(CENTERS, b"hq:uz", value)
    found.complete = True
    return found


def told(alarms: dict[AlarmName, Alarm | None]) -> dict[AlarmName, str]:
    """Return what the alarms say that there is a reason for."""
    return {name: alarm_text(alarm, "en") for name, alarm in alarms.items() if alarm is not None}


def raised(found: Registry, *known: Signer) -> set[str]:
    public = {KEY.public, *(key.verifier.public for key in known)}
    return set(told(found.alarms(KEY, public)))


def test_center_with_its_own_key_alone_raises_no_alarm() -> None:
    """What is in order is not told."""
    assert raised(registry(state(1, OURS))) == set()


def test_active_key_that_the_office_never_had_is_an_alarm_that_names_it() -> None:
    """Whoever registers a key in a center's name is seen by the center."""
    found = registry(state(1, OURS), state(2, OURS, THEIRS))
    assert THEIRS.signer.verifier.to_text() in told(found.alarms(KEY, {KEY.public}))[AlarmName.FOREIGN_KEY]


def test_key_that_was_rotated_away_is_no_alarm() -> None:
    """A key that the office still has beside the new one is its own."""
    assert raised(registry(state(1, OURS, THEIRS)), THEIRS.signer) == set()


def test_revoked_foreign_key_is_no_alarm_and_our_own_revoked_key_is_one() -> None:
    """A revoked key signs nothing; if it is ours, neither do we."""
    record = center_record(OURS, THEIRS)
    theirs = [record["keys"][0], record["keys"][1] | {"status": "revoked"}]
    ours = [record["keys"][0] | {"status": "revoked"}]
    assert raised(registry(state(1, keys=theirs))) == set()
    assert raised(registry(state(1, keys=ours))) == {"key"}


def test_unknown_key_says_what_to_send_and_an_unknown_center_nothing() -> None:
    """A key that was not enrolled yet is told of; of a center that HQ has not added, the link tells."""
    assert "enrolment note" in told(registry(state(1)).alarms(KEY, {KEY.public}))[AlarmName.KEY]
    assert registry().alarms(KEY, {KEY.public}) == {}


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_center_that_is_not_active_is_an_alarm(status: str) -> None:
    """A center whose lane waits learns why."""
    assert raised(registry(state(1, OURS), state(2, OURS, status=status))) == {"suspended"}


def test_older_version_that_is_published_again_changes_nothing() -> None:
    """Of two records the higher version is the newer, whichever comes last."""
    assert raised(registry(state(2, OURS), state(1, OURS, status="suspended"))) == set()


def test_key_of_a_kind_from_the_future_is_passed_over() -> None:
    """What this release can't read is no reason to believe nothing of the center."""
    record = center_record(OURS)
    strange = record["keys"][0] | {"purpose": "witness", "vkey": "hub.example/uz/witness+00000000+BAAA"}
    assert raised(registry(state(1, keys=[*record["keys"], strange]))) == set()


def test_witness_key_is_asked_for_until_hq_has_it_and_a_foreign_one_alarms() -> None:
    """A witness key counts once it is enrolled; one in our name that we never had is somebody else's."""
    witness = Signer(f"{HUB}/{OURS.id}/witness", b"w" * 32, COSIGNATURE_ED25519).verifier
    record = center_record(OURS)
    key = record["keys"][0] | {"purpose": "witness", "vkey": witness.to_text()}
    without, having = registry(state(1, OURS)), registry(state(1, keys=[*record["keys"], key]))
    asked = told(without.alarms(KEY, {KEY.public}, witness=witness))
    assert (set(asked), "uz.witness.note" in asked[AlarmName.WITNESS_KEY]) == ({"witness_key"}, True)
    assert told(having.alarms(KEY, {KEY.public, witness.public}, witness=witness)) == {}
    assert set(told(having.alarms(KEY, {KEY.public}))) == {"foreign_key"}
    revoked = registry(state(1, keys=[*record["keys"], key | {"status": "revoked"}]))
    assert "revoked" in told(revoked.alarms(KEY, {KEY.public}, witness=witness))[AlarmName.WITNESS_KEY]


def test_ml_dsa_key_that_hq_wants_and_the_office_does_not_seal_by_raises_an_alarm() -> None:
    """Once HQ has such a key it takes no seal without its signature: better an alarm than a parked lane alone."""
    long_key = Signer(f"{HUB}/{OURS.id}", b"m" * 32, COSIGNATURE_MLDSA44).verifier
    record = center_record(OURS)
    key = record["keys"][0] | {"vkey": long_key.to_text()}
    having = registry(state(1, keys=[*record["keys"], key]))
    known = {KEY.public, long_key.public}
    assert set(told(having.alarms(KEY, known))) == {"long_seals"}
    assert told(having.alarms(KEY, known, long_key)) == {}
    assert told(registry(state(1, OURS)).alarms(KEY, known, long_key)) == {}


def test_schema_is_announced_by_its_key_alone_and_only_in_a_known_registry() -> None:
    """An unread or empty registry holds nothing back; a read one holds back what it does not have."""
    listed, missing = f"{DATASCHEMA}{'00000007':0<64}", f"{DATASCHEMA}{'00000008':0<64}"
    assert Registry("uz", released_states()).announced(missing)
    found = registry()
    assert (found.announced(listed), found.announced(missing)) == (True, False)
    assert found.take(SCHEMAS, b"hq:8", b"-")
    assert not found.take(SCHEMAS, b"hq:8", b"-")
    assert found.announced(missing)
    empty = Registry("uz", released_states())
    empty.complete = True
    assert (empty.known, empty.alarms(KEY, set())) == (False, {})


def test_top_bit_of_the_hash_is_no_part_of_a_schema_id() -> None:
    """Ids have 31 bits, hashes have 32 in the same place."""
    assert registry().announced(f"{DATASCHEMA}{'80000007':0<64}")


def test_record_in_an_unknown_schema_is_malformed_and_changes_nothing() -> None:
    """What a later HQ writes is reported, and what was known stays."""
    found = registry(state(1, OURS))
    with pytest.raises(Malformed, match="update"):
        found.take(CENTERS, b"hq:uz", frame(1, b"x"))
    with pytest.raises(Malformed):
        released_states().read(state(1, OURS)[:-3])
    assert raised(found) == set()


def test_records_of_other_centers_and_deletions_are_passed_over() -> None:
    """Only our own center's record counts; of another one it is news that it is there."""
    found = registry(state(1, OURS))
    assert found.take(CENTERS, b"hq:kz", state(9, THEIRS))
    assert not found.take(CENTERS, b"hq:kz", state(10, THEIRS))
    assert found.centers == {"uz", "kz"}
    assert not found.take(CENTERS, b"hq:uz", None)
    assert not found.take(SCHEMAS, b"hq:x", b"-")
    assert raised(found) == set()


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
    )
    with capture_logs() as logs:
        await reader.settled()
        await reader.settled()
    assert [line["event"] for line in logs] == ["registry_unknown"]
    assert reader.registry.announced(f"{DATASCHEMA}{'00000008':0<64}")


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
        broker = MemoryBroker({CENTERS: 8, SCHEMAS: 8})
        await say(broker, SCHEMAS, b"hq:7", b"-")
        await say(broker, CENTERS, b"hq:uz", state(1, THEIRS, streams=["deal"]))
        office, replans = Office(tmp_path, settings, OURS.signer, Trust(HUB, KEY, (KEY,))), Replans()
        reader = RegistryReader(office, outbox, Link(settings, outbox, broker), Signal(), replans)
        database.faults.plan(fault, nth)
        async with running(reader.run()):
            await until(lambda: database.meta("key") and database.meta("foreign_key"))
            await say(broker, CENTERS, b"hq:uz", state(2, OURS, streams=["deal", "offer"]))
            await until(lambda: not database.meta("key") and not database.meta("foreign_key"))
            await until(lambda: (asked := replans.take()).every or asked.files == {"a.csv"})
            await until(lambda: database.read("SELECT state, fingerprint FROM entity") == [("pending", None)])


async def say(broker: MemoryBroker, topic: str, key: bytes, value: bytes) -> None:
    """Publish as HQ does."""
    await broker.producer().send_and_wait(topic, value, key=key, partition=HQ_PARTITION)


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
