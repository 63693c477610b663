"""What a center posts becomes the same records that it would have sent to Kafka, or is refused by its name."""

from __future__ import annotations

import base64
import gzip
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.limits import BATCH_EVENTS_MAX, KAFKA_BYTES_MAX
from hub.protocol.problem import Problem, ProblemCode
from hub.protocol.record import canonical
from hub.web.posted import CLOUD_EVENTS, MARKS_MAX, RECORD_BATCH, read_posted, unpacked_bytes
from tests.support.center import Center
from tests.support.hostile import headed, zstd
from tests.support.raw import batch, old_batch, record
from tests.support.web_app import cloud_event, cloud_events, record_batch

RECORDS = Center().opened(3)
ONE = record(b"uz:K-1", b"value", [(b"ce_id", b"1")])


def refused(media_type: str, body: bytes) -> Problem:
    with pytest.raises(Problem) as exc:
        read_posted(media_type, body)
    return exc.value


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (RECORD_BATCH, record_batch(RECORDS)),
        (RECORD_BATCH, record_batch(RECORDS, codec=1)),
        (CLOUD_EVENTS, cloud_events(RECORDS)),
        (f"{CLOUD_EVENTS.upper()}; charset=UTF-8", cloud_events(RECORDS)),
    ],
)
def test_records_are_those_that_were_sealed(media_type: str, body: bytes) -> None:
    """Keys, canonical bytes and seals are identical: the lane is the same by either form."""
    found = read_posted(media_type, body)
    assert [(r.key, canonical(r.headers, r.value)) for r in found] == [
        (r.key, canonical(r.headers, r.value)) for r in RECORDS
    ]
    assert dict(found[-1].headers)["cohub-seal"] == dict(RECORDS[-1].headers)["cohub-seal"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        old_batch(1, b"x"),
        old_batch(0, b"x"),
        batch([ONE])[:-1],
        batch([ONE]) + b"x",
        batch([ONE]) + batch([ONE], first=1),
        batch([ONE])[:-1] + b"!",
        batch([ONE], codec=2),
        batch([ONE], codec=4),
        batch([ONE], codec=0x10),
        batch([ONE], codec=0x20),
        batch([], count=0),
        batch([ONE], count=2),
        batch([ONE, ONE], count=1),
        batch([ONE], count=-1),
        batch([ONE], codec=1, payload=b"no gzip"),
        batch([ONE], codec=1, payload=gzip.compress(bytes(5 << 20))),
        batch([ONE], codec=4, payload=zstd(ONE)),
        batch([b"".join(headed(500_000))]),
        batch([ONE], codec=1, payload=gzip.compress(ONE) + b"more"),
        batch([ONE], payload=b"\xff" * 200),
        struct.pack(">qi", 0, 1 << 30) + bytes(60),
    ],
)
def test_what_is_no_whole_plain_batch_is_refused(body: bytes) -> None:
    """Another magic, a wrong checksum, a bomb, a transaction, records that are none: nothing of it is written."""
    assert refused(RECORD_BATCH, body).code is ProblemCode.BAD_BATCH


@pytest.mark.parametrize(
    "body",
    [
        batch([record(b"k", b"v", [(b"\xff\xfe", b"1")])]),
        batch([record(b"k", b"v", [(b"a", b"x"), (b"a", None)])]),
        batch([record(b"", b"v", key_bytes=b"\x82\x80\x80\x80\x70k")]),
        batch([ONE], codec=1, payload=gzip.compress(ONE[:3]) + gzip.compress(ONE[3:])),
        batch([ONE], at_ms=-(2**62)),
        batch([record(None, None)]),
    ],
)
def test_what_the_broker_would_be_content_with_is_read(body: bytes) -> None:
    """HQ's worker judges it, as what comes through Kafka."""
    assert len(read_posted(RECORD_BATCH, body)) == 1


def test_too_many_records_are_refused_before_they_are_read() -> None:
    """What a batch says of itself is enough."""
    assert refused(RECORD_BATCH, batch([ONE], count=BATCH_EVENTS_MAX + 1)).code is ProblemCode.TOO_LARGE
    assert refused(CLOUD_EVENTS, json.dumps([{}] * (BATCH_EVENTS_MAX + 1)).encode()).code is ProblemCode.TOO_LARGE
    many = [record(b"k", b"", delta=n) for n in range(BATCH_EVENTS_MAX)]
    assert len(read_posted(RECORD_BATCH, batch(many))) == BATCH_EVENTS_MAX


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"[[]]",
        b"null",
        b'[{"id": "\xff"}]',
        '[{"id": "é"}]'.encode("utf-16"),
        b"\xef\xbb\xbf[]",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'[{"id": "1", "id": "2"}]',
        b'[{"id": NaN}]',
        b'[{"id": ' + b"9" * 5000 + b"}]",
        b"[{}] []",
    ],
)
def test_json_with_more_than_one_reading_is_refused(body: bytes) -> None:
    """Nesting, repeated names, other encodings, numbers of thousands of digits."""
    assert refused(CLOUD_EVENTS, body).code is ProblemCode.BAD_JSON


