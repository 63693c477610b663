"""HQ's own lane: centers, keys, schemas and code lists go through the same door as every other event.

The hq lane does not travel through Kafka on its way in (docs/adr/0004): it is sealed with HQ's key and goes through the
same step of the engine, in one transaction of the store. So a center can be added while no broker runs.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.hq_lane import HqLane, HqStretch, hq_readers
from hub.domain.stream import HQ
from hub.hq.identity import Identity
from hub.hq.lane import OwnLane
from hub.hq.pulse import owner_is_gone
from hub.ledger.basis import Basis, basis
from hub.ledger.lane import Lane
from hub.ledger.owed import Owed, honoured
from hub.ledger.reading import Reading
from hub.ledger.step import EntityKey, KnownEntity, Step
from hub.protocol.avro import Codec, frame
from hub.protocol.cause import Cause
from hub.protocol.checkpoint import seal
from hub.protocol.errors import Fatal, Rejected, Retriable
from hub.protocol.identifier import uuid7
from hub.protocol.note import Note
from hub.protocol.plain_record import PlainRecord
from hub.protocol.receipt import Receipt
from hub.protocol.record import (
    CENTER_REGISTERED,
    LANE_OPENED,
    RULES_ADOPTED,
    SEAL_HEADER,
    canonical,
    origin_of,
    split_canonical,
    write_headers,
)
from hub.protocol.rules import NEWEST, Rules
from hub.protocol.schema import DATASCHEMA, Schema
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.verdict import Code
from hub.store.consolidate import Driver, Instant
from hub.store.store import Store
from hub.store.workers import LivingWorker

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HqEvent:
    """One event of HQ's: its type, the key of its entity (`hq:<key>`), and its value."""

    type: str
    key: str
    value: Mapping[str, Any]


