"""Receipts that HQ has signed and its database has still to come to: found when a worker starts, then honoured.

A database that was put back from a copy does not know of them. They stand on `out.<center>`, behind what it knows to
have been acknowledged there, and HQ's own lane on `hub.lane`. So a worker that starts looks there before it judges or
signs anything; nearly always there is nothing. What is true when it dies behind each step:

    lane taken in   stretch by stretch, each in a transaction: the next start goes on behind the last
    found, kept     they are in SQL, in their order; only now is it forgotten that the hub was restored
    honoured        the lane has the events, with the very receipt: it is owed no more

What is in SQL is read for each lane behind its claim, since lanes move between workers: see `Owing.assigned`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from hub.base.clients import closing
from hub.base.kafka import Record
from hub.base.reason import reason_of
from hub.domain.hq_lane import HqStretch
from hub.hq.bases import bases_at
from hub.hq.headquarters import Headquarters
from hub.hq.identity import Identity
from hub.hq.saying import again
from hub.kafka.cluster import Cluster
from hub.kafka.ends import topic_ends
from hub.ledger.basis import Basis
from hub.ledger.derived import Reach
from hub.ledger.owed import NotAsSigned, Owed, cut, owed, read_owed
from hub.ledger.reading import Reading, Taken
from hub.ledger.take import take
from hub.protocol.errors import Malformed, Retriable
from hub.protocol.record import CONTROL_HEADER, RECEIPT_HEADER, SEAL_HEADER, KafkaRecord, canonical, position
from hub.protocol.schema import Schema
from hub.protocol.topics import LANE, topic_in, topic_out
from hub.protocol.witness import LENT_LOG_KIND, LENT_RECEIPT_KIND
from hub.store.owed_store import KeptReceipt
from hub.store.store import Store

DEADLINE_S: Final = 20.0
FETCH_MS: Final = 500
TAKE_IN_TRIES: Final = 50
LENT: Final = (CONTROL_HEADER, LENT_RECEIPT_KIND.encode())
LENT_LOG: Final = (CONTROL_HEADER, LENT_LOG_KIND.encode())
LENT_LOOK_BACK: Final = 20_000  # offsets, of each center's topic

log = structlog.get_logger(__name__)


async def records_of(cluster: Cluster, begins: Mapping[str, int], ends: Mapping[str, int]) -> AsyncIterator[Record]:
    """Yield the records of partition 0 of these topics, each from one offset to another. Errors: Retriable."""
    places = {TopicPartition(topic, 0): begin for topic, begin in begins.items() if begin < ends[topic]}
    if not places:
        return
    made = await cluster.consumer("cohub-taking-in", deadline_s=DEADLINE_S)
    async with closing(made) as consumer:
        try:
            consumer.assign(list(places))
            for place, begin in places.items():
                consumer.seek(place, begin)
            left = set(places)
            while left:
                async with asyncio.timeout(DEADLINE_S):
                    fetched = await consumer.getmany(*left, timeout_ms=FETCH_MS)
                    for place in list(left):
                        if await consumer.position(place) >= ends[place.topic]:
                            left.discard(place)
                for place, found in fetched.items():
                    for record in found:
                        if record.offset < ends[place.topic]:
                            yield record
        except (KafkaError, TimeoutError, OSError) as exc:
            raise Retriable(f"what HQ had signed can't be read at {cluster.bootstrap}: {reason_of(exc)}") from exc


async def lent_logs(cluster: Cluster, centers: Sequence[str]) -> list[bytes]:
    """Return what these centers have lent lately of HQ's log, nothing of it verified. Errors: Retriable."""
    ends = await topic_ends(cluster, [topic_in(center) for center in centers], DEADLINE_S)
    begins = {topic: max(first, end - LENT_LOOK_BACK) for topic, (first, end) in ends.items()}
    found = records_of(cluster, begins, {topic: end for topic, (_, end) in ends.items()})
    return [record.value async for record in found if record.headers and record.headers[0] == LENT_LOG and record.value]


