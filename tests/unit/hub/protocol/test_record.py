"""A record's canonical bytes are total and injective; its headers are judged without a crash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.envelope import read_envelope
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.leaf import LeafReader
from hub.protocol.limits import ATTRIBUTE_BYTES_MAX
from hub.protocol.moment import read_time, write_time
from hub.protocol.record import canonical, origin_of, position, split_canonical, write_headers
from hub.protocol.verdict import Code

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Record:
    """A record as a consumer hands it over."""

    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None = b""
    key: bytes | None = None
    offset: int = 0
    timestamp: int = 0
    timestamp_type: int | None = None


signed_names = st.sampled_from(
    [
        "ce_id",
        "ce_type",
        "ce_",
        "ce_é",
        "ce_\U0001f600",
        "ce_\udcff",
        "ce_\udced\udca0\udc80",
        "content-type",
        "ce_a",
        "ce_a:",
    ]
)
any_bytes = st.binary(max_size=6).map(lambda name: (b"ce_" + name).decode("utf-8", "surrogateescape"))
names = signed_names | any_bytes | st.text(max_size=6) | st.text(max_size=6).map(lambda text: "ce_" + text)
contents = st.none() | st.binary(max_size=8) | st.sampled_from([b"", b"-", b"0:,", b"5:ce_id,", b",-"])
headers_of = st.lists(st.tuples(names, contents), max_size=6)
values = st.none() | st.binary(max_size=12)


def signed(headers: Headers) -> Headers:
    """Return what a digest covers of the headers, in the order in which it does."""
    kept = [h for h in headers if h[0].startswith("ce_") or h[0] == "content-type"]
    return sorted(kept, key=lambda h: h[0].encode("utf-8", "surrogateescape"))


@given(headers_of, values)
def test_split_gives_back_what_canonical_put_together(headers: Headers, value: bytes | None) -> None:
    """Every record has canonical bytes, and they hold all that is signed: so no two records share them."""
    assert split_canonical(canonical(headers, value)) == (signed(headers), value or b"")


@given(headers_of, values, headers_of, values)
def test_different_records_have_different_bytes(
    one: Headers, value: bytes | None, two: Headers, other: bytes | None
) -> None:
    """Nothing can be moved between names, contents and the value without another digest."""
    same = (signed(one), value or b"") == (signed(two), other or b"")
    assert (canonical(one, value) == canonical(two, other)) == same


def test_null_and_empty_header_differ() -> None:
    """A header without a value is not one with an empty value."""
    assert canonical([("ce_id", None)], b"") != canonical([("ce_id", b"")], b"")


def test_header_bytes_cannot_move_into_the_value() -> None:
    """The attack that ADR 0002 tells of: a header cut off and put in front of the value changes the digest."""
    two = canonical([("ce_id", b"1"), ("ce_type", b"t")], b"v")
    assert canonical([("ce_id", b"1")], b"7:ce_type,1:t,v") != two
    assert canonical([], b"5:ce_id,1:1,7:ce_type,1:t,v") != two


def test_other_headers_and_the_order_of_headers_do_not_count() -> None:
    """A mirror may add headers of its own and bring the headers in another order."""
    plain = canonical([("ce_id", b"1"), ("content-type", b"x")], b"v")
    assert canonical([("content-type", b"x"), ("cohub-seal", b"s"), ("ce_id", b"1"), ("a", None)], b"v") == plain


def test_order_of_a_repeated_name_counts() -> None:
    """Of a repeated header it is signed which came first."""
    assert canonical([("ce_id", b"1"), ("ce_id", b"2")], b"") != canonical([("ce_id", b"2"), ("ce_id", b"1")], b"")


def test_form_is_the_documented_one() -> None:
    """The bytes in schemas/PROTOCOL.md are these."""
    assert canonical([("content-type", b"x"), ("ce_id", b"1"), ("ce_a", None)], b"v") == (
        b"40:4:ce_a,-5:ce_id,1:1,12:content-type,1:x,,v"
    )


@given(st.lists(st.binary(max_size=4), max_size=4))
def test_names_count_by_their_exact_bytes(ends: list[bytes]) -> None:
    """A name that is not UTF-8 is signed as it stands in Kafka, and sorts by its bytes like any other."""
    names = [b"ce_" + end for end in ends]
    block = b"".join(b"%d:%b,0:," % (len(name), name) for name in sorted(names))
    headers: Headers = [(name.decode("utf-8", "surrogateescape"), b"") for name in names]
    assert canonical(headers, b"v") == b"%d:%b,v" % (len(block), block)


@given(st.lists(st.tuples(headers_of, values), max_size=4))
def test_reader_finds_what_canonical_finds(records: list[tuple[Headers, bytes | None]]) -> None:
    """The fast reader is the plain function, whatever layout the record before had."""
    reader = LeafReader()
    for headers, value in [*records, *records[::-1]]:
        found, data, digest = reader.read(Record(tuple(headers), value))
        assert data == canonical(headers, value)
        assert digest == sha256(b"\x00" + data).digest()
        assert found == dict(headers)


@given(st.binary(max_size=60))
def test_split_of_any_bytes_is_malformed_or_exact(data: bytes) -> None:
    """What splits joins again to the same bytes; all else is Malformed, never another error."""
    try:
        headers, value = split_canonical(data)
    except Malformed:
        return
    assert canonical(headers, value) == data


def test_no_damage_to_canonical_bytes_reads_as_the_same_record() -> None:
    """Cut or flipped canonical bytes are Malformed or another record."""
    data = canonical([("ce_id", b"1"), ("ce_type", None), ("content-type", b"x")], b"value")
    whole = split_canonical(data)
    for at in range(len(data)):
        flips = [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for bit in range(8)]
        for broken in [data[:at], *flips]:
            try:
                assert split_canonical(broken) != whole
            except Malformed:
                continue


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0:",
        b"00:,",
        b"3:,",
        b"99999999999:,",
        b"5:2:\xff\xff,-,",
        b"4:1:a,-,",
        b"19:5:ce_b,-5:ce_a,1:x,,",
        "6:3:ce٣,-,".encode(),
    ],
)
def test_bytes_that_canonical_cannot_have_written_are_malformed(data: bytes) -> None:
    """Broken lengths, names that are not UTF-8, unsigned names and another order do not split."""
    with pytest.raises(Malformed):
        split_canonical(data)


CENTER = "uz"
GOOD = dict(
    write_headers(
        center=CENTER,
        epoch="0a1b2c3d",
        sequence=7,
        event_id="01890a5d-ac96-774b-bcce-b302099a8057",
        event_type="net.cohub.offer.published.v1",
        subject="uz:offer-7",
        time=datetime(2026, 3, 1, 12, 0, 0, 250000, UTC),
        dataschema="ab" * 32,
        correlation_id="01890a5d-ac96-774b-bcce-b302099a8050",
    )
)


def judge(**changed: bytes | None) -> tuple[Code, str]:
    """Return the verdict on the good headers with some of them changed."""
    headers: dict[str, bytes | None] = {**GOOD, **changed}
    try:
        read_envelope(CENTER, b"uz:offer-7", headers, len(headers))
    except Rejected as exc:
        return exc.code, exc.field
    return Code.ACCEPTED, ""


def test_headers_are_written_sorted_and_read_back() -> None:
    """What a connector writes, HQ takes."""
    assert list(GOOD) == sorted(GOOD)
    envelope = read_envelope(CENTER, b"uz:offer-7", GOOD, len(GOOD))
    assert (envelope.id, envelope.type) == ("01890a5d-ac96-774b-bcce-b302099a8057", "net.cohub.offer.published.v1")
    assert (envelope.subject, envelope.dataschema) == ("uz:offer-7", "ab" * 32)
    assert envelope.time == datetime(2026, 3, 1, 12, 0, 0, 250000, UTC)
    assert (envelope.correlation_id, envelope.causation_id) == ("01890a5d-ac96-774b-bcce-b302099a8050", None)
    assert position(GOOD) == ("0a1b2c3d", 7)
    assert origin_of("hub.example", CENTER, "0a1b2c3d") == "hub.example/uz/0a1b2c3d"


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"ce_correlationid"}))
def test_required_header_missing_empty_or_null_is_rejected_by_name(name: str) -> None:
    """The center learns which header it forgot."""
    headers: dict[str, bytes | None] = dict(GOOD)
    del headers[name]
    with pytest.raises(Rejected) as caught:
        read_envelope(CENTER, b"uz:offer-7", headers, len(headers))
    assert (caught.value.code, caught.value.field) == (Code.BAD_HEADERS, name)
    assert judge(**{name: b""}) == (Code.BAD_HEADERS, name)
    assert judge(**{name: None}) == (Code.BAD_HEADERS, name)
    assert judge(**{name: b"\xff"}) == (Code.BAD_HEADERS, name)


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"ce_specversion": b"0.3"}, Code.BAD_HEADERS, "ce_specversion"),
        ({"content-type": b"application/json"}, Code.BAD_HEADERS, "content-type"),
        ({"ce_source": b"/centers/kz"}, Code.WRONG_CENTER, "ce_source"),
        ({"ce_subject": b"kz:offer-7"}, Code.WRONG_CENTER, "ce_subject"),
        ({"ce_subject": b"uz:offer-8"}, Code.BAD_KEY, "ce_subject"),
        ({"ce_subject": b"offer-7"}, Code.BAD_HEADERS, "ce_subject"),
        ({"ce_subject": b"uz:offer 7"}, Code.BAD_HEADERS, "ce_subject"),
        ({"ce_subject": b"uz:" + b"x" * 121}, Code.BAD_HEADERS, "ce_subject"),
        ({"ce_time": b"2026-03-01"}, Code.BAD_HEADERS, "ce_time"),
        ({"ce_id": b"a\x00b"}, Code.BAD_HEADERS, "ce_id"),
        ({"ce_correlationid": "a\x85b".encode()}, Code.BAD_HEADERS, "ce_correlationid"),
        ({"ce_id": b"x" * (ATTRIBUTE_BYTES_MAX + 1)}, Code.BAD_HEADERS, "ce_id"),
        ({"ce_Upper": b"x"}, Code.BAD_HEADERS, "ce_Upper"),
        ({"ce_": b"x"}, Code.BAD_HEADERS, "ce_"),
        ({"ce_\0": b"x"}, Code.BAD_HEADERS, "ce_\\x00"),
    ],
)
def test_broken_header_is_rejected_with_its_name(changed: dict[str, bytes], code: Code, field: str) -> None:
    """One defect, one code, one field."""
    assert judge(**changed) == (code, field)


def test_extensions_and_headers_of_others_are_let_through() -> None:
    """Tracing and a mirror's own headers are no defect; text in any language is none either."""
    assert judge(ce_traceparent=b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")[0] is Code.ACCEPTED
    assert judge(**{"x-mirror": b"\xff\x00"})[0] is Code.ACCEPTED
    assert judge(ce_note="青岛 Ташкент".encode())[0] is Code.ACCEPTED


def test_repeated_header_is_rejected() -> None:
    """Where two values claim one name, no reader has to guess."""
    with pytest.raises(Rejected, match="repeated"):
        read_envelope(CENTER, b"uz:offer-7", GOOD, len(GOOD) + 1)


@given(st.dictionaries(names, contents, max_size=14), st.none() | st.binary(max_size=10))
def test_any_headers_are_judged(headers: dict[str, bytes | None], key: bytes | None) -> None:
    """No headers whatever raise anything but a verdict."""
    for mixed in (headers, {**GOOD, **headers}):
        try:
            read_envelope(CENTER, key, mixed, len(mixed))
        except Rejected as exc:
            refusal = exc
        else:
            continue
        assert refusal.code is not Code.ACCEPTED
        assert refusal.field.isascii()
        assert refusal.field.isprintable() or not refusal.field


@pytest.mark.parametrize(
    ("epoch", "sequence", "expected"),
    [
        (b"0a1b2c3d", b"1", ("0a1b2c3d", 1)),
        (b"0a1b2c3d", b"9223372036854775807", ("0a1b2c3d", 2**63 - 1)),
        (b"0a1b2c3d", b"9223372036854775808", None),
        (b"0a1b2c3d", b"9" * 5000, None),
        (b"0a1b2c3d", b"0", None),
        (b"0a1b2c3d", b"01", None),
        (b"0a1b2c3d", b"+1", None),
        (b"0a1b2c3d", b" 1", None),
        (b"0a1b2c3d", "٣".encode(), None),
        (b"0a1b2c3d", b"1\n", None),
        (b"0a1b2c3d", None, None),
        (b"0A1B2C3D", b"1", None),
        (b"0a1b2c3", b"1", None),
        (b"0a1b2c3d\n", b"1", None),
        (None, b"1", None),
    ],
)
def test_position_is_read_or_not_attributable(
    epoch: bytes | None, sequence: bytes | None, expected: tuple[str, int] | None
) -> None:
    """A record says where in which lane it stands, in one way, or does not say it."""
    assert position({"ce_epoch": epoch, "ce_sequence": sequence}) == expected


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.timezones() | st.just(UTC))  # noqa: DTZ001
)
def test_time_survives_the_round_trip(moment: datetime) -> None:
    """The moment that a connector wrote is the moment that HQ reads."""
    assert read_time(write_time(moment)) == moment.astimezone(UTC)


