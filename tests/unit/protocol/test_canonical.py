"""Canonical bytes read again: the fast reader and the plain one never differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.canonical import CanonicalReader
from hub.protocol.errors import Malformed
from hub.protocol.record import canonical, split_canonical
from tests.support.center import Center, Sent, offer

CENTER = Center()
PUBLISHED = CENTER.event("net.cohub.offer.published.v1", "K-7", offer())
GOOD = canonical(PUBLISHED.headers, PUBLISHED.value)
CONTENT = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b",", b"7:ce_time,", b"5:a,11:ce_sequence,1:1,", b"x" * 36, b"uz:K-8", b"0", b"01"]),
)
NAMES = st.sampled_from([name for name, _ in PUBLISHED.headers])


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


@given(st.lists(st.tuples(NAMES, st.none() | CONTENT), max_size=4), st.binary(max_size=20))
def test_any_headers_are_read_as_the_plain_reader_reads_them(
    changes: list[tuple[str, bytes | None]], value: bytes
) -> None:
    """Contents that look like netstrings, of other lengths, or null take no reader in."""
    reader = CanonicalReader()
    reader.read(GOOD)
    record: Sent = PUBLISHED
    for name, content in changes:
        record = record.header(name, content)
    data = canonical(record.headers, value)
    assert fast(reader, data) == plain(data)
    assert fast(reader, data) == plain(data)  # with the pattern that the first reading may have left
    assert fast(reader, GOOD) == plain(GOOD)


def test_every_flipped_byte_is_read_as_the_plain_reader_reads_it() -> None:
    """Damage never makes the fast reader say something else."""
    reader = CanonicalReader()
    reader.read(GOOD)
    for at in range(len(GOOD)):
        for change in (1, 0x80, GOOD[at] ^ ord("9"), GOOD[at] ^ ord(",")):
            data = bytearray(GOOD)
            data[at] ^= change
            assert fast(reader, bytes(data)) == plain(bytes(data))
    for end in range(len(GOOD)):
        assert fast(reader, GOOD[:end]) == plain(GOOD[:end])


def test_common_of_a_usual_record_is_that_of_the_first_like_it() -> None:
    """What deciding remembers of a record holds for those that are alike."""
    reader = CanonicalReader()
    reader.read(GOOD)
    first = reader.common
    other = CENTER.event("net.cohub.offer.published.v1", "K-8", offer())
    reader.read(canonical(other.headers, other.value))
    assert first is not None
    assert reader.common is first
