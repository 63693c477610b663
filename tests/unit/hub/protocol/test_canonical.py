"""Canonical bytes read again: the fast reader and the plain one never differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.canonical import CanonicalReader
from hub.protocol.errors import Malformed
from hub.protocol.record import canonical, split_canonical
from tests.support.center import Center, Sent, offer

CENTER = Center()
PUBLISHED = CENTER.event("net.cohub.offer.published.v1", "K-7", offer())
GOOD = canonical(PUBLISHED.headers, PUBLISHED.value)
ID = "019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01"
LINKED = [
    CENTER.event("net.cohub.offer.revised.v1", "K-7", offer(), **links)
    for links in ({"correlation_id": ID}, {"correlation_id": ID, "causation_id": ID}, {"causation_id": ID})
]
CONTENT = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b",", b"7:ce_time,", b"5:a,11:ce_sequence,1:1,", b"x" * 36, b"uz:K-8", b"0", b"01"]),
)
NAMES = st.sampled_from([name for name, _ in LINKED[1].headers])


def plain(data: bytes) -> object:
    try:
        headers, value = split_canonical(data)
    except Malformed:
        return Malformed
    return dict(headers), headers, value


def fast(reader: CanonicalReader, data: bytes) -> object:
    try:
        headers, listed, value = reader.read(data)
    except Malformed:
        return Malformed
    return headers, list(listed), value


@given(
    st.sampled_from([PUBLISHED, *LINKED]),
    st.lists(st.tuples(NAMES, st.none() | CONTENT), max_size=4),
    st.binary(max_size=20),
)
def test_any_headers_are_read_as_the_plain_reader_reads_them(
    usual: Sent, changes: list[tuple[str, bytes | None]], value: bytes
) -> None:
    """Contents that look like netstrings, of other lengths, or null take no reader in."""
    reader = CanonicalReader()
    reader.read(GOOD)
    reader.read(canonical(usual.headers, usual.value))
    record: Sent = usual
    for name, content in changes:
        record = record.header(name, content)
    data = canonical(record.headers, value)
    assert fast(reader, data) == plain(data)
    assert fast(reader, data) == plain(data)  # with the pattern that the first reading may have left
    assert fast(reader, GOOD) == plain(GOOD)


@pytest.mark.parametrize("record", [PUBLISHED, *LINKED], ids=["single", "first", "later", "answer"])
def test_every_flipped_byte_is_read_as_the_plain_reader_reads_it(record: Sent) -> None:
    """Damage never makes the fast reader say something else."""
    reader = CanonicalReader()
    good = canonical(record.headers, record.value)
    reader.read(good)
    for at in range(len(good)):
        for change in (1, 0x80, good[at] ^ ord("9"), good[at] ^ ord(",")):
            data = bytearray(good)
            data[at] ^= change
            assert fast(reader, bytes(data)) == plain(bytes(data))
    for end in range(len(good)):
        assert fast(reader, good[:end]) == plain(good[:end])


def test_records_of_stories_leave_one_pattern_for_each_kind() -> None:
    """Ids differ in every record, and that is no reason to make a pattern for each: it costs more than reading."""
    reader = CanonicalReader()
    for number in range(5):
        for links in ([], ["correlation_id"], ["correlation_id", "causation_id"]):
            told = dict.fromkeys(links, f"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d{number:02}")
            record = CENTER.event("net.cohub.offer.published.v1", f"K-{number}", offer(), **told)
            data = canonical(record.headers, record.value)
            assert fast(reader, data) == plain(data)
    assert len(reader._forms) == 3


def test_links_of_another_length_leave_no_pattern() -> None:
    """A center may name its stories as it likes; they are read plainly."""
    reader = CanonicalReader()
    for text in ("", "short", "x" * 200):
        record = CENTER.event("net.cohub.offer.published.v1", "K-7", offer(), correlation_id=text, causation_id=ID)
        data = canonical(record.headers, record.value)
        assert fast(reader, data) == plain(data)
    assert not reader._forms


def test_usual_record_has_the_common_part_of_the_first_like_it() -> None:
    """What deciding remembers of a record holds for those that are alike."""
    reader = CanonicalReader()
    reader.read(GOOD)
    first = reader.common
    other = CENTER.event("net.cohub.offer.published.v1", "K-8", offer())
    reader.read(canonical(other.headers, other.value))
    assert first is not None
    assert reader.common is first
