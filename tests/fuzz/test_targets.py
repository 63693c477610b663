"""Each parser is tried with what was found to be hard for it, and with a few hundred mutations, at each run."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import kept
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

EXAMPLES = int(os.environ.get("COHUB_FUZZ_EXAMPLES", "60"))


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_what_was_kept_is_read_or_refused(target: Target) -> None:
    """Every seed and every input of the corpus is an answer."""
    assert target.seeds()
    for data in (b"", *target.seeds(), *kept(target.name)):
        target(data)


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_mutations_are_read_or_refused(target: Target) -> None:
    """Whatever is done to what it usually reads, and any bytes, are an answer."""
    seeds = [*target.seeds(), *kept(target.name)]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.binary(max_size=200), st.builds(mutated, st.sampled_from(seeds), st.integers(0, 2**32))))
    def tried(data: bytes) -> None:
        target(data)

    tried()


def mutated(seed: bytes, number: int) -> bytes:
    """Return `seed` with a few things done to it, by this number."""
    chance, data = random.Random(number), bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        at, what = chance.randint(0, len(data)), chance.randint(0, 4)
        if what == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif what == 1:
            del data[at : at + chance.randint(1, 16)]
        elif what == 2:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
        elif what == 3:
            data[at:at] = data[: chance.randint(1, 64)]
        else:
            data[at:at] = chance.choice((b"\0", b"\n", b"\r\n", b"\x85", b"\xff\xfe", "٣".encode(), b"9" * 5000, b"-1"))
    return bytes(data)
