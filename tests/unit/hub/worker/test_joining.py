"""Joining by Kafka, HQ's side and the office's, over a broker in memory: asked, answered, and gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.cli.init import lay_out
from connectors.runtime.joining import finish, has_joined, make_request
from connectors.runtime.joining_kafka import KafkaInquiry
from connectors.runtime.settings import TRUST, make_settings
from connectors.runtime.told import OfficeWaits
from connectors.runtime.trust import Trusted
from hub.hq import centers, invitations
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.hq.profile import Profile
from hub.hq.reception import Reception
from hub.kafka.desired import FIRST
from hub.kafka.memory import MemoryBroker
from hub.ledger.invitation import VALID_FOR
from hub.protocol.errors import Retriable
from hub.protocol.invitation import Invitation, KafkaWay, join_credential
from hub.protocol.joining import KIND_ANSWER, KIND_HEADER, KIND_REQUEST, Answer, State, Why
from hub.protocol.topics import TRUST as TRUST_TOPIC
from hub.protocol.trust import open_trust
from hub.store.read.invitations import InvitationStanding
from hub.store.sqlite import SqliteStore
from hub.worker.access import AccessKeeper
from hub.worker.joining import RECORDS_MAX, Guests, Joining
from tests.support.center import HUB
from tests.support.fanned import at
from tests.support.joining import asking, junk

UZ = Profile(name="Ташкент", country="UZ", direction="north", languages=("ru",), streams=("offer",))


class Office:
    """One office folder, and its asking by Kafka."""

    def __init__(self, folder: Path, bundle: Invitation, clients: Any) -> None:
        self.folder = folder
        self.bundle = bundle
        trust = open_trust(bundle.trust)
        notes = lay_out(folder, bundle.center, "en", trust, bundle.trust)
        self.request, self.password = make_request(folder, bundle, list(notes.values()))
        data = {"hub": bundle.hub, "center": bundle.center, "bootstrap": "127.0.0.1:9"}
        settings = make_settings(data, "test")
        login = {"protocol": "SASL_PLAINTEXT", "username": bundle.center, "password": self.password}
        own = make_settings(data | {"security": login}, "test")
        trusted = Trusted(folder / TRUST, trust)
        self.inquiry = KafkaInquiry(bundle, self.request, settings, own, trusted, clients, poll_ms=5)

    async def ask(self) -> Answer | None:
        return await self.inquiry.ask()


class Bench:
    """HQ with its worker's part, a broker, and a clock of HQ's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = HubFolder(folder / "data")
        self.where.ensure_identity(HUB)
        self.broker = MemoryBroker({TRUST_TOPIC: 1})
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.store = SqliteStore.open(self.where.database)
        self.workers = 0
        self.worker = self.start()

    def start(self) -> Joining:
        """Return a worker that was just started."""
        self.workers += 1
        self.now += timedelta(seconds=60)  # the lease of the one before is over
        identity = load_identity(self.where.keys)
        owner = f"worker {self.workers}"
        return Joining(self.store, at(self.broker), self.reception(), identity, owner, lambda: self.now)

    def reception(self) -> Reception:
        key = partial(AccessKey.load, self.where.keys)
        return Reception(self.store.invitations, load_identity(self.where.keys), key, lambda: self.now)

    async def invite(self, name: str = "uz.cohub") -> Invitation:
        file = self.folder / name
        way = KafkaWay(("127.0.0.1:9",), "PLAINTEXT")
        await invitations.invite(self.where, "uz", file, way, None, lambda: self.now)
        await self.worker.round()
        return Invitation.from_bytes(file.read_bytes())

    def office(self, bundle: Invitation, name: str = "office") -> Office:
        return Office(self.folder / name, bundle, self.broker)

    async def confirm(self, office: Office) -> None:
        words = office.request.fingerprint
        await invitations.confirm(self.where, "uz", words, clock=lambda: self.now)

    def standings(self) -> tuple[InvitationStanding, ...]:
        with self.where.snapshot() as now:
            return now.invitations(self.now)

    def answers(self) -> list[str]:
        """Return what stands on the topic, one line a record."""
        found = []
        for record in self.broker.records("join.uz"):
            kind = dict(record.headers)[KIND_HEADER]
            text = (record.value or b"").decode("utf-8", "replace") if kind == KIND_ANSWER else "state asked\nwhy -\n"
            lines = dict(line.partition(" ")[::2] for line in text.splitlines())
            found.append(f"{lines['state']} {lines['why']}")
        return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    await centers.register(made.where, "uz", UZ, [])
    yield made
    await made.worker._begin_anew()
    await made.store.close()


