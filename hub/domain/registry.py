"""What HQ's own lane says at one size: centers, keys, schemas, code lists, rules: the basis of a verdict."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from hub.domain.catalogue import STREAMS
from hub.domain.clock import Correction
from hub.domain.entity import Entity
from hub.domain.stream import HQ, EventKind, Stream
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.moment import read_time
from hub.protocol.rules import FIRST
from hub.protocol.verdict import Code

NO_REASONS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a center. `name`, `id`, `algorithm`, `public`: as `hub.protocol.keys.Verifier` has them."""

    center: str
    vkey: str
    name: str
    id: bytes
    algorithm: int
    public: bytes
    purpose: str
    status: str


@dataclass(frozen=True, slots=True)
class Center:
    """One center: its status (active, suspended, closed), what it may report, its keys, revoked ones too.

    `status_reason` is what the person gave who suspended or closed it, '' where nobody did.
    """

    id: str
    status: str
    name: str
    country: str
    direction: str
    zone: str | None
    languages: tuple[str, ...]
    timezone: str
    streams: frozenset[str]
    keys: tuple[Key, ...]
    status_reason: str = ""


@dataclass(frozen=True, slots=True)
class SchemaInfo:
    """One schema that HQ has announced, with its exact text."""

    id: int
    sha256: str
    stream: str
    event: str
    version: int
    definition: str


@dataclass(frozen=True, slots=True)
class Registry:
    """What the `hq` lane says at the size `basis`.

    Shapes: `keys` goes by `<name>+<id in hex>`, as a vkey begins; `rules` is the number of the rules in force, which
            may be one that this release does not have (`hub.protocol.rules.rules` tells).
    """

    basis: int = 0
    centers: Mapping[str, Center] = field(default_factory=dict)
    keys: Mapping[str, Key] = field(default_factory=dict)
    schemas: Mapping[int, SchemaInfo] = field(default_factory=dict)
    code_lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rules: int = FIRST.number
    clock: Correction | None = None

    def key(self, name: str, key_id: bytes) -> Key | None:
        """Return the key of that name and id, whosever it is, revoked or not."""
        return self.keys.get(f"{name}+{key_id.hex()}")


def registry(
    basis: int, entities: Iterable[Entity], corrected_at: int = 0, reasons: Mapping[str, str] = NO_REASONS
) -> Registry:
    """Return the registry that HQ's entities make up; entities of other centers and streams are passed over.

    `corrected_at` is the size that the hq lane had with its last word of HQ's clock: without it none takes effect.
    `reasons` has by center why its status was changed last, which no verdict depends on.
    """
    own = [entity for entity in entities if entity.center == HQ]
    centers = {center.id: center for center in (_center(e, reasons) for e in own if e.stream == "center")}
    keys: dict[str, Key] = {}
    for _, center in sorted(centers.items()):
        for key in center.keys:
            # Names differ by center, so two centers never share one; if they did, the first would keep it.
            keys.setdefault(f"{key.name}+{key.id.hex()}", key)
    schemas = {info.id: info for info in (_schema(e.record) for e in own if e.stream == "schema")}
    code_lists = {
        e.record["name"]: frozenset(term["code"] for term in e.record["codes"]) for e in own if e.stream == "code_list"
    }
    clock = next((correction_of(e, corrected_at) for e in own if e.stream == "clock"), None)
    adopted = [e.record["number"] for e in own if e.stream == "rules"]
    rules = max(adopted, default=FIRST.number)
    return Registry(basis, centers, keys, schemas, code_lists, rules, clock)


def correction_of(entity: Entity, basis: int = 0) -> Correction | None:
    """Return what HQ said of its clock, out of the entity that says it, in the hq lane of that size.

    None where that is no time: who reads the lane takes what HQ signed, and not what HQ's own rules let by.
    """
    try:
        since, until = read_time(entity.record["since"]), read_time(entity.record["ahead_until"])
    except Malformed:
        return None
    return Correction(since, until, entity.record["reason"], entity.version, basis)


def check_network(kind: EventKind, center: str, value: Mapping[str, Any], registry: Registry) -> None:
    """Return nothing if the network's rules at this basis allow the event.

    Shapes: value has passed `rules.check`.
    Errors: Rejected(STREAM_NOT_ALLOWED | UNKNOWN_CENTER | CODE_NOT_LISTED | INCONSISTENT).
    """
    stream = STREAMS[kind.stream]
    _check_writer(stream, center, registry)
    if not kind.carries_record:
        return
    for name in stream.network_fields:
        if value[name] is not None:
            _check_center(stream, name, value[name], center, registry)
    for name in stream.references:
        if value[name] is not None:
            _check_center(stream, name, value[name].partition(":")[0], center, registry)
    for name, list_name in stream.code_list_fields.items():
        listed = registry.code_lists.get(list_name)
        given = value[name]
        if listed is None or not given:
            continue
        for number, code in enumerate(given):
            if code not in listed:
                raise Rejected(Code.CODE_NOT_LISTED, f"{name}.{number}", f"list={list_name} value={code}")


def _check_writer(stream: Stream, center: str, registry: Registry) -> None:
    if stream.name == "lane":
        return  # the protocol's own: whoever has a lane opens it
    if center == HQ:
        allowed = stream.writer == HQ
    else:
        known = registry.centers.get(center)
        allowed = stream.writer == "center" and known is not None and stream.name in known.streams
    if not allowed:
        raise Rejected(Code.STREAM_NOT_ALLOWED, "", f"stream={stream.name}")


def _check_center(stream: Stream, name: str, named: str, center: str, registry: Registry) -> None:
    if name in stream.foreign_fields and named == center:
        raise Rejected(Code.INCONSISTENT, name, f"expected another center than {center}")
    if named != center and named not in registry.centers:
        raise Rejected(Code.UNKNOWN_CENTER, name, f"value={named}")


def _center(entity: Entity, reasons: Mapping[str, str]) -> Center:
    record = entity.record
    center_id = entity.id.partition(":")[2]
    return Center(
        id=center_id,
        status=entity.status,
        name=record["name"],
        country=record["country"],
        direction=record["direction"],
        zone=record["zone"],
        languages=tuple(record["languages"]),
        timezone=record["timezone"],
        streams=frozenset(record["streams"]),
        keys=tuple(key for each in record["keys"] if (key := _key(center_id, each)) is not None),
        status_reason="" if entity.status == "active" else reasons.get(center_id, ""),
    )


def _key(center: str, record: Mapping[str, Any]) -> Key | None:
    """Return one key of a center, None where it is none; see `correction_of`."""
    try:
        name, key_id, encoded = record["vkey"].split("+", 2)
        number, (algorithm, *public) = bytes.fromhex(key_id), base64.b64decode(encoded)
    except ValueError:
        return None
    return Key(
        center=center,
        vkey=record["vkey"],
        name=name,
        id=number,
        algorithm=algorithm,
        public=bytes(public),
        purpose=record["purpose"],
        status=record["status"],
    )


def _schema(record: Mapping[str, Any]) -> SchemaInfo:
    return SchemaInfo(
        id=record["schema_id"],
        sha256=record["sha256"],
        stream=record["stream"],
        event=record["event"],
        version=record["version"],
        definition=record["definition"],
    )