def test_time_is_read_with_any_offset_and_fraction() -> None:
    """RFC 3339 in all its forms is one moment in UTC, to the microsecond."""
    expected = datetime(2026, 3, 1, 6, 30, 0, 123456, UTC)
    for text in (
        "2026-03-01T12:00:00.123456+05:30",
        "2026-03-01t06:30:00.123456789z",
        "2026-03-01T06:30:00.123456-00:00",
    ):
        assert read_time(text) == expected
    assert read_time("2026-03-01T00:00:00.5+08:00") == datetime(
        2026, 3, 1, 0, 0, 0, 500000, timezone(timedelta(hours=8))
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-03-01T12:00Z",
        "2026-03-01T12:00:60Z",
        "2026-03-01T24:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T12:00:00+05:75",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+0530",
        "2026-03-01T12:00:00.Z",
        "2026-03-01T12:00:00.1234567890Z",
        "0001-01-01T00:00:00+08:00",
        "0000-01-01T00:00:00Z",
        "20260301T120000Z",
        "2026-W09-7T12:00:00Z",
        "٢٠٢٦-03-01T12:00:00Z",
        "2026-03-01T12:00:00Z\n",
    ],
)
def test_time_of_another_form_is_rejected(text: str) -> None:
    """No offset, no such day, leap seconds, other calendars' digits: an error, never a guess."""
    with pytest.raises(Malformed, match="expected RFC 3339, got "):
        read_time(text)


def test_record_whose_time_is_of_another_form_gets_a_verdict_that_shows_it() -> None:
    """Elsewhere such a text is malformed; in a record's header it is the sender's fault, named with its field."""
    headers: dict[str, bytes | None] = {**GOOD, "ce_time": b"2026-03-01T12:00Z"}
    with pytest.raises(Rejected) as caught:
        read_envelope(CENTER, b"uz:offer-7", headers, len(headers))
    found = caught.value
    assert (found.code, found.field) == (Code.BAD_HEADERS, "ce_time")
    assert found.params == "expected RFC 3339, got 2026-03-01T12:00Z"
