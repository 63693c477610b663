"""HQ's own lane, read as it was sealed: what it says is believed because HQ signed it, and for no other reason. Pure.

A database can be edited and a topic written to; the registry of centers, keys, schemas, code lists and rules is folded
from here at both ends (docs/adr/0029). HQ reads the lane's rows from its ledger, an office its records from Kafka, and
both take the same *stretches*: events with the seal over them and the receipt for them.

A seal is over the whole lane before it, so of several stretches that are taken at once the last one's signatures stand
for all; `hub.protocol.trust` says whose they may be. What HQ rejected of its own lane, which it never does, a receipt
would say; then that one is verified, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.registry import Registry, registry
from hub.domain.stream import HQ, EventKind
from hub.protocol.avro import PREFIX_SIZE, Codec, schema_id_of
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.record import LANE_OPENED, origin_of, position, split_canonical
from hub.protocol.schema import DATASCHEMA, Schema
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.trust import HqKeys, seal_of

NEWER_MAX: Final = 32  # names of what this release does not know; more are counted nowhere


@dataclass(frozen=True, slots=True)
class HqStretch:
    """What one receipt of the hq lane is for: the canonical bytes of its events, the seal over them, the receipt."""

    events: tuple[bytes, ...]
    seal: bytes
    receipt: bytes


@dataclass(frozen=True, slots=True)
class HqReader:
    """How an event of HQ's is read: its kind, its schema's id and codec."""

    kind: EventKind
    schema_id: int
    codec: Codec


HqReaders = Mapping[str, HqReader]  # by `ce_dataschema`


def hq_readers(released: Mapping[str, Schema]) -> dict[str, HqReader]:
    """Return how the events of the hq lane are read by these schemas, which go by their path."""
    return {
        DATASCHEMA + schema.sha256: HqReader(kind, schema.id, Codec(schema))
        for kind in KINDS.values()
        if (schema := released.get(kind.schema_path)) is not None
    }


CLOCK: Final = ("clock", "hq:clock")


@dataclass(frozen=True, slots=True)
class HqLane:
    """The hq lane up to the last seal that was taken. `HqLane()` is the lane of which nothing was read yet.

    Shapes: `entities` go by stream and id; `newer` names the types and schemas of events that this release does not
            know, which are passed over; `root` is the tree's; `corrected_at` is the size with HQ's last word of its
            clock; `reasons` has by center why its status was changed last.
    Units:  `recorded_at` is when HQ recorded the last stretch, in UTC.
    """

    origin: str = ""
    edge: Edge = field(default_factory=Edge)
    entities: Mapping[tuple[str, str], Entity] = field(default_factory=dict)
    recorded_at: datetime | None = None
    newer: tuple[str, ...] = ()
    corrected_at: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many events are sealed and taken."""
        return self.edge.size

    @property
    def root(self) -> bytes:
        """The root of the tree at this size."""
        return self.edge.root

    def registry(self) -> Registry:
        """Return what the lane says at this size."""
        return registry(self.size, self.entities.values(), self.corrected_at, self.reasons)

    def taken(self, stretches: Sequence[HqStretch], keys: HqKeys, readers: HqReaders) -> HqLane:
        """Return the lane after these stretches, which follow on it in order: all of them are taken, or none.

        Errors: Malformed where one does not follow, or the last one is not what HQ sealed and signed a receipt for.
        """
        if not stretches:
            return self
        origin, size = self.origin, self.size
        receipts = []
        for stretch in stretches:
            note = Note.from_bytes(stretch.receipt)
            receipt = Receipt.from_text(note.text)
            if not origin:
                origin = receipt.origin
                _check_origin(origin, keys.hub)
            after = size + len(stretch.events)
            if (receipt.origin, receipt.first, receipt.last) != (origin, size + 1, after):
                said = f"{receipt.origin[:80]} {receipt.first} to {receipt.last}"
                raise Malformed(f"a receipt for {origin} {size + 1} to {after} is expected, and this is for {said}")
            if receipt.decisions or stretch is stretches[-1]:
                keys.signed_receipt(note)
            receipts.append(receipt)
            size = after
        edge = self.edge.append(leaf_hash(data) for stretch in stretches for data in stretch.events)
        if edge.root != receipts[-1].root:
            raise Malformed(f"{origin}: the events do not have the root that HQ signed at size {size}")
        last = receipts[-1]
        _, sealed = seal_of(last, stretches[-1].seal)
        keys.sealer(sealed, origin, last.recorded_at)
        # Only now is anything of it read: what HQ has not signed costs a hash.
        entities, newer, corrected_at = dict(self.entities), dict.fromkeys(self.newer), self.corrected_at
        reasons, changed = dict(self.reasons), dict(self.changed)
        for stretch, receipt in zip(stretches, receipts, strict=True):
            clock = entities.get(CLOCK)
            rejected = {decision.sequence for decision in receipt.decisions}
            for sequence, data in enumerate(stretch.events, receipt.first):
                if sequence not in rejected:
                    event = _take_event(entities, newer, data, origin, sequence, readers)
                    if event is not None and event.changes_a_center:
                        center = event.subject.partition(":")[2]
                        reasons[center], changed[center] = str(event.value["reason"] or ""), receipt.recorded_at
            if entities.get(CLOCK) is not clock:
                corrected_at = receipt.last
        known = tuple(newer)[:NEWER_MAX]
        return replace(
            self, origin=origin, edge=edge, entities=entities, recorded_at=receipts[-1].recorded_at, newer=known,
            corrected_at=corrected_at, reasons=reasons, changed=changed,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """One event of HQ's, read."""

    kind: EventKind
    subject: str
    value: Mapping[str, Any]

    @property
    def changes_a_center(self) -> bool:
        """Whether it suspends, resumes or closes one."""
        return self.kind.stream == "center" and not self.kind.carries_record


def _check_origin(origin: str, hub: str) -> None:
    if origin != origin_of(hub, HQ, origin.rpartition("/")[2]):
        raise Malformed(f"{origin[:80]} is no lane of {hub}'s HQ")


def _take_event(
    entities: dict[tuple[str, str], Entity],
    newer: dict[str, None],
    data: bytes,
    origin: str,
    sequence: int,
    readers: HqReaders,
) -> _Said | None:
    """Fold one event into `entities`, or note in `newer` what this release does not know of it; return what it says.

    Errors: Malformed.
    """
    listed, value = split_canonical(data)
    headers = dict(listed)
    epoch = origin.rpartition("/")[2]
    if position(headers) != (epoch, sequence):
        raise Malformed(f"{origin}: the event at {sequence} says that it stands somewhere else")
    name = _text(headers, "ce_type")
    if sequence == 1 and name != LANE_OPENED:
        raise Malformed(f"{origin}: its first event is {name[:60]}, and not {LANE_OPENED}")
    kind, dataschema = KINDS.get(name), _text(headers, "ce_dataschema")
    reader = readers.get(dataschema)
    if kind is None or reader is None:
        newer[name[:80] if kind is None else dataschema[:80]] = None
        return None
    subject = _text(headers, "ce_subject")
    if reader.kind is not kind or schema_id_of(value) != reader.schema_id or not subject.startswith(f"{HQ}:"):
        raise Malformed(f"{origin}: the event at {sequence} is not of its schema, or not about what is HQ's")
    key = (kind.stream, subject)
    said: dict[str, Any] = reader.codec.decode(value, PREFIX_SIZE)
    try:
        entities[key] = fold(entities.get(key), kind, subject, HQ, said)
    except Rejected as exc:
        raise Malformed(f"{origin}: the event at {sequence} was accepted, and can't follow: {exc}") from exc
    return _Said(kind, subject, said)


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    return (headers.get(name) or b"").decode("utf-8", "replace")
