"""What HQ fans out, as those who read the topics come to it, and as SQL has it: the two have to agree."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Final

import fastavro

from hub.domain.catalogue import STREAMS
from hub.domain.stream import HQ
from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.ledger.publication import state_value
from hub.protocol.avro import PREFIX_SIZE
from hub.protocol.record import origin_of
from hub.protocol.topics import FAN_OUT_PARTITIONS
from hub.store.released import released_schemas, state_forms
from hub.store.store import Store
from tests.support.center import HUB

STATE_FORMS: Final = state_forms(released_schemas())
PREFIX: Final = {
    "type": "record",
    "name": "Prefix",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "center", "type": "string"},
        {"name": "epoch", "type": "string"},
        {"name": "sequence", "type": "long"},
        {"name": "version", "type": "long"},
    ],
}
EVERYTHING: Final = 1 << 40


def at(broker: MemoryBroker) -> Cluster:
    """Return a broker in memory as a cluster; at its address nobody listens, so who is let in nowhere hears so."""
    return Cluster(("127.0.0.1:9",), clients=broker)


def heard(broker: MemoryBroker, centers: Iterable[str], *, in_order: bool = True) -> dict[str, Any]:
    """Return what readers come to who go by a lane's sequence and an entity's version, and take nothing twice.

    Fails where a lane skips an event that comes later, unless a topic was lost: then it is said again from its first.
    """
    out: dict[str, list[bytes]] = {}
    for center in centers:
        notes = [r.value for r in broker.records(f"out.{center}") if dict(r.headers)["cohub-kind"] == b"receipt"]
        out[center] = list(dict.fromkeys(notes))
    events: dict[str, dict[int, Any]] = {}
    for record in (r for number in range(FAN_OUT_PARTITIONS) for r in broker.records("events", number)):
        headers = dict(record.headers)
        center = headers["ce_source"].decode().removeprefix("/centers/")
        lane = events.setdefault(origin_of(HUB, center, headers["ce_epoch"].decode()), {})
        sequence = int(headers["ce_sequence"])
        assert not in_order or sequence in lane or sequence > max(lane, default=0), (
            "an event comes after a later one of its lane"
        )
        lane[sequence] = (record.key, sorted(record.headers), record.value)
    return {"receipts": out, "events": events, "states": _states(broker)}


def _states(broker: MemoryBroker) -> dict[tuple[str, bytes], bytes]:
    newest: dict[tuple[str, bytes], tuple[int, bytes]] = {}
    for stream in STREAMS:
        for record in (r for number in range(FAN_OUT_PARTITIONS) for r in broker.records(f"state.{stream}", number)):
            found: Any = fastavro.schemaless_reader(io.BytesIO(record.value[PREFIX_SIZE:]), PREFIX, None)
            known = newest.get((stream, record.key), (0, b""))
            newest[stream, record.key] = max(known, (found["version"], record.value))
    return {key: value for key, (_, value) in newest.items()}


async def ledgered(store: Store, centers: Iterable[str]) -> dict[str, Any]:
    """Return the same, of these centers' lanes and HQ's own, by what SQL has."""
    out: dict[str, list[bytes]] = {center: [] for center in centers}
    events: dict[str, dict[int, Any]] = {}
    states: dict[tuple[str, bytes], bytes] = {}
    for origin, _ in await store.cursors([HQ, *out]):
        found = await store.publication(origin, 0, EVERYTHING)
        assert found is not None
        if found.center != HQ:
            out[found.center] += found.receipts
        events[origin] = {e.sequence: (e.key, sorted(e.headers), e.value) for e in found.events}
        for known in found.entities:
            key = known.entity.stream, known.entity.id.encode()
            states[key] = state_value(known, STATE_FORMS[known.entity.kind].schema_id)
    return {"receipts": out, "events": events, "states": states}
