"""Vectors of judging again: what receipts cover, in order, and the verdicts and entities that must follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.domain.stream import HQ
from hub.ledger.basis import BASIS_AGE_MAX, Basis, basis
from hub.ledger.decide import decide
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Stretch
from hub.ledger.step import EntityKey, KnownEntity
from hub.protocol.plain_record import PlainRecord
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import canonical, origin_of, write_headers
from hub.protocol.schema import DATASCHEMA
from hub.protocol.tree import leaf_hash
from schemas.vectors.keys import EPOCH, HUB, RECEIPTS, signer
from schemas.vectors.records import START, schema_of, value_of
from schemas.vectors.samples import sample_of

Row = dict[str, Any]
Said = tuple[str, str, Mapping[str, Any]]  # type without its prefix, the entity's key, what its sample has otherwise

PREFIX: Final = "net.cohub."
HQ_EPOCH: Final = "a939b661"
SECOND: Final = "1b2c3d4e"
DAY: Final = timedelta(days=1)
HQ_KEY: Final = signer(f"{HUB}/hq").verifier
CLOCK: Final = ("clock", f"{HQ}:clock")
RELEASED: Final = {kind.schema_path: schema_of(kind.schema_path) for kind in KINDS.values()}
ANNOUNCED: Final = ("lane.opened", "offer.published", "offer.revised", "offer.withdrawn", "deal.opened")
OPENED: Final = {"previous_origin": None, "previous_size": 0, "previous_root": None}
PLAIN: Final[Row] = {"technology_keywords": [], "partner": None, "description": "long text"}
SPACED: Final = PLAIN | {"title": " Pump"}


def _announcement(event: str) -> Said:
    schema = schema_of(KINDS[f"{PREFIX}{event}.v1"].schema_path)
    stream, name = event.split(".")
    said = {"schema_id": schema.id, "sha256": schema.sha256, "definition": schema.text, "stream": stream, "event": name}
    return ("schema.announced", str(schema.id), said)


STREAMS: Final = {"streams": ["offer", "deal"], "keys": []}
# What each receipt covers: the lane's center and epoch, when it is recorded, in days, and its events.
TOLD: Final[Mapping[str, tuple[str, str, float, Sequence[Said]]]] = {
    "hq_begins": (HQ, HQ_EPOCH, 0, [
        ("lane.opened", HQ_EPOCH, OPENED | {"origin": origin_of(HUB, HQ, HQ_EPOCH)}),
        *map(_announcement, ANNOUNCED),
        ("center.registered", "uz", STREAMS),
        ("center.registered", "qd", STREAMS | {"country": "CN"}),
    ]),
    # One batch: the reason, with a space at its end, is judged by the rules before it.
    "hq_adopts": (HQ, HQ_EPOCH, 2, [
        ("rules.adopted", "rules", {}),
        ("center.suspended", "qd", {"reason": "audit "}),
    ]),
    "hq_corrects": (HQ, HQ_EPOCH, 4, [
        ("clock.corrected", "clock",
         {"since": "2026-03-05T12:00:00.250000Z", "ahead_until": "2027-03-05T12:00:00.250000Z"}),
    ]),
    "first": ("uz", EPOCH, 1, [
        ("lane.opened", EPOCH, OPENED),
        ("offer.published", "K-1", SPACED),
        ("offer.withdrawn", "K-1", {}),
        ("offer.published", "K-2", PLAIN),
        ("deal.opened", "D-1", {"signed_on": None, "closed_on": None}),
        ("offer.revised", "K-3", PLAIN),
        ("partner.registered", "P-1", {}),
        ("offer.published", "K-2", PLAIN),
    ]),
    "second": ("uz", EPOCH, 3, [
        ("offer.published", "K-3", SPACED),
        ("offer.published", "K-2", PLAIN),
        ("offer.published", "K-1", PLAIN),
        ("offer.revised", "K-1", PLAIN | {"trl": 7}),
        ("offer.withdrawn", "K-2", {"reason": None, "effective_on": None}),
        ("offer.withdrawn", "K-2", {"reason": "sold", "effective_on": None}),
    ]),
    "next_lane": ("uz", SECOND, 3.5, [
        ("lane.opened", SECOND, OPENED | {"origin": origin_of(HUB, "uz", SECOND)}),
        ("offer.revised", "K-1", PLAIN | {"trl": 9}),
    ]),
}  # fmt: skip
WHOLE: Final = ("hq_begins", "first", "hq_adopts", "second", "next_lane")


@dataclass
class Told:
    """What HQ has of its lanes while a story is told. `parts` are the receipts with what each of them covers."""

    entities: dict[EntityKey, KnownEntity] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    bases: list[Basis] = field(default_factory=lambda: [basis(0, (), HQ_KEY, RELEASED)])
    parts: list[tuple[str, list[bytes]]] = field(default_factory=list)

    def take(self, name: str, *, at: datetime | None = None, basis_before: int = 0, **changed: Any) -> Told:
        """Tell of one receipt; `changed` is what HQ says in it otherwise than it should."""
        center, epoch, day, said = TOLD[name]
        origin = origin_of(HUB, center, epoch)
        lane = self.lanes.get(origin) or Lane(origin, center, epoch, recorded_at=START)
        events = [_event(lane.edge.size + n, center, epoch, *event) for n, event in enumerate(said, 1)]
        stretch = Stretch(lane, tuple(events), lane.edge.append(event.leaf for event in events))
        under = self.bases[-1 - basis_before]
        decided = decide([stretch], self.entities, under, at or START + DAY * day, RECEIPTS)
        commit = decided.commits[0]
        self.entities |= decided.entities
        self.lanes[origin] = commit.lane
        if center == HQ:
            size = commit.lane.edge.size
            known = [known.entity for known in self.entities.values()]
            corrected_at = size if CLOCK in decided.entities else 0
            self.bases.append(basis(size, known, HQ_KEY, RELEASED, corrected_at=corrected_at))
        self.parts.append((replace(commit.receipt, **changed).to_text(), [event.data for event in events]))
        return self


def _event(sequence: int, center: str, epoch: str, name: str, key: str, changes: Mapping[str, Any]) -> Pending:
    kind, subject = f"{PREFIX}{name}.v1", f"{center}:{key}"
    schema = schema_of(KINDS[kind].schema_path)
    headers = write_headers(
        center=center,
        epoch=epoch,
        sequence=sequence,
        event_id=f"019ca92a-4a7a-7c0e-8b1d-{epoch}{sequence:04x}",
        event_type=kind,
        subject=subject,
        time=START,
        dataschema=DATASCHEMA + schema.sha256,
    )
    record = PlainRecord(subject.encode(), value_of(schema, sample_of(kind, **changes)), list(headers))
    data = canonical(record.headers, record.value)
    return Pending(sequence, record, dict(record.headers), data, leaf_hash(data), b"")


def told(*names: str, **last: Any) -> Told:
    """Return a story of these receipts, `last` being what is otherwise about the last of them."""
    story = Told()
    for name in names[:-1]:
        story.take(name)
    return story.take(names[-1], **last)


def _ahead() -> Told:
    """Return a story in which HQ's clock was 96 days ahead when it took a lane's second receipt."""
    return told("hq_begins", "first", "hq_adopts", "second", at=START + DAY * 100)


def judged_vectors() -> Row:
    """Return what receipts cover, in order, with the entities that follow, and what no verifier believes."""
    two, four, late = WHOLE[:2], WHOLE[:4], START + DAY * 2 + BASIS_AGE_MAX
    back = START + DAY * 5
    good = {
        "whole": told(*WHOLE),
        "basis_left_ten_minutes_ago": told(*four, basis_before=1, at=late),
        "back_to_a_correction": _ahead().take("hq_corrects").take("next_lane", at=back),
    }
    lines = Receipt.from_text(told(*four).parts[-1][0]).decisions
    spaced, again, later = lines

    def other(**changes: Any) -> Told:
        return told(*four, decisions=(replace(spaced, params="", **changes), again, later))

    bad = {
        "rejected_event_accepted": told(*four, decisions=(again, later)),
        "accepted_event_rejected": told(*four, decisions=(spaced, again, Decision(11, "BAD_FIELD", "title"), later)),
        "what_was_said_already_accepted": told(*four, decisions=(spaced, later)),
        "another_code": other(code="TOO_LONG"),
        "another_field": other(field="summary"),
        "event_of_hq_rejected": told("hq_begins", decisions=(Decision(8, "BAD_FIELD", "name"),)),
        "basis_left_longer_ago": told(*four, basis_before=1, at=late + timedelta(microseconds=1)),
        "basis_inside_a_batch": told(*two, basis=7),
        "basis_beyond_the_hq_lane": told(*two, basis=9),
        "batch_of_hq_under_what_it_says_itself": told("hq_begins", "hq_adopts", basis=10),
        "batch_of_hq_under_an_older_basis": told("hq_begins", "hq_adopts", basis=0),
        "back_in_a_lane": told(*four, recorded_at=START + DAY - timedelta(microseconds=1)),
        "back_without_a_correction": _ahead().take("next_lane", at=back),
        "range_covered_twice": told(*four, first=8),
    }
    pool = Pool()
    return {
        "about": "What receipts cover, in the order in which HQ recorded it; signatures, roots and HQ's log are looked"
        " at elsewhere. receipts: by name a receipt's text, and the names of its events, all that it covers; events:"
        " canonical bytes, the Kafka keys being the subjects. A row names its receipts, and what follows: entities,"
        " each in its one form, but for HQ's schemas. Schemas are the package's. In a bad row the last receipt says"
        " what does not follow from what stands before it.",
        "hub": HUB,
        "good": [
            {"name": name, "receipts": pool.named(name, said), "entities": said_of(said)} for name, said in good.items()
        ],
        "bad": [{"name": name, "receipts": pool.named(name, said)} for name, said in bad.items()],
        "receipts": pool.receipts,
        "events": pool.events,
    }


def said_of(story: Told) -> list[str]:
    """Return the entities that follow from a story."""
    return sorted(known.document.decode() for (stream, _), known in story.entities.items() if stream != "schema")


@dataclass
class Pool:
    """The receipts and events that rows name, each once."""

    receipts: dict[str, Row] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)

    def named(self, row: str, story: Told) -> list[str]:
        """Return the names of a story's receipts; those that no row before has are named after this one."""
        names: list[str] = []
        for text, events in story.parts:
            origin, first = text.split("\n")[1], Receipt.from_text(text).last - len(events) + 1
            _, center, epoch = origin.split("/")
            places = [f"{center}/{epoch}/{first + n}" for n in range(len(events))]
            self.events |= {place: data.hex() for place, data in zip(places, events, strict=True)}
            found = next((name for name, known in self.receipts.items() if known["text"] == text), None)
            name = found or f"{row}/{len(names) + 1}"
            self.receipts[name] = {"text": text, "events": places}
            names.append(name)
        return names
