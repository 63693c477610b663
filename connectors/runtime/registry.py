"""What HQ's registry says of us: our center, its keys, and the schemas that HQ reads. Pure.

The records are those of `state.center` and `state.schema`; whoever reads them hands them over in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import CENTER, Alarm, AlarmText
from hub.domain.catalogue import KINDS
from hub.domain.state import partition_of, state_path
from hub.domain.stream import HQ
from hub.protocol.avro import Codec, unframe
from hub.protocol.errors import Malformed
from hub.protocol.keys import COSIGNATURE_MLDSA44, Verifier
from hub.protocol.schema import DATASCHEMA, parse_schema

CENTERS: Final = f"state.{CENTER}"
SCHEMAS: Final = "state.schema"
LANES: Final = "state.lane"
HQ_PARTITION: Final = partition_of(HQ)


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
    version: int
    keys: tuple[OurKey, ...]
    streams: frozenset[str] = frozenset()  # those that it may report

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
    """Reads the records of centers and lanes on their `state` topics. Immutable; make it once and keep it.

    Shapes: `schema_of` returns the bytes of a released schema by its path.
    Errors: Malformed on construction, if the installation is damaged.
    """

    def __init__(self, schema_of: Callable[[str], bytes]) -> None:
        kinds = [kind for kind in KINDS.values() if kind.stream in {"center", "lane"} and kind.carries_record]
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
    """The registry of one center as far as it was read.

    Shapes: `states` reads its records; `complete` is for the reader to set, when it has read all that there was.
    """

    def __init__(self, center: str, states: States) -> None:
        self._states = states
        self._key = f"{HQ}:{center}".encode()
        self._schemas: set[int] = set()
        self._announced: set[str] = set()  # asked for before, as a `dataschema`
        self._centers: set[str] = set()
        self.center: OurCenter | None = None
        self.complete = False

    @property
    def centers(self) -> AbstractSet[str] | None:
        """The ids of all centers of the network, None while they are not known."""
        return self._centers if self.known else None

    @property
    def code_lists(self) -> Mapping[str, AbstractSet[str]] | None:
        """The codes of HQ's lists by the list's name, None while they are not known: `state.code_list` is not read."""
        return None

    @property
    def known(self) -> bool:
        """Whether this registry can tell that a schema was not announced.

        Every hub announces schemas: while none is here, HQ's topic was not read to its end, or it is not HQ's.
        """
        return self.complete and bool(self._schemas)

    def announced(self, dataschema: str) -> bool:
        """Return whether an event with this `ce_dataschema` may be written; also where that is not known. Hot path."""
        if dataschema in self._announced or not self.known:
            return True
        # The id is the top 31 bits of the hash; see hub.protocol.schema.
        if int(dataschema.removeprefix(DATASCHEMA)[:8], 16) & 0x7FFF_FFFF not in self._schemas:
            return False
        self._announced.add(dataschema)
        return True

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> bool:
        """Take a record; return whether it tells anything new. Errors: Malformed, if we can't read it."""
        if topic == SCHEMAS:
            return value is not None and self._take_schema(key or b"")
        if value is None:
            return False
        return self._take_name(key or b"") | (key == self._key and self._take_center(value))

    def _take_name(self, key: bytes) -> bool:
        """Take the name of a center, which the key says; return whether it is new."""
        hub, _, name = key.decode("ascii", "replace").partition(":")
        if hub != HQ or name in self._centers:
            return False
        self._centers.add(name)
        return True

    def _take_schema(self, key: bytes) -> bool:
        # The key says it all (`hq:<schema id>`), so a later HQ may describe schemas as it likes.
        number = key.removeprefix(f"{HQ}:".encode())
        if not number.isdigit() or int(number) in self._schemas:
            return False
        self._schemas.add(int(number))
        return True

    def _take_center(self, value: bytes) -> bool:
        state = self._states.read(value)
        if self.center is not None and state["version"] <= self.center.version:
            return False  # a new owner of HQ's lane publishes again
        keys = tuple(key for key in map(_our_key, state["record"]["keys"]) if key is not None)
        streams = frozenset(state["record"]["streams"])
        self.center = OurCenter(state["status"], state["version"], keys, streams)
        return True

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


def _our_key(key: dict[str, Any]) -> OurKey | None:
    """Return one key of a center's record; None if it is of a kind that this release does not know."""
    try:
        return OurKey(key["purpose"], Verifier.from_text(key["vkey"]), key["status"] == "active")
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
