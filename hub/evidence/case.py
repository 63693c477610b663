"""A bundle taken apart: what its files hold, by lane, receipt and event. Reading believes and proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.domain.catalogue import KINDS
from hub.domain.clock import Correction
from hub.domain.registry import Registry
from hub.domain.stream import HQ
from hub.evidence import layout
from hub.evidence.checkers import Checkers
from hub.evidence.report import Check, Report
from hub.evidence.subject import EntityKey, Subject
from hub.ledger.basis import Basis
from hub.ledger.step import KnownEntity
from hub.protocol.avro import PREFIX_SIZE, Codec
from hub.protocol.checkpoint import Checkpoint
from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier
from hub.protocol.note import Note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import position, split_canonical
from hub.protocol.schema import DATASCHEMA, Schema
from hub.protocol.tree import leaf_hash
from hub.protocol.trust import Trust


@dataclass(slots=True)
class BundledEvent:
    """One event that a bundle holds. What follows `key` is filled in by the checks."""

    sequence: int
    path: str
    data: bytes
    key: bytes | None
    proof: bytes | None
    headers: list[tuple[str, bytes | None]]
    value: bytes
    leaf: bytes
    decision: Decision | None = None  # what HQ signed of it, None for plainly accepted
    is_judged: bool = False
    before: KnownEntity | None = None  # the entity before it and after it, where it was judged
    after: KnownEntity | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether HQ accepted it."""
        return self.decision is None

    def text(self, name: str) -> str:
        """Return a header as text, '' where it is not there."""
        content = next((c for n, c in self.headers if n == name), None)
        return (content or b"").decode("utf-8", "replace")

    @property
    def entity(self) -> EntityKey:
        """The entity that it speaks of; the stream is '' where the catalogue does not have its type."""
        kind = KINDS.get(self.text("ce_type"))
        return (kind.stream if kind else "", self.text("ce_subject"))


@dataclass(slots=True)
class Span:
    """What one receipt covers, and the events of it that the bundle holds."""

    lane: LaneOf
    folder: str
    first: int
    last: int
    receipt_note: bytes | None = None
    seal_note: bytes | None = None
    proof: bytes | None = None
    events: dict[int, BundledEvent] = field(default_factory=dict)
    receipt: Receipt | None = None
    seal: Note | None = None
    sealed_by: Verifier | None = None
    is_logged: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every event that the receipt covers is here."""
        return len(self.events) == self.last - self.first + 1

    @property
    def recorded_at(self) -> datetime | None:
        """When HQ says that it recorded them."""
        return self.receipt.recorded_at if self.receipt else None


@dataclass(slots=True)
class LaneOf:
    """A lane, as far as the bundle holds it: its place among HQ's lanes, and the spans in their order."""

    number: int
    center: str
    epoch: str
    spans: list[Span] = field(default_factory=list)

    def origin(self, hub: str) -> str:
        """Return its origin."""
        return f"{hub}/{self.center}/{self.epoch}"

    def held(self) -> Iterator[tuple[Span, BundledEvent]]:
        """Yield its events in order."""
        for span in self.spans:
            for sequence in sorted(span.events):
                yield span, span.events[sequence]


@dataclass(slots=True)
class LogOf:
    """HQ's log as the bundle has it: the checkpoint, its note, and every note that carries lines of witnesses."""

    checkpoint: Checkpoint | None = None
    note: Note | None = None
    cosigned: dict[str, datetime] = field(default_factory=dict)  # active centers that have seen it, and when
    others: dict[str, datetime] = field(default_factory=dict)  # outside witnesses, by key name
    signed_at: datetime | None = None
    active: tuple[str, ...] = ()

    @property
    def is_believed(self) -> bool:
        """Whether more than half of the active centers have cosigned."""
        return 2 * len(self.cosigned) > len(self.active)