async def both(bench: Bench, office: Office) -> Answer | None:
    """Have the office ask, the worker hear, and the office look again."""
    await office.ask()
    await bench.worker.round()
    return await office.ask()


async def test_office_asks_waits_and_is_accepted(bench: Bench) -> None:
    """Each answer stands once on the topic; asking again sends nothing."""
    office = bench.office(await bench.invite())
    assert await office.ask() is None
    await bench.worker.round()
    answer = await office.ask()
    assert answer is not None
    assert answer.state is State.WAITS
    await bench.worker.round()
    await office.ask()
    assert bench.answers() == ["asked -", "waits -"]
    bench.now += timedelta(minutes=5)
    await bench.confirm(office)
    answer = await both(bench, office)
    assert answer is not None
    assert (answer.state, answer.request) == (State.ACCEPTED, office.request.digest)
    assert bench.answers() == ["asked -", "waits -", "accepted -"]
    finish(office.folder, office.bundle, "hub: hub.example\ncenter: uz\nbootstrap: ['127.0.0.1:9']\n")
    assert has_joined(office.folder, office.bundle)


async def test_worker_that_is_started_again_says_nothing_twice(bench: Bench) -> None:
    """It reads the topic again, and finds its own answers there."""
    office = bench.office(await bench.invite())
    await both(bench, office)
    await bench.worker._begin_anew()
    bench.worker = bench.start()
    await bench.worker.round()
    await bench.worker.round()
    assert bench.answers() == ["asked -", "waits -"]


async def test_office_that_is_started_again_asks_the_same(bench: Bench) -> None:
    """Its request is kept before it is sent: killed and started again it is the same use of the bundle."""
    bundle = await bench.invite()
    first = bench.office(bundle)
    await first.ask()
    await first.inquiry.close()
    second = bench.office(bundle)
    assert second.request == first.request
    await bench.worker.round()
    answer = await second.ask()
    assert answer is not None
    assert answer.state is State.WAITS
    assert bench.answers() == ["asked -", "waits -"]  # the answer was there: nothing was sent again


async def test_request_is_sent_while_hq_is_away_and_answered_when_it_is_back(bench: Bench) -> None:
    """Nobody need be there at once: the request lies on the topic."""
    office = bench.office(await bench.invite())
    await office.ask()
    await office.inquiry.close()
    await bench.worker._begin_anew()
    bench.now += timedelta(hours=30)
    bench.worker = bench.start()
    await bench.worker.round()
    again = bench.office(office.bundle)
    answer = await again.ask()
    assert answer is not None
    assert answer.state is State.WAITS


async def test_broker_that_breaks_off_is_asked_again(bench: Bench) -> None:
    """Both ends wait for it, and go on."""
    office = bench.office(await bench.invite())
    await office.ask()
    bench.broker.cut()
    assert await office.ask() is None
    with pytest.raises(Retriable):
        await bench.office(office.bundle).ask()
    await bench.worker.round()
    bench.broker.mend()
    await bench.worker.round()
    answer = await office.ask()
    assert answer is not None
    assert answer.state is State.WAITS


