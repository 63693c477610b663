"""What the tests of the protocol share: keys that are not secret, and systematic damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest

from hub.protocol.errors import Malformed, Rejected
from hub.protocol.note import Signer

HUB = "hub.example"


def make_key(name: str, label: str = "") -> Signer:
    """Return the test key of this name; its seed is public, as it is a hash of the name."""
    return Signer(name, sha256(f"cohub test key {name}{label}".encode()).digest())


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield `data` cut at every length, then with every single bit flipped."""
    yield from (data[:size] for size in range(len(data)))
    for at in range(len(data)):
        for bit in range(8):
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


@pytest.fixture
def key() -> Callable[..., Signer]:
    """Return what makes a test key from a name."""
    return make_key


@pytest.fixture
def refused() -> Callable[[Callable[[bytes], object], bytes], int]:
    """Return a check that counts the damaged forms a reader takes; it must raise nothing but our refusals."""

    def check(read: Callable[[bytes], object], data: bytes) -> int:
        taken = 0
        for broken in damaged(data):
            try:
                read(broken)
            except (Malformed, Rejected):
                continue
            taken += 1
        return taken

    return check
