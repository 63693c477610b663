"""What HQ's registry says: our center, its keys, the schemas that HQ reads, the centers and codes that there are. Pure.

It is folded from HQ's own lane, as HQ sealed it (`connectors.runtime.lane_window`): nobody else can add to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, AlarmText
from hub.domain.catalogue import KINDS
from hub.domain.hq_lane import HqLane
from hub.domain.registry import Center, Key
from hub.domain.state import state_path
from hub.protocol.avro import Codec, unframe
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_MLDSA44, Verifier
from hub.protocol.schema import DATASCHEMA, parse_schema

LANES: Final = "state.lane"


@dataclass(frozen=True, slots=True)
class OurKey:
    """A key that HQ has registered for our center, for seals or for cosignatures."""

    purpose: str
    verifier: Verifier
    active: bool


@dataclass(frozen=True, slots=True)
class OurCenter:
    """Our center as HQ has it."""

    status: str
    keys: tuple[OurKey, ...]
    streams: frozenset[str] = frozenset()  # those that it may report
    status_reason: str = ""  # what the person gave who suspended or closed it

    def key(self, ours: Verifier) -> OurKey | None:
        """Return our key as HQ has it, None if it was never registered."""
        return next((key for key in self.keys if key.verifier.public == ours.public), None)

    def long_keys(self) -> list[Verifier]:
        """Return the ML-DSA-44 keys of which HQ wants one to seal beside the other."""
        sealing = (key for key in self.keys if key.active and key.purpose == "seal")
        return [key.verifier for key in sealing if key.verifier.algorithm == COSIGNATURE_MLDSA44]

    def foreign(self, known: AbstractSet[bytes]) -> list[Verifier]:
        """Return the active keys whose public half is not among `known`, those that this office has or had."""
        return [key.verifier for key in self.keys if key.active and key.verifier.public not in known]


class States:
    """Reads the records of lanes on `state.lane`: hints for people. Immutable; make it once and keep it.

    Shapes: `schema_of` returns the bytes of a released schema by its path.
    Errors: Malformed on construction, if the installation is damaged.
    """

    def __init__(self, schema_of: Callable[[str], bytes]) -> None:
        kinds = [kind for kind in KINDS.values() if kind.stream == "lane" and kind.carries_record]
        parsed = [parse_schema(schema_of(state_path(kind))) for kind in kinds]
        self._codecs = {schema.id: Codec(schema) for schema in parsed}

    def read(self, value: bytes) -> dict[str, Any]:
        """Return what such a record says. Errors: Malformed."""
        number, body = unframe(value)
        codec = self._codecs.get(number)
        if codec is None:
            raise Malformed(f"HQ writes its registry in the schema {number}, which this release does not have: update")
        return codec.decode(body)


class Registry:
    """HQ's registry as far as it was read, as one center sees it.

    Shapes: `complete` is for the reader to set, when it has read all that there was. `centers` are ids, HQ's own too;
            `code_lists` have the codes of each list of HQ's; `schemas` are those that it has announced, as
            `ce_dataschema` names them; `rules` is the number of the rules that HQ judges by.
            `lane` is what all of it follows from.
    """

    def __init__(self, center: str) -> None:
        self._id = center
        self.schemas: frozenset[str] = frozenset()
        self.complete = False
        self.lane = HqLane()
        self.center: OurCenter | None = None
        self.centers: frozenset[str] = frozenset()
        self.code_lists: Mapping[str, frozenset[str]] = {}
        self.rules = 1

    @property
    def size(self) -> int:
        """How large HQ's lane is as far as it was read: what a receipt calls its basis."""
        return self.lane.size

    @property
    def origin(self) -> str:
        """The origin of HQ's lane, '' while nothing of it was read."""
        return self.lane.origin

    @property
    def known(self) -> bool:
        """Whether this registry can tell that a schema was not announced.

        Every hub has such a lane: while nothing of it is here, HQ's topic was not read to its end, or is not there.
        """
        return self.complete and self.size > 0

    def announced(self, dataschema: str) -> bool:
        """Return whether an event with this `ce_dataschema` may be written; also where that is not known. Hot path."""
        return dataschema in self.schemas or not self.known

    def follow(self, lane: HqLane) -> None:
        """Say from now on what HQ's lane says."""
        found = lane.registry()
        self.lane = lane
        self.schemas = frozenset(DATASCHEMA + schema.sha256 for schema in found.schemas.values())
        self.centers = frozenset(found.centers)
        self.code_lists = found.code_lists
        self.rules = found.rules
        ours = found.centers.get(self._id)
        self.center = None if ours is None else _our_center(ours)

    def alarms(
        self,
        ours: Verifier,
        known: AbstractSet[bytes],
        long_key: Verifier | None = None,
        witness: Verifier | None = None,
    ) -> dict[AlarmName, Alarm | None]:
        """Return what a person must know, by the alarm's name; None: there is no reason for it (any more).

        Shapes: ours, long_key and witness are the keys in use; known holds the public halves of all keys that this
                office has or had.
        """
        center = self.center
        if not self.known or center is None:
            return {}  # a center that HQ has not added has no topics either: the link says so
        return {
            AlarmName.KEY: _key_alarm(center, ours),
            AlarmName.LONG_SEALS: _long_alarm(center, long_key),
            AlarmName.WITNESS_KEY: _witness_alarm(center, witness),
            AlarmName.FOREIGN_KEY: _foreign_alarm(center.foreign(known)),
            AlarmName.SUSPENDED: _status_alarm(center.status),
        }


def _our_center(found: Center) -> OurCenter:
    keys = tuple(key for key in map(_our_key, found.keys) if key is not None)
    return OurCenter(found.status, keys, found.streams, found.status_reason)


def _our_key(key: Key) -> OurKey | None:
    """Return one key of a center; None if it is of a kind that this release does not know."""
    try:
        return OurKey(key.purpose, Verifier.from_text(key.vkey), key.status == "active")
    except Malformed:
        return None


def _status_alarm(status: str) -> Alarm | None:
    return None if status == "active" else Alarm(AlarmText.NOT_ACTIVE, {"status": status})


def _key_alarm(center: OurCenter, ours: Verifier) -> Alarm | None:
    key = center.key(ours)
    if key is None:
        return Alarm(AlarmText.KEY_UNKNOWN, {"key": ours.to_text()})
    return None if key.active else Alarm(AlarmText.KEY_REVOKED, {"key": ours.to_text()})


def _long_alarm(center: OurCenter, ours: Verifier | None) -> Alarm | None:
    wanted = center.long_keys()
    if not wanted or (ours is not None and ours.public in {key.public for key in wanted}):
        return None
    return Alarm(AlarmText.LONG_SEALS, {"key": f"{wanted[-1].name}+{wanted[-1].key_id.hex()}"})


def _witness_alarm(center: OurCenter, ours: Verifier | None) -> Alarm | None:
    if ours is None:
        return None
    key = center.key(ours)
    if key is None:
        note = f"{ours.name.split('/')[1]}.witness.note"
        return Alarm(AlarmText.WITNESS_KEY_UNKNOWN, {"key": ours.to_text(), "note": note})
    return None if key.active else Alarm(AlarmText.WITNESS_KEY_REVOKED, {"key": ours.to_text()})


def _foreign_alarm(foreign: list[Verifier]) -> Alarm | None:
    if not foreign:
        return None
    return Alarm(AlarmText.FOREIGN_KEY, {"keys": ", ".join(key.to_text() for key in foreign)})