@pytest.mark.parametrize(
    "body", [b"[" + b"[]," * 40_000 + b"[]]", b"[{" + b'"a":1,' * 40_000 + b'"b":1}]', b"," * 40_000]
)
def test_json_of_more_signs_than_events_have_is_not_read(body: bytes) -> None:
    """To read it would take longer than what its bytes are counted as."""
    problem = refused(CLOUD_EVENTS, body)
    assert problem.code is ProblemCode.BAD_JSON
    assert f"at most {MARKS_MAX} of the signs [ {{ ," in problem.detail


def test_events_with_every_attribute_stay_below_the_signs_that_are_read() -> None:
    """Whole batches are taken, and long ones of somebody who says more."""
    more = {f"more{number}": "a, b" for number in range(40)}
    body = json.dumps([cloud_event(RECORDS[0]) | more] * BATCH_EVENTS_MAX).encode()
    assert len(read_posted(CLOUD_EVENTS, body)) == BATCH_EVENTS_MAX


def test_packed_batch_counts_as_what_it_unpacks_to() -> None:
    """Its headers too, of which a thousand with nothing in them are a few bytes."""
    plain = [record(b"k", b"v", [(b"", None)] * 500, delta=n) for n in range(100)]
    packed = batch([b""], codec=1, payload=gzip.compress(b"".join(plain)), count=100)
    assert unpacked_bytes(RECORD_BATCH, packed, read_posted(RECORD_BATCH, packed)) > 100_000 > 20 * len(packed)
    assert unpacked_bytes(RECORD_BATCH, packed) == KAFKA_BYTES_MAX
    for body in (batch(plain), b"[]", b""):
        assert unpacked_bytes(RECORD_BATCH, body) == len(body)


def test_empty_batch_is_refused() -> None:
    """There is nothing to acknowledge."""
    assert refused(CLOUD_EVENTS, b"[]").code is ProblemCode.BAD_BATCH


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"sequence": 7}, "/0/sequence"),
        ({"time": None}, "/0/time"),
        ({"data": {"title": "x"}}, "/0/data"),
        ({"data": "x"}, "/0/data"),
        ({"data_base64": "AA"}, "/0/data_base64"),
        ({"data_base64": "AAB="}, "/0/data_base64"),
        ({"data_base64": None}, "/0/data_base64"),
        ({"cohubseal": "no base64!"}, "/0/cohubseal"),
        ({"subject": "\ud800"}, "/0/subject"),
        ({"Big": "x"}, "/0/Big"),
        ({"a/b~c": "x"}, "/0/a~1b~0c"),
        ({"x" * 41: "x"}, "/0/" + "x" * 41),
        ({"": "x"}, "/0/"),
    ],
)
def test_event_that_can_be_no_record_is_named(change: dict[str, object], pointer: str) -> None:
    """Whoever writes a client finds which attribute of which event it is."""
    body = json.dumps([cloud_event(RECORDS[0]) | change]).encode()
    problem = refused(CLOUD_EVENTS, body)
    assert (problem.code, problem.more["pointer"]) == (ProblemCode.BAD_EVENT, pointer)


@pytest.mark.parametrize("name", ["subject", "data_base64"])
def test_event_without_key_or_value_is_refused(name: str) -> None:
    """A record has both."""
    event = cloud_event(RECORDS[0])
    del event[name]
    assert refused(CLOUD_EVENTS, json.dumps([event]).encode()).more["pointer"] == f"/0/{name}"


@pytest.mark.parametrize(
    "media_type", ["", "application/json", "application/cloudevents+json", f"{CLOUD_EVENTS}; charset=utf-16",
                   f"{RECORD_BATCH}; x=1", "text/plain"],
)  # fmt: skip
def test_body_of_another_type_is_refused(media_type: str) -> None:
    """What a body is, is said by its type and guessed by nobody."""
    problem = refused(media_type, b"[]")
    assert problem.code is ProblemCode.MEDIA_TYPE
    assert RECORD_BATCH in problem.more["accepts"]


@given(st.binary(max_size=300), st.sampled_from([RECORD_BATCH, CLOUD_EVENTS]))
def test_reader_is_total(body: bytes, media_type: str) -> None:
    """Whatever the bytes are, it is records or a problem."""
    for data in (body, batch([], count=1, payload=body), b'[{"subject":"' + base64.b64encode(body) + b'"}]'):
        try:
            assert read_posted(media_type, data)
        except Problem:
            continue