async def test_two_offices_by_one_file_are_both_refused(bench: Bench) -> None:
    """Each is told so, and HQ sees the alarm."""
    bundle = await bench.invite()
    first, second = bench.office(bundle), bench.office(bundle, "copy")
    await first.ask()
    await second.ask()
    await bench.worker.round()
    for office in (first, second):
        answer = await office.ask()
        assert answer is not None
        assert (answer.state, answer.why) == (State.REFUSED, Why.CONTESTED)
    (standing,) = bench.standings()
    assert standing.alarm


async def test_copy_of_a_file_that_was_confirmed_is_refused_and_told(bench: Bench) -> None:
    """The office that was confirmed is not touched."""
    bundle = await bench.invite()
    office = bench.office(bundle)
    await both(bench, office)
    await bench.confirm(office)
    await both(bench, office)
    answer = await both(bench, bench.office(bundle, "copy"))
    assert answer is not None
    assert (answer.state, answer.why) == (State.REFUSED, Why.USED)
    answer = await office.ask()
    assert answer is not None
    assert answer.state is State.ACCEPTED


async def test_late_office_is_told_that_the_time_is_over(bench: Bench) -> None:
    """By HQ's clock, whatever its own says."""
    bundle = await bench.invite()
    bench.now += VALID_FOR
    answer = await both(bench, bench.office(bundle))
    assert answer is not None
    assert (answer.state, answer.why) == (State.REFUSED, Why.EXPIRED)


async def test_answers_of_others_are_nobodys_word(bench: Bench) -> None:
    """Whoever can write to the topic says nothing in HQ's name, and what HQ said of another request is no answer."""
    bundle = await bench.invite()
    office = bench.office(bundle)
    identity = load_identity(bench.where.keys)
    forged = Answer(HUB, "uz", bundle.id, office.request.digest, bench.now, State.ACCEPTED)
    elsewhere = Answer(HUB, "uz", bundle.id, "00" * 32, bench.now, State.ACCEPTED)
    for data in (forged.signed(identity.receipts), elsewhere.signed(identity.hq), b"", b"\xff", bundle.trust):
        await write(bench, bundle, data, KIND_ANSWER)
    assert await office.ask() is None


async def test_junk_on_the_topic_stops_nobody(bench: Bench) -> None:
    """It is passed over, and accuses nobody."""
    bundle = await bench.invite()
    for data in (b"", b"x" * 5000, asking(bundle)[:-1]):
        await write(bench, bundle, data, KIND_REQUEST)
    await write(bench, bundle, asking(bundle), KIND_REQUEST, key=b"ffffffff")
    answer = await both(bench, bench.office(bundle))
    assert answer is not None
    assert answer.state is State.WAITS


async def test_pages_of_junk_leave_the_worker_time_and_are_told_once(bench: Bench) -> None:
    """Whoever has a bundle encrypts what is no request as often as they like; who asks is heard all the same."""
    bundle = await bench.invite()
    for number in range(RECORDS_MAX):
        await write(bench, bundle, junk(bundle, b"%d" % number), KIND_REQUEST)
    with capture_logs() as logs:
        assert await bench.worker.round() > 0
    assert [entry["event"] for entry in logs].count("join_request_unreadable") == 1
    answer = await both(bench, bench.office(bundle))
    assert answer is not None
    assert answer.state is State.WAITS


async def test_newer_answer_counts_whatever_stands_last(bench: Bench) -> None:
    """An answer of long ago that somebody puts on the topic again changes nothing."""
    bundle = await bench.invite()
    office = bench.office(bundle)
    await both(bench, office)
    old = bench.broker.records("join.uz")[-1].value or b""
    bench.now += timedelta(minutes=1)
    await bench.confirm(office)
    await bench.worker.round()
    await write(bench, bundle, old, KIND_ANSWER)
    answer = await office.ask()
    assert answer is not None
    assert answer.state is State.ACCEPTED


async def test_brokers_are_given_what_the_bundle_logs_in_by(bench: Bench) -> None:
    """One user for each open invitation, whose password follows from its secret."""
    bundle = await bench.invite()
    guests = Guests(bench.reception())
    (guest,) = await guests.invitations()
    assert (guest.invited.name, guest.invited.topic) == (bundle.user, "join.uz")
    assert guest.credential == join_credential(bundle.secret)
    bench.now += VALID_FOR
    assert await guests.invitations() == []


