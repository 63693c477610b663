"""What every store promises of invitations: one that stands for a center, and moves that nobody overtakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hub.ledger.invitation import VALID_FOR, Issued, Stage
from tests.support.center import NOW
from tests.support.hq import Hq

ONE, OTHER = "11" * 32, "22" * 32
UZ = Issued("0badcafe", "uz", NOW, NOW + VALID_FOR)
KZ = Issued("0badcaff", "kz", NOW + timedelta(seconds=1), NOW + VALID_FOR)


async def test_invitation_is_kept_as_it_is(hq: Hq) -> None:
    """With what is sealed of it, and in the order in which they were made."""
    store = hq.store.invitations
    assert await store.find(UZ.id) is None
    assert await store.issue(KZ, b"k")
    assert await store.issue(UZ, b"u")
    assert await store.every() == [UZ, KZ]
    found = await store.find(UZ.id)
    assert found is not None
    assert (found.issued, found.sealed, found.request) == (UZ, b"u", None)


async def test_center_has_one_that_stands(hq: Hq) -> None:
    """Another is kept once the one before has ended."""
    store, second = hq.store.invitations, replace(UZ, id="00000002")
    assert await store.issue(UZ, b"u")
    asked = UZ.asked(ONE, NOW)
    contested = asked.asked(OTHER, NOW)
    before = UZ
    for stands in (asked, contested):
        assert not await store.issue(second, b"s")
        assert await store.move(before, stands)
        before = stands
    assert not await store.issue(second, b"s")
    assert await store.move(before, replace(before, stage=Stage.WITHDRAWN, ended_at=NOW))
    assert await store.issue(second, b"s")


async def test_move_is_whole_and_never_from_what_is_no_more(hq: Hq) -> None:
    """Of two who move the same one is too late, and writes nothing."""
    store = hq.store.invitations
    await store.issue(UZ, b"u")
    asked = UZ.asked(ONE, NOW)
    assert await store.move(UZ, asked, b"request")
    assert not await store.move(UZ, UZ.asked(OTHER, NOW), b"other")
    found = await store.find(UZ.id)
    assert found is not None
    assert (found.issued, found.request) == (asked, b"request")
    later = replace(asked, stage=Stage.CONFIRMED, ended_at=NOW, heeded_at=NOW, other=OTHER, other_at=NOW)
    assert await store.move(asked, later)
    found = await store.find(UZ.id)
    assert found is not None
    assert (found.issued, found.request) == (later, b"request")
    assert not await store.move(replace(later, id="00000009"), later)
