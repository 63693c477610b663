"""A center that writes real lanes: real keys, seals and Avro. It is as careful, or as broken, as a test wants."""

from __future__ import annotations

import itertools
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from hub.domain.catalogue import KINDS
from hub.protocol.avro import Codec, frame
from hub.protocol.checkpoint import seal
from hub.protocol.control import enrolment, key_text, seal_key_name
from hub.protocol.identifier import uuid7
from hub.protocol.note import Signer
from hub.protocol.record import LANE_OPENED, SEAL_HEADER, canonical, origin_of, write_headers
from hub.protocol.tree import Edge, leaf_hash
from hub.store.released import released_schemas

HUB = "hub.example"
RELEASED = released_schemas()
CODECS = {path: Codec(schema) for path, schema in RELEASED.items()}
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """A record as Kafka would hand it over."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    offset: int = 0
    timestamp: int = int(NOW.timestamp() * 1000)
    timestamp_type: int | None = None

    def header(self, name: str, value: bytes | None) -> Sent:
        """Return the record with one header replaced."""
        return replace(self, headers=tuple((n, value if n == name else v) for n, v in self.headers))

    def without(self, name: str) -> Sent:
        return replace(self, headers=tuple(h for h in self.headers if h[0] != name))

    def plus(self, name: str, value: bytes | None) -> Sent:
        return replace(self, headers=(*self.headers, (name, value)))


def filled(event_type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return `fields` with the defaults of the event's schema for the rest."""
    parsed = RELEASED[KINDS[event_type].schema_path].parsed
    return {f["name"]: f.get("default") for f in parsed["fields"]} | dict(fields)


def offer(title: str = "Membrane printer", **fields: Any) -> dict[str, Any]:
    """Return an offer that keeps all rules."""
    given = {"title": title, "language": "en", "export_control": "free", "trl": 6}
    return filled("net.cohub.offer.published.v1", given | fields)


@dataclass
class Center:
    """One center and the lane it writes."""

    id: str = "uz"
    epoch: str = "0000abcd"
    hub: str = HUB
    seed: bytes = b""
    edge: Edge = field(default_factory=Edge)
    offsets: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.signer = Signer(seal_key_name(self.hub, self.id), self.seed or sha256(self.id.encode()).digest())
        self._numbers = itertools.count(1)

    @property
    def origin(self) -> str:
        return origin_of(self.hub, self.id, self.epoch)

    @property
    def enrolment(self) -> bytes:
        return enrolment(self.hub, self.id, "seal", self.signer)

    @property
    def proof(self) -> str:
        """The key's own signature, as a center's record has it."""
        text = key_text(self.hub, self.id, "seal", self.signer.verifier)
        return b64encode(self.signer.sign(text.encode())).decode()

    def value(self, event_type: str, fields: Mapping[str, Any]) -> bytes:
        schema = RELEASED[KINDS[event_type].schema_path]
        return frame(schema.id, CODECS[KINDS[event_type].schema_path].encode(filled(event_type, fields)))

    def event(self, event_type: str, key: str, fields: Mapping[str, Any], **changes: Any) -> Sent:
        """Return the lane's next record, not yet sealed: `append` and `seal` make it part of the lane."""
        schema = RELEASED[KINDS[event_type].schema_path]
        attributes: dict[str, Any] = {
            "center": self.id,
            "epoch": self.epoch,
            "sequence": self.edge.size + 1,
            "event_id": uuid7(NOW, sha256(f"{self.epoch}/{next(self._numbers)}".encode()).digest()[:10]),
            "event_type": event_type,
            "subject": f"{self.id}:{key}",
            "time": NOW,
            "dataschema": f"urn:sha256:{schema.sha256}",
        }
        headers = write_headers(**(attributes | changes))
        return Sent(f"{self.id}:{key}".encode(), self.value(event_type, fields), tuple(headers))

    def append(self, record: Sent) -> Sent:
        """Make `record` the lane's next leaf."""
        self.edge = self.edge.append([leaf_hash(canonical(record.headers, record.value))])
        return replace(record, offset=next(self.offsets))

    def sealed(self, record: Sent, signer: Signer | None = None) -> Sent:
        """Return `record`, the last appended, with the seal over the whole lane."""
        return record.plus(SEAL_HEADER, seal(self.origin, self.edge, signer or self.signer))

    def opening(self, **fields: Any) -> Sent:
        value: dict[str, Any] = {
            "origin": self.origin,
            "previous_origin": None,
            "previous_size": 0,
            "previous_root": None,
            "reason": None,
        }
        return self.append(self.event(LANE_OPENED, self.epoch, value | fields))

    def offers(self, count: int, first: int = 1, **fields: Any) -> list[Sent]:
        """Return `count` published offers, appended, the last one sealed."""
        records = [
            self.append(self.event("net.cohub.offer.published.v1", f"K-{n}", offer(**{"title": f"Offer {n}"} | fields)))
            for n in range(first, first + count)
        ]
        return [*records[:-1], self.sealed(records[-1])]

    def opened(self, count: int = 0) -> list[Sent]:
        """Return the lane's opening and `count` offers, sealed."""
        first = self.opening()
        return [first, *self.offers(count)] if count else [self.sealed(first)]

    def next_epoch(self, epoch: str, previous_size: int | None = None) -> Center:
        """Return this center with a new outbox."""
        return Center(self.id, epoch, self.hub, self.seed, Edge(), self.offsets)
