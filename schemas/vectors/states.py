"""Vectors of what HQ derives for everybody: records of `hub.schemas` and `state.<stream>`, and what a reader has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.domain.state import partition_of, state_path
from hub.ledger.publication import Outbound, StateForm, state_record
from hub.ledger.step import KnownEntity
from hub.protocol.record import SCHEMA_HEADER
from hub.protocol.schema import Schema
from schemas.vectors.events import plain_body
from schemas.vectors.judged import Told, told
from schemas.vectors.keys import text_or_hex
from schemas.vectors.records import schema_of

Row = dict[str, Any]
Change = Mapping[str, Any]

FORMS: Final = {kind.type: StateForm.of(schema_of(state_path(kind))) for kind in KINDS.values() if kind.carries_record}
PATHS: Final = {kind.type: state_path(kind) for kind in KINDS.values() if kind.carries_record}
OFFER: Final = "net.cohub.offer.published.v1"
SEQUENCES: Final[Mapping[str, Sequence[str]]] = {
    "newer_after_older": ("published", "withdrawn"),
    "older_after_newer": ("withdrawn", "published"),
    "the_same_twice": ("withdrawn", "withdrawn"),
    "several_entities": ("published", "deal", "withdrawn", "revised", "published"),
    "record_without_a_value_between": ("published", "tombstone", "deal"),
    "record_that_is_passed_over_between": ("published", "of_an_unknown_schema", "deal"),
}


def _entities() -> dict[str, KnownEntity]:
    """Return what records say, out of the story that is judged."""

    def of(story: Told, stream: str, key: str) -> KnownEntity:
        return story.entities[stream, f"uz:{key}"]

    first, second = told("hq_begins", "first"), told("hq_begins", "first", "hq_adopts", "second")
    return {
        "published": of(first, "offer", "K-2"),
        "revised": of(second, "offer", "K-1"),
        "deal": of(first, "deal", "D-1"),
        "withdrawn": of(second, "offer", "K-2"),
        "lane": of(first, "lane", "0a1b2c3d"),
    }


def state_vectors() -> Row:
    """Return records that HQ writes, records that a reader passes over, and sequences of them."""
    entities = _entities()
    good = {name: state_record(known, FORMS) for name, known in entities.items()}
    schema = schema_of(PATHS[OFFER])
    other = schema_of(PATHS["net.cohub.offer.revised.v1"])
    bad = _passed_over(good["published"], other)
    schemas = {
        "schema_of_another_id": (str(other.id), schema.text.encode()),
        "schema_id_with_a_zero_in_front": (f"0{schema.id}", schema.text.encode()),
        "schema_id_in_hex": (f"{schema.id:08x}", schema.text.encode()),
        "schema_changed": (str(schema.id), schema.text.encode() + b" "),
        "schema_without_a_value": (str(schema.id), None),
    }
    return {
        "about": "Records of hub.schemas (topic, key, value: the package's file at path, or as it stands) and of"
        " state.<stream>. content: the decoded value; partition: where the record is. A bad one is passed over."
        " sequences: what a reader of state.* has behind the last record, by entity: its version, status and its last"
        " event's type; the schemas were all there before.",
        "good": [
            *(
                {"name": f"schema_of_{kind}", "topic": "hub.schemas", "key": str(schema_of(path).id), "path": path}
                for kind, path in PATHS.items()
            ),
            *(_state(name, record, entities[name]) for name, record in good.items()),
        ],
        "bad": [
            *(
                {"name": name, "topic": "hub.schemas", "key": key, "value": None if data is None else data.hex()}
                for name, (key, data) in schemas.items()
            ),
            *(_row(name, record) for name, record in bad.items()),
        ],
        "sequences": [
            {"name": name, "records": list(names), "outcome": _outcome(names, entities)}
            for name, names in SEQUENCES.items()
        ],
    }


def _passed_over(good: Outbound, other: Schema) -> dict[str, Outbound]:
    key, value, headers = good
    assert value is not None
    named = dict(headers)
    digest, bare = f"urn:sha256:{other.sha256}".encode(), (named[SCHEMA_HEADER] or b"").removeprefix(b"urn:sha256:")
    strange = bytes([value[0], value[1] ^ 1]) + value[2:]
    return {
        "of_an_unknown_schema": (key, strange, headers),
        "schema_in_the_header_is_another": (key, value, list((named | {SCHEMA_HEADER: digest}).items())),
        "without_the_schema_s_header": (key, value, [h for h in headers if h[0] != SCHEMA_HEADER]),
        "schema_s_header_without_urn": (key, value, list((named | {SCHEMA_HEADER: bare}).items())),
        "of_another_content_type": (key, value, list((named | {"content-type": b"application/json"}).items())),
        "key_of_another_entity": (b"uz:K-9", value, headers),
        "body_cut": (key, value[:-1], headers),
        "bytes_behind_the_body": (key, value + b"\x00", headers),
        "tombstone": (key, None, headers),
    }


def _state(name: str, record: Outbound, known: KnownEntity) -> Row:
    schema = schema_of(PATHS[known.entity.kind])
    assert record[1] is not None
    content = plain_body(schema, record[1])
    row = _row(name, record, known.entity.stream)
    return row | {"path": PATHS[known.entity.kind], "content": content, "partition": partition_of(known.entity.center)}


def _row(name: str, record: Outbound, stream: str = "offer") -> Row:
    key, value, headers = record
    assert key is not None
    return {
        "name": name,
        "topic": f"state.{stream}",
        "key": key.decode(),
        "headers": [{"name": header, **text_or_hex(content or b"")} for header, content in headers],
        "value": None if value is None else value.hex(),
    }


def _outcome(names: Sequence[str], entities: Mapping[str, KnownEntity]) -> dict[str, list[Any]]:
    newest: dict[str, KnownEntity] = {}
    for name in names:
        known = entities.get(name)
        if known is not None:
            before = newest.get(known.entity.id)
            if before is None or known.entity.version > before.entity.version:
                newest[known.entity.id] = known
    return {key: [k.entity.version, k.entity.status, k.changed_by] for key, k in sorted(newest.items())}
