"""The basis of a verdict: all that the hq lane says at one size, in the forms that deciding needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity
from hub.domain.registry import NO_REASONS, Center, Registry, registry
from hub.domain.stream import HQ
from hub.ledger.keyring import CenterKeys, Keyring
from hub.protocol.avro import Codec
from hub.protocol.cause import Cause, CauseCode
from hub.protocol.errors import Newer
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Verifier
from hub.protocol.receipt import one_line
from hub.protocol.rules import Rules, rules
from hub.protocol.schema import DATASCHEMA, Schema, parse_schema

# How long after an event of the hq lane something may still be recorded under the basis before it. A worker looks every
# second. Without a limit HQ could name an old basis for ever, and a key that was revoked would seal on.
BASIS_AGE_MAX: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Reader:
    """How to read one announced schema: its id, the event type it is for, and its codec."""

    schema_id: int
    type: str
    codec: Codec


@dataclass(frozen=True, slots=True)
class Basis:
    """The registry at one size of the hq lane. Readers go by `ce_dataschema`; `own` are those of the hq lane."""

    registry: Registry
    keyring: Keyring
    announced: Mapping[str, Reader]
    own: Mapping[str, Reader]

    @property
    def rules(self) -> Rules:
        """The rules in force at this size."""
        return self.keyring.rules

    @property
    def size(self) -> int:
        """The size of the hq lane that this basis was read at."""
        return self.registry.basis

    def reader(self, center: str, dataschema: str) -> Reader | None:
        """Return how `center`'s events of that schema are read, None when HQ has not announced it."""
        return (self.own if center == HQ else self.announced).get(dataschema)


def basis(
    size: int,
    entities: Iterable[Entity],
    hq_keys: Verifier | Iterable[Verifier],
    released: Mapping[str, Schema],
    retired: Iterable[Verifier] = (),
    corrected_at: int = 0,
    reasons: Mapping[str, str] = NO_REASONS,
) -> Basis:
    """Return the basis that HQ's entities make at `size`.

    `hq_keys` are those that may seal the hq lane at the time that is asked about (`HqKeys.hqs_at`), `retired` those
    that may not any more, and `released` the schemas of this software by path: nothing in the hq lane could vouch for
    the keys and the schemas that it is itself read with.
    `corrected_at` is the size that the hq lane had with its last word of HQ's clock, if it has one; `reasons` is why
    centers are suspended or closed.
    Errors: Newer, where rules are in force that this release does not have, or the hq lane has a stream that it lacks.
    """
    found = list(entities)
    for entity in found:
        if entity.center == HQ and entity.stream not in STREAMS:
            raise Newer(
                f"HQ's own lane has a stream {entity.stream}, which this release does not know: take a newer one"
            )
    known = registry(size, found, corrected_at, reasons)
    in_force = rules(known.rules)
    centers = {
        center.id: CenterKeys(
            center.status == "active",
            _keys(center, "seal", ED25519),
            _keys(center, "seal", COSIGNATURE_MLDSA44),
            _keys(center, "witness", COSIGNATURE_ED25519),
            _stopped(center),
        )
        for center in known.centers.values()
        if center.id != HQ
    }
    own_keys = [hq_keys] if isinstance(hq_keys, Verifier) else hq_keys
    sealing = {key.public: True for key in own_keys}
    centers[HQ] = CenterKeys(True, {key.public: False for key in retired} | sealing)
    own = {
        DATASCHEMA + schema.sha256: Reader(schema.id, kind.type, _codec(schema.text))
        for kind in KINDS.values()
        if (schema := released.get(kind.schema_path)) is not None
    }
    announced = {
        DATASCHEMA + info.sha256: Reader(
            info.id, f"net.cohub.{info.stream}.{info.event}.v{info.version}", _codec(info.definition)
        )
        for info in known.schemas.values()
    }
    return Basis(known, Keyring(size, centers, in_force), announced, own)


def _stopped(center: Center) -> Cause | None:
    """Return why a center is not active, with the reason that a person gave."""
    if center.status == "active":
        return None
    code = CauseCode.CLOSED if center.status == "closed" else CauseCode.SUSPENDED
    return Cause.of(code, text=one_line(center.status_reason))


def _keys(center: Center, purpose: str, algorithm: int) -> dict[bytes, bool]:
    return {
        key.public: key.status == "active"
        for key in center.keys
        if key.purpose == purpose and key.algorithm == algorithm
    }


@lru_cache(maxsize=512)
def _codec(definition: str) -> Codec:
    return Codec(parse_schema(definition.encode()))