@dataclass
class Case:
    """A bundle taken apart, and what the checks made of it."""

    files: Mapping[str, bytes]
    subject: Subject
    report: Report
    trust: Trust | None = None
    pinned: Trust | None = None  # the trust note that the checker has, where he has one
    checkers: Checkers | None = None  # whose SHA-256 is known, where that is not this release's own list
    lanes: list[LaneOf] = field(default_factory=list)
    schemas: dict[str, Schema] = field(default_factory=dict)  # by path below schemas/
    bases: dict[int, Basis] = field(default_factory=dict)  # those that receipts name
    registry: Registry = field(default_factory=Registry)  # at the end of the hq lane
    corrections: list[tuple[int, Correction]] = field(default_factory=list)  # of HQ's clock, at these sizes of its lane
    hq_entities: dict[EntityKey, KnownEntity] = field(default_factory=dict)
    states_before: dict[EntityKey, KnownEntity] = field(default_factory=dict)
    states: dict[EntityKey, KnownEntity] = field(default_factory=dict)
    log: LogOf | None = None
    is_newer: bool = False  # HQ's own lane says what only a later release can judge
    _codecs: dict[str, Codec | None] = field(default_factory=dict, repr=False)

    @property
    def hub(self) -> str:
        """The hub's name, '' while its keys are not known."""
        return self.trust.hub if self.trust else ""

    @property
    def keys(self) -> Trust | None:
        """The keys to verify with: the newer of the bundle's trust note and of the one that the checker pinned."""
        if self.trust is not None and self.pinned is not None and self.pinned.serial > self.trust.serial:
            return self.pinned
        return self.trust

    @property
    def hq_lane(self) -> LaneOf | None:
        """HQ's own lane."""
        return next((lane for lane in self.lanes if lane.center == HQ), None)

    def origin(self, lane: LaneOf) -> str:
        """Return a lane's origin."""
        return lane.origin(self.hub)

    def decode(self, held: BundledEvent) -> dict[str, Any]:
        """Return what an event says, by the bundle's own schemas. Errors: Malformed."""
        name = held.text("ce_dataschema")
        if name not in self._codecs:
            schema = next((s for s in self.schemas.values() if DATASCHEMA + s.sha256 == name), None)
            self._codecs[name] = None if schema is None else Codec(schema)
        codec = self._codecs[name]
        if codec is None:
            raise Malformed("its schema is not in the bundle")
        return codec.decode(held.value, PREFIX_SIZE)

    def spans(self) -> Iterator[tuple[LaneOf, Span]]:
        """Yield every receipt's span with its lane, in order."""
        for lane in self.lanes:
            for span in lane.spans:
                yield lane, span

    def story(self) -> Iterator[tuple[LaneOf, Span, BundledEvent]]:
        """Yield the events that the bundle is about, lane by lane: of the hq lane, only those of the subject."""
        for lane in self.lanes:
            for span, held in lane.held():
                if lane.center != HQ or held.entity == self.subject.root:
                    yield lane, span, held


def take_apart(files: Mapping[str, bytes], subject: Subject, report: Report) -> Case:
    """Return what the files of a bundle hold; paths that fit nowhere are findings."""
    case = Case(files, subject, report)
    lanes: dict[tuple[str, str, str], LaneOf] = {}
    spans: dict[str, Span] = {}
    held: dict[tuple[str, int], dict[str, bytes]] = {}
    for path in sorted(files):
        matched = layout.LANE.fullmatch(path)
        if matched is None:
            if not layout.is_known(path):
                report.error(Check.FILES, "not a file that a bundle has", path)
            continue
        number, center, epoch = matched["number"], matched["center"], matched["epoch"]
        first, last = int(matched["first"]), int(matched["last"])
        if not 1 <= first <= last:
            report.error(Check.FILES, "a receipt covers from 1 on, its last not before its first", path)
            continue
        lane = lanes.setdefault((number, center, epoch), LaneOf(int(number), center, epoch))
        folder = layout.range_folder(lane.number, center, epoch, first, last)
        span = spans.get(folder)
        if span is None:
            span = spans[folder] = Span(lane, folder, first, last)
            lane.spans.append(span)
        if matched["sequence"] is None:
            _keep_part(span, matched["part"], files[path])
        elif not first <= int(matched["sequence"]) <= last:
            report.error(Check.FILES, "the event is not in the range of its folder", path)
        else:
            held.setdefault((folder, int(matched["sequence"])), {})[matched["kind"]] = files[path]
    for (folder, sequence), parts in held.items():
        _keep_event(case, spans[folder], sequence, parts)
    case.lanes = sorted(lanes.values(), key=lambda lane: lane.number)
    numbers = [lane.number for lane in case.lanes]
    names = [(lane.center, lane.epoch) for lane in case.lanes]
    if len(set(numbers)) != len(numbers) or len(set(names)) != len(names):
        report.error(Check.FILES, "two lanes have one number, or one lane has two")
    for lane in case.lanes:
        lane.spans.sort(key=lambda span: (span.first, span.last))
    return case


def _keep_part(span: Span, part: str, data: bytes) -> None:
    if part == "receipt.note":
        span.receipt_note = data
    elif part == "seal.note":
        span.seal_note = data
    else:
        span.proof = data


def _keep_event(case: Case, span: Span, sequence: int, parts: Mapping[str, bytes]) -> None:
    path = layout.event_path(span.folder, sequence)
    data = parts.get("event")
    if data is None:
        case.report.error(Check.FILES, "a proof or a key without its event", path)
        return
    try:
        headers, value = split_canonical(data)
        place = position(dict(headers))
    except Malformed as exc:
        case.report.error(Check.INCLUSION, exc, path, "", sequence)
        return
    if place != (span.lane.epoch, sequence):
        case.report.error(Check.INCLUSION, f"the event says that its place is {place}", path, "", sequence)
    span.events[sequence] = BundledEvent(
        sequence, path, data, parts.get("key"), parts.get("tlog-proof"), headers, value, leaf_hash(data)
    )