class Headquarters:
    """Writes the hq lane of one store."""

    def __init__(self, store: Store, identity: Identity, released: Mapping[str, Schema]) -> None:
        self._store = store
        self._identity = identity
        self._released = released
        self.lane = OwnLane(store, identity, released)
        self._driver = Driver(store, _Sealed(store, self.lane), identity)

    async def prepare(self, rules: Rules = NEWEST) -> None:
        """Open the hq lane where it is new, and announce what every living worker can read and HQ has not announced.

        A new hub begins with `rules`; one that is there keeps those in force until somebody adopts others.
        """
        basis = await self.basis()
        events = []
        is_new = HQ not in basis.registry.centers
        if is_new:
            record = {
                "name": self._identity.hub,
                "country": "CN",
                "direction": "north",
                "zone": None,
                "languages": ["zh", "en", "ru"],
                "timezone": "Asia/Shanghai",
                "streams": [],
                "keys": [],
            }
            events.append(HqEvent(CENTER_REGISTERED, HQ, record))
        if not is_new:
            await self.announce(basis)
            return
        events += announcements(self._released, set(basis.registry.schemas))
        if rules.number > basis.rules.number:
            events.append(adoption(rules.number, "a new hub"))
        await self.say(events)

    async def announce(self, standing: Basis | None = None) -> tuple[LivingWorker, ...]:
        """Announce what this release can read and HQ has not announced, once every worker that lives can read it.

        A worker answers events whose schema it lacks by a rejection, which is final. Returns the workers that lack it.
        """
        basis = standing or await self.basis()
        events = announcements(self._released, set(basis.registry.schemas))
        if not events:
            return ()
        wanted, now = {int(event.key) for event in events}, datetime.now(UTC)
        living = [one for one in await self._store.workers() if one.until > now and not owner_is_gone(one.owner)]
        if lacking := tuple(one for one in living if not wanted <= one.schemas):
            log.info(
                "schemas_not_announced",
                schemas=len(wanted),
                lacking=[f"{one.owner} ({one.release})" for one in lacking],
                meaning="a worker of another release lives that would reject what is sent by them: they wait for it",
            )
        else:
            await self.say(events, expected_basis=basis.size)
        return lacking

    async def basis(self) -> Basis:
        """Return the basis as the sealed hq lane stands. Errors: Fatal where it does not verify."""
        return self.basis_of(await self.lane.read())

    def basis_of(self, found: HqLane) -> Basis:
        """Return the basis that the hq lane makes at some size. Errors: Newer."""
        sealing = self._identity.hq_keys().hqs_at(datetime.now(UTC))
        retired = [key for key in self._identity.hqs() if key not in sealing]
        entities, at = found.entities.values(), found.corrected_at
        return basis(found.size, entities, sealing, self._released, retired, at, found.reasons)

    async def take_in(self, stretch: HqStretch) -> None:
        """Append what HQ has sealed and given a receipt for, byte for byte: its database went back to before that.

        Errors: Malformed where it does not follow, or is not HQ's word; NotAsSigned; Retriable and Fatal as of `say`.
        """
        lane = await self.lane.read()
        lane.taken([stretch], self._identity.hq_keys(), hq_readers(self._released))
        claimed = (await self._store.claim([HQ], "headquarters"))[HQ]
        receipt = Receipt.from_text(Note.from_bytes(stretch.receipt).text)
        offset, arrived_ms = claimed.intake.offset or 0, int(receipt.recorded_at.timestamp() * 1000)
        records = []
        for number, data in enumerate(stretch.events):
            headers, value = split_canonical(data)
            signed = [(SEAL_HEADER, stretch.seal)] if number == len(stretch.events) - 1 else []
            key = dict(headers).get("ce_subject")
            records.append(PlainRecord(key, value, [*headers, *signed], offset + number, arrived_ms))
        await self._driver.consolidate(
            Reading.of(claimed.intake),
            claimed.term,
            records,
            self.basis_of(lane),
            Instant(receipt.recorded_at, time.monotonic()),
            honour=lambda step: honoured(step, Owed(HQ, receipt, stretch.receipt)),
        )

    async def say(
        self, events: Sequence[HqEvent], now: datetime | None = None, expected_basis: int | None = None
    ) -> Step:
        """Append `events` to the hq lane: all of them, or none. What is said in one call has one correlation.

        Who says a whole record anew gives as `expected_basis` the size of the hq lane that the record was read at.
        Errors: Rejected when a rule forbids one of them; Retriable when the hq lane is not at `expected_basis` any
            more, or moves meanwhile. Nothing is written then. A store that fails after its commit is no error: the lane
            is asked whether it has these events. Fatal where it does not answer, so that nobody says them twice.
        """
        moment = now or datetime.now(UTC)
        claimed = (await self._store.claim([HQ], "headquarters"))[HQ]
        if claimed.is_damaged:
            raise Fatal(
                f"what the database has of hq can't be read: {Cause.stored(claimed.intake.why).text}. `hub audit "
                "verify` says more; put the newest copy back, and start again"
            )
        # Read after the claim: whoever moves the lane from here on claims it first, and that fences our commit.
        standing = await self.basis()
        if expected_basis is not None and standing.size != expected_basis:
            raise Retriable(
                f"the hq lane has moved, try again: it was read at size {expected_basis}, and is at {standing.size}"
            )
        if standing.registry.clock is not None:  # nothing goes back before it, whatever this clock lags behind that one
            moment = max(moment, standing.registry.clock.since)
        lane = claimed.intake.lane
        wanted = list(events)
        if lane is None:
            epoch = secrets.token_hex(4)
            lane = Lane(origin_of(self._identity.hub, HQ, epoch), HQ, epoch)
            opening = {
                "origin": lane.origin,
                "previous_origin": None,
                "previous_size": 0,
                "previous_root": None,
                "reason": "first start",
            }
            wanted.insert(0, HqEvent(LANE_OPENED, epoch, opening))
        records, edge = self._records(lane, wanted, moment, claimed.intake.offset or 0)
        at = Instant(moment, time.monotonic())
        allowed: list[Step] = []

        def allow(step: Step) -> None:
            _allow_if_all_are_accepted(step)
            allowed.append(step)

        try:
            return await self._driver.consolidate(
                Reading.of(claimed.intake), claimed.term, records, standing, at, allow
            )
        except Retriable:
            if not allowed or not await self._stands(lane.origin, edge):
                raise
            return allowed[0]

    async def _stands(self, origin: str, edge: Edge) -> bool:
        """Return whether the lane has our events: their ids are in the tree's leaves, so no others give this edge."""
        try:
            return await self._store.edge_at(origin, edge.size) == edge
        except Retriable as exc:
            raise Fatal(
                f"it is not known whether the hq lane has what was said, for its store does not answer ({exc}): look "
                "(`hub status`, `hub show`) before you say it again"
            ) from exc

    def _records(
        self, lane: Lane, events: Sequence[HqEvent], moment: datetime, offset: int
    ) -> tuple[list[PlainRecord], Edge]:
        """Return the records that say these events, and the lane's edge behind them."""
        edge: Edge = lane.edge
        records: list[PlainRecord] = []
        ids = [uuid7(moment, secrets.token_bytes(10)) for _ in events]
        told = [event_id for event, event_id in zip(events, ids, strict=True) if event.type != LANE_OPENED]
        correlation = told[0] if len(told) > 1 else None
        for event, event_id in zip(events, ids, strict=True):
            kind = KINDS[event.type]
            schema = self._released[kind.schema_path]
            subject = f"{HQ}:{event.key}"
            headers: list[tuple[str, bytes | None]] = [
                *write_headers(
                    center=HQ,
                    epoch=lane.epoch,
                    sequence=edge.size + 1,
                    event_id=event_id,
                    event_type=event.type,
                    subject=subject,
                    time=moment,
                    dataschema=DATASCHEMA + schema.sha256,
                    correlation_id=correlation if event.type != LANE_OPENED else None,
                )
            ]
            value = frame(schema.id, Codec(schema).encode(event.value))
            edge = edge.append([leaf_hash(canonical(headers, value))])
            at = offset + len(records)
            records.append(PlainRecord(subject.encode(), value, headers, at, int(moment.timestamp() * 1000)))
        last = records[-1]
        sealed = (SEAL_HEADER, seal(lane.origin, edge, self._identity.hq))
        records[-1] = replace(last, listed=[*last.headers, sealed])
        return records, edge


