"""What names a span, and what names none: W3C's form, and nothing of any other is an error."""

from __future__ import annotations

import pytest

from hub.protocol.traceparent import Traceparent, read_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
USUAL = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "is_sampled"),
    [
        (USUAL, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-ff", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-a-later-version-adds", True),
    ],
)
def test_span_is_read(text: str, is_sampled: bool) -> None:
    """Of later versions as far as this one goes."""
    assert read_traceparent(text.encode()) == Traceparent(int(TRACE, 16), int(SPAN, 16), is_sampled)


def test_span_is_written_as_it_was_read() -> None:
    found = read_traceparent(USUAL.encode())
    assert found is not None
    assert found.to_text() == USUAL
    assert Traceparent(1, 2, is_sampled=False).to_text() == f"00-{1:032x}-{2:016x}-00"


@pytest.mark.parametrize(
    "content",
    [
        None, b"", b"00", USUAL.encode()[:-1], USUAL.encode() + b"0", USUAL.encode() + b"-more", b" " + USUAL.encode(),
        USUAL.upper().encode(), USUAL.replace("-", "_").encode(), f"ff-{TRACE}-{SPAN}-01".encode(),
        f"00-{'0' * 32}-{SPAN}-01".encode(), f"00-{TRACE}-{'0' * 16}-01".encode(), f"cc-{TRACE}-{SPAN}-01.x".encode(),
        USUAL.replace("0a", "0g").encode(), "Ы".encode() * 55, b"\xff" * 55, USUAL.encode() * 100,
        USUAL.encode() + b"\n", b"00-" + b"\xd9\xa3" * 16 + f"-{SPAN}-01".encode(),
    ],
)  # fmt: skip
def test_what_is_of_no_trace_names_none(content: bytes | None) -> None:
    assert read_traceparent(content) is None
