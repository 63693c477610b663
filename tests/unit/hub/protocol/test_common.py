"""What the fast readers remember of a lane never changes what they find."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.envelope import read_alike, read_envelope
from hub.protocol.errors import Rejected
from hub.protocol.leaf import LINKS, LeafReader
from hub.protocol.record import CONTENT_TYPE, REQUIRED, SEAL_HEADER, canonical, position, sequence_of
from hub.protocol.rules import RULES, Rules

Headers = list[tuple[str, bytes | None]]

GOOD: dict[str, bytes] = {
    "ce_dataschema": b"urn:sha256:" + b"0" * 64,
    "ce_epoch": b"0a1b2c3d",
    "ce_id": b"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01",
    "ce_sequence": b"7",
    "ce_source": b"/centers/uz",
    "ce_specversion": b"1.0",
    "ce_subject": b"uz:K-7",
    "ce_time": b"2026-05-01T08:00:00.000000Z",
    "ce_type": b"net.cohub.offer.published.v1",
    "content-type": CONTENT_TYPE,
}


@dataclass(frozen=True)
class Record:
    """A record as a consumer hands it over."""

    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None = b"v"
    key: bytes | None = None
    offset: int = 0
    timestamp: int = 0
    timestamp_type: int | None = None


times = st.sampled_from(
    [
        b"2026-05-01T08:00:00.000001Z",
        b"2026-05-01T08:00:00Z",
        b"2026-05-01t08:00:00.000000z",
        b"2026-05-01T08:00:00,000000Z",
        b"2026-05-01 08:00:00.000000Z",
        b"2026-W18-5T08:00:00.000000Z",
        b"2026-05-01T24:00:00.000000Z",
        b"2026-05-01T08:00:60.000000Z",
        b"2026-02-30T08:00:00.000000Z",
        b"0000-05-01T08:00:00.000000Z",
        b"2026-05-01T08:00:00.00000+0",
        b"2026-05-01T08:00:00.0000 0Z",
        b"+026-05-01T08:00:00.000000Z",
        b"2026-05-01T08:00:00.000+05Z",
        "2026-05-01T08:00:0\N{ARABIC-INDIC DIGIT ONE}.0000Z".encode(),
    ]
)
digits_moved = st.tuples(st.integers(0, 26), st.sampled_from(b"0123456789-T:.,Z+ W")).map(
    lambda p: GOOD["ce_time"][: p[0]] + bytes([p[1]]) + GOOD["ce_time"][p[0] + 1 :]
)
subjects = st.sampled_from(
    [b"uz:K-8", b"uz:", b"uz:a b", b"kz:K-7", b"uzK", b"uz:a:b", b"uz:\x7f", "uz:ü".encode(), b"uz:" + b"k" * 121]
) | st.binary(max_size=6).map(lambda key: b"uz:" + key)
ids = st.sampled_from(
    [
        GOOD["ce_id"],
        GOOD["ce_id"].upper(),
        GOOD["ce_id"] + b"\n",
        b"x",
        b"",
        b"a b",
        b"\x00",
        "é".encode(),
        b"\xff",
        b"i" * 1024,
        b"i" * 1025,
    ]
) | st.binary(max_size=4)


@given(
    ids,
    subjects | st.just(GOOD["ce_subject"]),
    times | digits_moved,
    st.booleans(),
    st.dictionaries(st.sampled_from(LINKS), ids, max_size=2),
    st.sampled_from(list(RULES.values())),
)
def test_alike_reads_as_the_whole_envelope(
    event_id: bytes, subject: bytes, time: bytes, keyed: bool, links: dict[str, bytes], rules: Rules
) -> None:
    """The short reading says what the full one says, or leaves it to the full one."""
    headers: dict[str, bytes | None] = {**links, **GOOD, "ce_id": event_id, "ce_subject": subject, "ce_time": time}
    key = subject if keyed else b"uz:K-7"
    read = read_alike("uz", [key], [headers], links, rules)
    several = read_alike("uz", [b"uz:K-7", key], [{**GOOD, **dict.fromkeys(links, b"x")}, headers], links, rules)
    if read is None:
        assert several is None
        return
    whole = read_envelope("uz", key, headers, len(headers), rules)
    assert read == ([whole.subject], [whole.time])
    assert read[1][0].tzinfo is whole.time.tzinfo
    assert several is not None
    assert (several[0][1:], several[1][1:]) == read


def test_alike_reads_what_a_connector_writes() -> None:
    """The form that nearly all events have needs no second look, under rules of any number."""
    story = {"ce_correlationid": GOOD["ce_id"], "ce_causationid": GOOD["ce_id"]}
    for rules in RULES.values():
        assert read_alike("uz", [b"uz:K-7"], [GOOD], (), rules) is not None
        assert read_alike("uz", [b"uz:K-7"], [{**GOOD, **story}], LINKS, rules) is not None


def test_records_of_stories_have_something_in_common() -> None:
    """An event that names its story is as usual as one that does not: neither is looked at a second time."""
    reader = LeafReader()
    for links in ([], ["ce_correlationid"], ["ce_causationid", "ce_correlationid"]):
        found = set()
        for content in (b"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01", b"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d02"):
            headers = sorted({**GOOD, **dict.fromkeys(links, content)}.items())
            reader.read(Record(tuple(headers)))
            found.add(reader.common)
        (common,) = found
        assert common is not None
        assert list(common.links) == links
        assert common.is_plain


contents = st.none() | st.binary(max_size=4) | st.sampled_from([b"%b", b"%", *GOOD.values()])
changes = st.dictionaries(st.sampled_from(REQUIRED), contents, max_size=2)
names = st.sampled_from([SEAL_HEADER, "trace", "ce_causationid", "ce_correlationid", "ce_traceparent", "ce_id"])
more = st.lists(st.tuples(names, contents), max_size=3)


@given(st.lists(st.tuples(changes, more, st.booleans()), min_size=1, max_size=6))
def test_reader_finds_what_canonical_finds_in_usual_records(
    records: list[tuple[dict[str, bytes | None], Headers, bool]],
) -> None:
    """Records that are nearly alike are told apart: same bytes, same digest; a Common promises what it says."""
    reader = LeafReader()
    for changed, added, reverse in [*records, *records]:
        usual: Headers = list({**GOOD, **changed}.items())
        headers = [*(usual[::-1] if reverse else usual), *added]
        found, data, digest = reader.read(Record(tuple(headers)))
        assert found == dict(headers)
        assert data == canonical(headers, b"v")
        assert digest == sha256(b"\x00" + data).digest()
        common = reader.common
        if common is not None:
            assert len(found) == len(headers)
            assert all(found[name] is not None for name in REQUIRED)
            place = position(found)
            assert place is None or place == (common.epoch, sequence_of(found["ce_sequence"]))


@given(st.lists(st.tuples(changes, more), min_size=2, max_size=6))
def test_one_common_means_one_verdict(records: list[tuple[dict[str, bytes | None], Headers]]) -> None:
    """Where a record's envelope is good, one with the same Common can only fail by its id, subject or time."""
    reader = LeafReader()
    good = set()
    for changed, added in [({}, []), *records]:
        headers = [*{**GOOD, **changed}.items(), *added]
        found, _, _ = reader.read(Record(tuple(headers)))
        field = _broken(found, len(headers))
        if field is None:
            good.add(reader.common)
        elif reader.common is not None and reader.common in good:
            assert field in {"ce_id", "ce_sequence", "ce_subject", "ce_time", *LINKS}


def _broken(headers: dict[str, bytes | None], count: int) -> str | None:
    try:
        read_envelope("uz", headers["ce_subject"], headers, count)
    except Rejected as rejected:
        return rejected.field
    return None


@pytest.mark.parametrize(
    "content", [b"", b"0", b"01", b"-1", b" 1", b"1 ", b"+1", b"1_0", b"\xb2", b"9" * 19, b"1" * 20]
)
def test_sequence_that_is_not_a_number_from_one_is_none(content: bytes) -> None:
    """Only plain decimal numbers from 1 to 2^63-1 are sequences."""
    assert sequence_of(content) is None
