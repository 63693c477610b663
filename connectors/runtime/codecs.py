"""What turns an event's value into a record's value: the released schemas, loaded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import schemas
from connectors.reconcile.story import UNLINKED, StoryLink
from connectors.runtime.outbox.queue import NewEvent
from connectors.runtime.registry import States
from hub.domain.catalogue import KINDS
from hub.domain.hq_lane import HqReaders, hq_readers
from hub.domain.rules import complete
from hub.domain.stream import EventKind
from hub.protocol.avro import Codec, frame, unframe
from hub.protocol.errors import Malformed
from hub.protocol.schema import DATASCHEMA, load_released


@cache
def released_states() -> States:
    """Return what reads `state.lane` by the schemas of this release. Errors: Malformed."""
    return States(schemas.read)


@cache
def released_readers() -> HqReaders:
    """Return what reads HQ's own lane by the schemas of this release. Errors: Malformed."""
    return hq_readers(load_released(schemas.read("released.json"), schemas.every()))


@dataclass(frozen=True, slots=True)
class _Encoder:
    codec: Codec
    dataschema: str
    defaults: dict[str, Any]  # worked out once: asking pydantic costs more than all the rest of an event


class Codecs:
    """Encodes events of every kind of this release. Immutable; make it once and keep it.

    Errors: Malformed on construction, if the installation is damaged.
    """

    def __init__(self) -> None:
        released = load_released(schemas.read("released.json"), schemas.every())
        self._encoders = {
            kind.type: _Encoder(Codec(schema), DATASCHEMA + schema.sha256, complete(kind, {}))
            for kind in KINDS.values()
            if (schema := released.get(kind.schema_path)) is not None
        }

    def dataschemas(self) -> dict[str, str]:
        """Return what stands in `ce_dataschema` of each type of event."""
        return {name: encoder.dataschema for name, encoder in self._encoders.items()}

    def event(
        self,
        kind: EventKind,
        subject: str,
        value: Mapping[str, Any],
        *,
        event_id: str,
        time: datetime,
        status: str,
        digest: bytes | None,
        link: StoryLink = UNLINKED,
    ) -> NewEvent:
        """Return the event that says `value` of `subject`, ready to queue. Errors: Malformed."""
        encoder = self._encoders.get(kind.type)
        if encoder is None:
            raise Malformed(f"{kind.type} has no released schema")
        body = encoder.codec.encode(encoder.defaults | dict(value))
        return NewEvent(
            event_id,
            kind.type,
            subject,
            time,
            encoder.dataschema,
            frame(encoder.codec.schema.id, body),
            status,
            digest,
            None in kind.legal_in,
            link,
        )

    def value(self, event_type: str, value: bytes) -> dict[str, Any]:
        """Return what an event of this release says, from its framed value. Errors: Malformed."""
        encoder = self._encoders.get(event_type)
        if encoder is None:
            raise Malformed(f"{event_type} has no released schema")
        return encoder.codec.decode(unframe(value)[1])