class _Sealed:
    """HQ's entities as the store has them, compared with what the sealed lane makes of them. Implements Entities."""

    def __init__(self, store: Store, lane: OwnLane) -> None:
        self._store = store
        self._lane = lane

    async def entities(self, keys: Collection[EntityKey]) -> Mapping[EntityKey, KnownEntity]:
        """See Entities. Errors: Fatal where a row is another than the lane makes it: what HQ says would build on it."""
        found, sealed = await self._store.entities(keys), (await self._lane.read()).entities
        for key in keys:
            own, row = sealed.get(key), found.get(key)
            if key[0] != "lane" and (None if own is None else own.to_json()) != (None if row is None else row.document):
                raise Fatal(
                    f"the database has another {key[0]} {key[1]} than the sealed hq lane makes, and HQ says nothing of "
                    "it before that is mended: `hub audit verify` names the rows; put the database back as last copied"
                )
        return found


def _allow_if_all_are_accepted(step: Step) -> None:
    """Forbid a step of the hq lane with an event that HQ rejects: HQ says all of it, or none. Errors: Rejected."""
    for commit in step.commits:
        for row in commit.rows:
            if row.code != Code.ACCEPTED:
                raise Rejected(Code(row.code), f"{row.subject} {row.field}".strip(), row.params)
    assert step.commits, step.reading.intake.why


def adoption(number: int, reason: str | None) -> HqEvent:
    """Return the event by which HQ adopts the rules of that number."""
    return HqEvent(RULES_ADOPTED, "rules", {"number": number, "reason": reason})


def announcements(released: Mapping[str, Schema], announced: set[int]) -> list[HqEvent]:
    """Return the events that announce those released schemas of centers' events that HQ has not announced yet."""
    found = []
    for kind in KINDS.values():
        schema = released.get(kind.schema_path)
        if schema is None or schema.id in announced or STREAMS[kind.stream].writer == HQ:
            continue
        value = {
            "schema_id": schema.id,
            "sha256": schema.sha256,
            "stream": kind.stream,
            "event": kind.name,
            "version": kind.version,
            "definition": schema.text,
        }
        found.append(HqEvent("net.cohub.schema.announced.v1", str(schema.id), value))
    return found
