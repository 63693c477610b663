"""A gap: asked for three times, then parked if a key of the center proves it, else forgotten; the proved one counts."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from hub.ledger.gap import RESEND_BACKOFF_S, Gap
from hub.protocol.cause import Cause, CauseCode

CAUSE = Cause.of(CauseCode.GAP, "0000aaaa", 3, 6)
FOUND = Gap("hub.example/uz/0000aaaa", "expected 3, got 7", CAUSE, is_proved=False, tries=0, due=0.0)
PROVED = replace(FOUND, is_proved=True)


@pytest.mark.parametrize("gap", [FOUND, PROVED])
def test_gap_is_asked_for_at_growing_distances_and_then_parked_or_forgotten(gap: Gap) -> None:
    """Anybody can write a high number: what nobody has sealed parks no lane."""
    now: Gap | None = gap
    for tries, wait_s in enumerate(RESEND_BACKOFF_S, 1):
        assert now is not None
        now = now.asked(100.0)
        assert now == replace(gap, tries=tries, due=100.0 + wait_s)
    assert now is not None
    last = now.asked(500.0)
    assert last == (replace(now, due=inf) if gap.is_proved else None)
    assert last is None or last.is_parked


def test_proved_gap_takes_the_place_of_one_that_is_not_and_no_other_does() -> None:
    """And it begins its own tries, unless it may be what was just asked for."""
    assert FOUND.after(None) == FOUND
    once = replace(FOUND, tries=1, due=5.0)
    assert replace(FOUND, why="another").after(once) == once
    assert PROVED.after(once) == replace(PROVED, tries=1, due=5.0)
    assert PROVED.after(replace(once, tries=2)) == PROVED
    assert PROVED.after(replace(once, origin="hub.example/uz/0000bbbb")) == PROVED
    kept = replace(PROVED, tries=2, due=25.0)
    assert PROVED.after(kept) == kept
