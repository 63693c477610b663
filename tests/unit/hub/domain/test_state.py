"""State records: prefix and body, as any Avro reader sees them."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.state import encode_state_prefix, state_path, state_schema
from hub.protocol.avro import Codec
from hub.protocol.moment import to_us
from hub.protocol.schema import Schema

CARRYING = sorted(name for name, kind in KINDS.items() if kind.carries_record)
NOW = dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)


@pytest.mark.parametrize("event_type", CARRYING)
def test_state_prefix_and_body_decode_as_one_record(
    event_type: str,
    sample: Callable[..., dict[str, Any]],
    codec: Callable[[str], Codec],
    released: dict[str, Schema],
) -> None:
    """A prefix before an event's own bytes is a record of the state schema."""
    value = sample(event_type)
    prefix = encode_state_prefix("uz:номер", "uz", "0a1b2c3d", 70_000, 300, "signed", to_us(NOW), "net.x.v1")
    decoded = Codec(released[state_path(KINDS[event_type])]).decode(prefix + codec(event_type).encode(value))
    assert decoded == {
        "id": "uz:номер",
        "center": "uz",
        "epoch": "0a1b2c3d",
        "sequence": 70_000,
        "version": 300,
        "status": "signed",
        "recorded_at": NOW,
        "changed_by": "net.x.v1",
        "record": value,
    }


@pytest.mark.parametrize("event_type", CARRYING)
def test_state_schema_is_the_released_file(event_type: str) -> None:
    """The released state schema is what its event's schema generates, byte for byte."""
    kind = KINDS[event_type]
    assert state_schema(kind, schemas.read(kind.schema_path)) == schemas.read(state_path(kind))


PREFIX_ONLY = {
    "type": "record",
    "name": "P",
    "fields": [
        {"name": name, "type": "long" if name in "svr" else "string"}
        for name in ("i", "c", "e", "s", "v", "t", "r", "b")
    ],
}


@given(st.text(max_size=200), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**63 - 1), st.text(max_size=9))
def test_state_prefix_is_what_an_encoder_writes(text: str, number: int, count: int, short: str) -> None:
    """The prefix is byte for byte what fastavro writes, whatever the text and the numbers."""
    out = io.BytesIO()
    value = {"i": text, "c": short, "e": "e", "s": count, "v": count, "t": short, "r": number, "b": text}
    fastavro.schemaless_writer(out, PREFIX_ONLY, value)
    assert encode_state_prefix(text, short, "e", count, count, short, number, text) == out.getvalue()