@pytest.mark.parametrize("spoil", [Path.unlink, partial(Path.chmod, mode=0o644), partial(Path.write_text, data="x")])
async def test_access_key_that_can_not_be_read_leaves_guests_as_they_are(
    bench: Bench, spoil: Callable[[Path], object]
) -> None:
    """The keeper goes on with all else, says it once, and sees to the guests again when the key is back."""
    bundle = await bench.invite()
    statuses = {"uz": "active"}
    load = partial(AccessKey.load, bench.where.keys)
    guests = Guests(bench.reception()).invitations
    keeper = AccessKeeper(
        bench.store, at(bench.broker), lambda: statuses, load, "me", guests, look_every_s=0.0, share=0
    )
    bench.broker.access.has_authorizer = True
    await keeper.look()
    assert set(bench.broker.access.users) == {bundle.user, FIRST}
    key = bench.where.keys / "access.key"
    text = key.read_text()
    spoil(key)
    statuses["uz"] = "suspended"
    with capture_logs() as logs:
        for _ in range(3):
            await keeper.look()
    assert set(bench.broker.access.users) == {bundle.user, FIRST}
    assert not [acl for acl in bench.broker.access.acls if acl[1] == "in.uz" and acl[3] == "User:uz"]
    (said,) = [entry["error"] for entry in logs if entry["event"] == "access_waits"]
    assert "access.key" in said
    key.write_text(text)
    key.chmod(0o600)
    bench.now += VALID_FOR
    await keeper.look()
    assert set(bench.broker.access.users) == {FIRST}


class Locked:
    """Clients of a broker that does not let everybody in: `refuses` says by whose name it does not."""

    def __init__(self, broker: MemoryBroker, refuses: Callable[[str | None], bool]) -> None:
        self._broker = broker
        self._refuses = refuses

    def _check(self, settings: Any) -> None:
        if self._refuses(settings.get("sasl_plain_username")):
            raise OfficeWaits("join.broken_off", detail="SaslAuthenticationFailed")

    def producer(self, **settings: Any) -> Any:
        self._check(settings)
        return self._broker.producer(**settings)

    def consumer(self, **settings: Any) -> Any:
        self._check(settings)
        return self._broker.consumer(**settings)

    def admin(self, **settings: Any) -> Any:
        self._check(settings)
        return self._broker.admin(**settings)


async def test_office_that_is_let_in_by_its_own_password_was_accepted(bench: Bench) -> None:
    """The bundle's login is gone with the confirmation; who slept meanwhile learns it so."""
    bundle = await bench.invite()
    gone: set[str | None] = {"uz"}
    office = Office(bench.folder / "office", bundle, Locked(bench.broker, lambda name: name in gone))
    await both(bench, office)
    await office.inquiry.close()
    bench.broker.create_topic("out.uz")
    gone.clear()
    gone.add(None)  # the guest here has no name
    late = Office(bench.folder / "office", bundle, Locked(bench.broker, lambda name: name in gone))
    answer = await late.ask()
    assert answer is not None
    assert (answer.state, answer.request) == (State.ACCEPTED, office.request.digest)
    gone.add("uz")
    nobody = Office(bench.folder / "office", bundle, Locked(bench.broker, lambda name: name in gone))
    with pytest.raises(Retriable):
        await nobody.ask()


async def write(bench: Bench, bundle: Invitation, data: bytes, kind: bytes, key: bytes | None = None) -> None:
    """Write a record as whoever has the bundle may."""
    producer = bench.broker.producer()
    await producer.start()
    headers = [(KIND_HEADER, kind)]
    await producer.send_and_wait("join.uz", data, key=key or bundle.id.encode(), partition=0, headers=headers)
    await producer.stop()
    await asyncio.sleep(0)