def _begin(reach: Reach | None, first: int, end: int, *, whole: bool) -> int:
    """Return the offset from which a topic may have what the database does not know of."""
    known = 0 if reach is None or whole or reach.next > end else reach.next
    return max(first, known)


async def take_in_lane(cluster: Cluster, store: Store, headquarters: Headquarters, *, whole: bool) -> int:
    """Take in what `hub.lane` has of HQ's own lane beyond the ledger; return how many events that was.

    `whole`: the hub was restored, so the topic is read from its beginning. Errors: Retriable; Fatal as of `OwnLane`.
    """
    lane = await headquarters.lane.read()
    if not lane.origin:
        return 0  # a new hub
    reach = (await store.topics.reaches()).get((LANE, 0))
    ends = await topic_ends(cluster, [LANE], DEADLINE_S)
    if LANE not in ends:
        return 0
    begins = {LANE: _begin(reach, *ends[LANE], whole=whole)}
    held: dict[int, Record] = {}
    async for record in records_of(cluster, begins, {LANE: ends[LANE][1]}):
        place = position(dict(record.headers))
        if place is not None and place[0] == lane.origin.rpartition("/")[2] and place[1] > lane.size:
            held[place[1]] = record
    before = reached = lane.size
    for stretch in _stretches(held, lane.size):
        reached += len(stretch.events)
        try:
            await again(partial(_append, headquarters, stretch, reached), TAKE_IN_TRIES)
        except (Malformed, NotAsSigned) as exc:
            log.warning("hq_lane_not_taken_in", size=(await headquarters.lane.read()).size, error=str(exc))
            break
    taken = (await headquarters.lane.read()).size - before
    if taken:
        log.warning("hq_lane_taken_in", events=taken, size=before + taken)
    return taken


async def _append(headquarters: Headquarters, stretch: HqStretch, reached: int) -> None:
    """Append a stretch that ends at `reached`, unless a worker that starts beside this one has done it.

    Errors: as of `Headquarters.take_in`; Retriable where the other one writes just now.
    """
    if (await headquarters.lane.read()).size >= reached:
        return
    try:
        await headquarters.take_in(stretch)
    except (Malformed, NotAsSigned):
        if (await headquarters.lane.read()).size < reached:  # else it was done between the two
            raise


def _stretches(held: Mapping[int, Record], size: int) -> Iterable[HqStretch]:
    """Yield what is whole of the stretches behind a size: each ends with HQ's seal and receipt."""
    events: list[bytes] = []
    number = size + 1
    while (record := held.get(number)) is not None:
        headers = dict(record.headers)
        events.append(canonical(record.headers, record.value))
        seal, receipt = headers.get(SEAL_HEADER), headers.get(RECEIPT_HEADER)
        if seal and receipt:
            yield HqStretch(tuple(events), seal, receipt)
            events = []
        number += 1


async def find_owed(cluster: Cluster, store: Store, identity: Identity, centers: Sequence[str], *, whole: bool) -> int:
    """Keep the receipts that HQ has given these centers and its ledger does not have; return how many there are.

    `whole`: the hub was restored, so the topics are read from their beginning. Errors: Retriable.
    """
    reaches, sizes = await store.topics.reaches(), await store.owed.sizes(centers)
    ends = await topic_ends(cluster, [topic_out(center) for center in centers], DEADLINE_S)
    begins = {topic: _begin(reaches.get((topic, 0)), first, end, whole=whole) for topic, (first, end) in ends.items()}
    found: dict[str, list[Owed]] = {}
    keys = identity.hq_keys()
    async for record in records_of(cluster, begins, {topic: end for topic, (_, end) in ends.items()}):
        center = record.topic.removeprefix(topic_out(""))
        one = read_owed(center, bytes(record.value or b""), keys)
        if one is not None and one.receipt.last > sizes.get(one.origin, 0):
            found.setdefault(center, []).append(one)
    kept = [one for ones in found.values() for one in owed(ones, sizes)]
    if kept:
        await store.owed.keep([KeptReceipt(one.center, one.origin, one.receipt.last, one.note) for one in kept])
        log.warning("receipts_owed", receipts=len(kept), centers=len(found))
    return len(kept)


