"""Every kind of event, from its bytes to its entity."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity, canonical_json
from hub.domain.judge import judge
from hub.domain.registry import Registry
from hub.domain.sealed import sealed_fields
from hub.protocol.avro import Codec
from hub.protocol.errors import Malformed
from schemas.vectors import samples

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
PER_TYPE = pytest.mark.parametrize("event_type", sorted(KINDS))


def subject_of(stream: str) -> tuple[str, str]:
    _, center = samples.subject_of(stream)
    keys = {
        "schema": None,
        "clock": "clock",
        "code_list": "technology",
        "lane": "0a1b2c3d",
        "center": "uz",
        "rules": "rules",
    }
    return f"{center}:{keys.get(stream, 'номер 1')}", center


def by_other_means(entity: Entity) -> bytes:
    """Canonical JSON without orjson: right for ASCII keys, integers, and no control characters but line breaks."""

    def text(value: Any) -> str:
        if isinstance(value, Decimal):
            digits = f"{value:f}"
            return digits.rstrip("0").rstrip(".") if "." in digits else digits
        return str(value.isoformat())

    fields = {name: getattr(entity, name) for name in Entity.__dataclass_fields__}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=text).encode()


@PER_TYPE
def test_event_from_bytes_to_entity(
    event_type: str,
    sample: Callable[..., dict[str, Any]],
    codec: Callable[[str], Codec],
    basis: Registry,
    entity_before: Callable[[str], Entity | None],
) -> None:
    """A legal event decodes to what was encoded, is accepted, and its entity's digest can be had another way."""
    kind, value = KINDS[event_type], sample(event_type)
    decoded = codec(event_type).decode(codec(event_type).encode(value))
    assert decoded == value
    subject, center = subject_of(kind.stream)
    if kind.stream == "schema":
        subject = f"hq:{value['schema_id']}"
    before = entity_before(event_type)
    entity = judge(kind, subject, center, NOW, decoded, before, NOW, basis)
    assert entity.version == (1 if before is None else before.version + 1)
    assert entity.status == (kind.status_after or (before.status if before else None))
    assert (entity.record if kind.carries_record else entity.changed) == value
    assert entity.to_json() == by_other_means(entity)
    assert entity.digest == sha256(by_other_means(entity)).digest()


@PER_TYPE
def test_event_body_comes_again_from_the_entitys_json(
    event_type: str, sample: Callable[..., dict[str, Any]], codec: Callable[[str], Codec]
) -> None:
    """A record that was decoded and written as canonical JSON is encoded to the same bytes."""
    body = codec(event_type).encode(sample(event_type))
    plain = json.loads(canonical_json(codec(event_type).decode(body)))
    assert codec(event_type).encode_json(plain) == body
    with pytest.raises(Malformed, match="does not fit its schema"):
        codec(event_type).encode_json({"nonsense": 1})


@PER_TYPE
def test_event_body_truncated_is_malformed(
    event_type: str, sample: Callable[..., dict[str, Any]], codec: Callable[[str], Codec]
) -> None:
    """No beginning of a body is a body."""
    body = codec(event_type).encode(sample(event_type))
    for size in {*range(min(len(body), 300)), len(body) - 1}:
        with pytest.raises(Malformed):
            codec(event_type).decode(body[:size])


@PER_TYPE
def test_event_body_with_a_byte_more_is_malformed(
    event_type: str, sample: Callable[..., dict[str, Any]], codec: Callable[[str], Codec]
) -> None:
    """A body ends where its value ends."""
    with pytest.raises(Malformed, match="ends at byte"):
        codec(event_type).decode(codec(event_type).encode(sample(event_type)) + b"\x00")


@PER_TYPE
def test_event_body_bit_flipped_is_malformed_or_a_value(
    event_type: str, sample: Callable[..., dict[str, Any]], codec: Callable[[str], Codec]
) -> None:
    """Whatever one wrong bit does to a body, nothing but Malformed comes out of the decoder."""
    body = bytearray(codec(event_type).encode(sample(event_type)))
    for place in range(min(len(body), 400) * 8):
        body[place // 8] ^= 1 << place % 8
        with suppress(Malformed):
            assert isinstance(codec(event_type).decode(bytes(body)), dict)
        body[place // 8] ^= 1 << place % 8


@PER_TYPE
def test_event_schema_and_model_have_the_same_fields(event_type: str, released: dict[str, Any]) -> None:
    """The schema and the rules of an event name the same fields in the same order, with the same defaults."""
    kind = KINDS[event_type]
    fields = json.loads(released[kind.schema_path].text)["fields"]
    model = kind.model.model_fields
    assert [field["name"] for field in fields] == list(model)
    for field in fields:
        rule = model[field["name"]]
        assert ("default" not in field) == rule.is_required()
        if not rule.is_required():
            assert field["default"] == rule.get_default(call_default_factory=True)
        assert isinstance(field["type"], list) == (not rule.is_required() and field["default"] is None)


@PER_TYPE
def test_event_name_follows_from_its_path(event_type: str, released: dict[str, Any]) -> None:
    """One Avro name an event, so that two schemas never stand for one name."""
    kind = KINDS[event_type]
    written = json.loads(released[kind.schema_path].text)
    words = f"{kind.stream}_{kind.name}".split("_")
    assert (written["namespace"], written["name"]) == (f"net.cohub.{kind.stream}", "".join(map(str.capitalize, words)))


def test_event_with_the_largest_amounts_is_exact(
    sample: Callable[..., dict[str, Any]], codec: Callable[[str], Codec], basis: Registry
) -> None:
    """The largest amount and rate that the rules allow come over the wire digit for digit."""
    event_type = "net.cohub.deal.opened.v1"
    amounts = {"amount": Decimal("999999999999999.9999"), "rate": Decimal("99999999.99999999")}
    decoded = codec(event_type).decode(codec(event_type).encode(sample(event_type, **amounts)))
    entity = judge(KINDS[event_type], "uz:1", "uz", NOW, decoded, None, NOW, basis)
    assert (entity.record["amount"], entity.record["rate"]) == (amounts["amount"], amounts["rate"])
    converted = STREAMS["deal"].contribution(replace(entity, status="signed"))["deal.signed.converted.USD"]
    assert converted == Decimal("99999999999999989990000.0000")


def test_no_schema_has_a_personal_field_that_is_not_sealed(released: dict[str, Any]) -> None:
    """No event has a person's name, mail or telephone but under seal, and a sealed field says so in its schema."""
    personal = {"email", "mail", "phone", "telephone", "person", "contact"}
    for kind in KINDS.values():
        text = released[kind.schema_path].text
        assert personal & names(json.loads(text)) <= set(sealed_fields(kind.model))
        for field in json.loads(text)["fields"]:
            assert ("sealed" in field.get("doc", "")) == (field["name"] in sealed_fields(kind.model))


def names(avro: Any) -> set[str]:
    if isinstance(avro, list):
        return {name for part in avro for name in names(part)}
    if not isinstance(avro, dict):
        return set()
    return {str(avro.get("name"))}.union(*(names(avro[part]) for part in ("type", "fields", "items") if part in avro))