@dataclass(frozen=True, slots=True)
class Part:
    """Records that are taken in one step: under the basis of then, where HQ owes receipts, and for one of them."""

    records: Sequence[KafkaRecord]
    basis: Basis | None = None
    owed: Owed | None = None


NO_PART: Final = Part(())


@dataclass(slots=True)
class _Center:
    """What is owed to one center, in order; the records that are held back for it; whether it can't be come to."""

    owed: deque[Owed]
    held: list[KafkaRecord] = field(default_factory=list)
    is_lost: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What more of what is owed is read from, when an office lends its receipts."""

    store: Store
    headquarters: Headquarters
    identity: Identity
    released: Mapping[str, Schema]

    async def bases(self, ones: Iterable[Owed]) -> dict[int, Basis]:
        """Return the bases that these receipts were judged under. Errors: as of `bases_at`."""
        wanted = {one.receipt.basis for one in ones}
        return await bases_at(self.store, self.headquarters, self.identity, self.released, wanted)

    def read(self, center: str, notes: Iterable[bytes]) -> list[Owed]:
        """Return those of these notes that are HQ's receipts for a center."""
        keys = self.identity.hq_keys()
        read = (read_owed(center, note, keys) for note in notes)
        return [one for one in read if one is not None]


class Owing:
    """What HQ owes the centers of one worker: asked for each fetch, it is nearly always nothing."""

    def __init__(self, source: Source | None = None) -> None:
        self._source = source
        self._centers: dict[str, _Center] = {}
        self._bases: dict[int, Basis] = {}
        self._given_up: dict[str, set[bytes]] = {}  # by center: notes that SQL has no more, though they were owed here

    async def assigned(self, centers: Collection[str]) -> None:
        """Read what is owed to these centers, as SQL has it now: their lanes are ours, and read from their positions.

        Another worker may have had them since, and have honoured what was owed, or heard of more. Called behind the
        claim, so that nobody else comes to any of it any more. Where nothing is owed it is one query.
        Errors: as of the store, and then all is as before; Fatal where the hq lane does not verify.
        """
        found = await self._read(centers)
        if found and self._source is not None:
            await self._source.store.owed.lost(found, None)  # read again, it may be come to now
        for center in centers:
            ones, before = found.get(center, []), self._centers.pop(center, None)
            if before is not None:
                gone = {one.note for one in before.owed} - {one.note for one in ones}
                self._given_up.setdefault(center, set()).update(gone)
            if ones:
                self._centers[center] = _Center(deque(ones))
        if not self._centers:
            self._bases.clear()

    async def _read(self, centers: Collection[str]) -> dict[str, list[Owed]]:
        """Return what SQL has of it for these centers, and have the bases of it."""
        if self._source is None or not (kept := await self._source.store.owed.owed(centers)):
            return {}
        notes: dict[str, list[bytes]] = {}
        for one in kept:
            notes.setdefault(one.center, []).append(one.note)
        sizes = await self._source.store.owed.sizes(notes)
        chained = {center: owed(self._source.read(center, found), sizes) for center, found in notes.items()}
        await self._have_bases(self._source, [one for ones in chained.values() for one in ones])
        return chained

    async def _have_bases(self, source: Source, ones: Iterable[Owed]) -> None:
        missing = [one for one in ones if one.receipt.basis not in self._bases]
        if missing:
            self._bases.update(await source.bases(missing))

    async def hear(self, center: str, records: Iterable[KafkaRecord]) -> None:
        """Keep what a center lends of HQ's receipts, where the ledger does not have them. Errors: as of the store."""
        notes = [record.value for record in records if record.headers and record.headers[0] == LENT and record.value]
        given_up = self._given_up.get(center, ())  # read again behind a person's word, it is owed no more for that
        notes = [note for note in notes if note not in given_up]
        if not notes or self._source is None:
            return
        known, sizes = self._centers.get(center), await self._source.store.owed.sizes([center])
        for one in known.owed if known is not None else ():
            sizes[one.origin] = max(sizes.get(one.origin, 0), one.receipt.last)
        fresh = owed(self._source.read(center, notes), sizes)
        if not fresh:
            return
        await self._source.store.owed.keep(
            [KeptReceipt(one.center, one.origin, one.receipt.last, one.note) for one in fresh]
        )
        await self._have_bases(self._source, fresh)
        self._centers.setdefault(center, _Center(deque())).owed.extend(fresh)
        log.warning("receipts_lent", center=center, receipts=len(fresh))

    def part(self, reading: Reading, records: Sequence[KafkaRecord], tick: float) -> Part | None:
        """Return what of a center's records is to be taken next: all of them, where nothing is owed.

        None: they are held back until more come; or it can't be come to, and they are read again once it is given up.
        """
        center = reading.intake.center
        known = self._centers.get(center)
        if known is None or not known.owed:
            return Part(records)
        if known.is_lost:
            return None
        one = known.owed[0]
        basis = self._bases.get(one.receipt.basis)
        if basis is None:
            self.lose(center, "HQ's own lane does not reach to what it was judged under")
            return None

        def taken(some: Sequence[KafkaRecord]) -> Taken:
            return take(reading, some, basis.keyring, self._source.identity.hub if self._source else "", tick)

        found = cut(one, records, taken)
        if found.is_lost:
            self.lose(center, "other events have come, or a lane that closed it")
            return None
        if found.is_free:
            return Part(records, basis)
        return None if found.count is None else Part(records[: found.count], basis, one)

    def owes(self, center: str) -> bool:
        """Return whether a center is owed anything."""
        return center in self._centers and bool(self._centers[center].owed)

    def is_lost(self, center: str) -> bool:
        """Return whether what comes next of a center can't be come to: nothing is read of it, and nothing held."""
        return center in self._centers and self._centers[center].is_lost

    async def given_up(self) -> set[str]:
        """Return the lost centers whose next receipt SQL owes no more: a person has let HQ's log begin anew.

        They are to be read again from their positions. Errors: as of the store.
        """
        lost = {center: known.owed[0].note for center, known in self._centers.items() if known.is_lost}
        if not lost or self._source is None:
            return set()
        kept = {(one.center, one.note) for one in await self._source.store.owed.owed(lost)}
        return {center for center, note in lost.items() if (center, note) not in kept}

    def honoured(self, center: str) -> None:
        """Go on to the next: this one is in the ledger."""
        known = self._centers[center]
        known.owed.popleft()
        if not known.owed and not known.held:
            del self._centers[center]

    def lose(self, center: str, why: str) -> None:
        """Note that what comes next of a center can't be come to."""
        known = self._centers[center]
        if not known.is_lost:
            known.is_lost, known.why, known.held = True, why, []
            one = known.owed[0].receipt
            log.error("receipt_not_come_to", center=center, origin=one.origin, first=one.first, last=one.last, why=why)

    async def hold(self, center: str, records: Collection[KafkaRecord]) -> None:
        """Hold records back until more of them have come: `cut` bounds how many.

        None of a center that is lost: SQL is told why, for the person who may give it up. Errors: as of the store.
        """
        known = self._centers[center]
        known.held = [] if known.is_lost else list(records)
        if known.is_lost and self._source is not None:
            await self._source.store.owed.lost([center], known.why)

    def take(self, center: str) -> list[KafkaRecord]:
        """Return what is held back of a center, which is nothing from then on."""
        known = self._centers.get(center)
        if known is None:
            return []
        held, known.held = known.held, []
        if not known.owed:
            del self._centers[center]
        return held

    def revoked(self, centers: Collection[str]) -> None:
        """Forget what is held back of these centers, and that one is lost: whoever has them next reads it again."""
        for center in centers:
            self.take(center)
            if (known := self._centers.get(center)) is not None:
                known.is_lost = False
