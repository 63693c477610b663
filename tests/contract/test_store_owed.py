"""What every store promises of receipts that HQ has signed and its ledger has to come to again."""

from __future__ import annotations

from hub.store.owed_store import Begun, KeptReceipt
from tests.support.center import NOW, Center
from tests.support.hq import Hq


async def test_receipts_are_owed_until_the_ledger_has_them(hq: Hq) -> None:
    """In the order in which they were kept, each once, and byte for byte."""
    center, store = Center(), hq.store.owed
    await hq.feed("uz", center.opened(2))
    done = KeptReceipt("uz", center.origin, 3, b"done")
    later = KeptReceipt("uz", center.origin, 5, b"later")
    last = KeptReceipt("kz", f"{center.hub}/kz/0000abcd", 1, b"\xff")
    await store.keep([last, done])
    await store.keep([later, KeptReceipt("uz", center.origin, 5, b"other bytes")])
    assert await store.owed() == [last, later]
    assert await store.owed(["uz", "tj"]) == [later]
    assert await store.owed([]) == []
    assert await store.sizes(["uz", "kz"]) == {center.origin: 3}
    await hq.feed("uz", center.offers(2, first=70))
    assert await store.owed() == [last]


async def test_receipts_are_forgotten_by_lane_or_all(hq: Hq) -> None:
    """How many of them the ledger had not come to is told."""
    store = hq.store.owed
    kept = [KeptReceipt(center, f"h/{center}/0000abcd", 1, b"n") for center in ("uz", "kz", "tj")]
    await store.keep(kept)
    assert await store.forget([kept[1].origin]) == 1
    assert await store.owed() == [kept[0], kept[2]]
    assert await store.forget() == 2
    assert (await store.owed(), await store.forget()) == ([], 0)


async def test_log_that_begins_anew_is_confirmed_once_for_a_size(hq: Hq) -> None:
    """The largest size counts; confirmed again, the newest reason stays."""
    store = hq.store.owed
    assert await store.log_begun() == 0
    await store.begin_log(9, "the disk", NOW)
    await store.begin_log(7, "another", NOW)
    await store.begin_log(9, "the broker", NOW)
    assert await store.log_begun() == 9


async def test_log_begins_anew_and_forgets_together_what_nobody_comes_to(hq: Hq) -> None:
    """While one may be come to by itself neither is done; a center that is read again may be."""
    store = hq.store.owed
    await store.keep([KeptReceipt(center, f"h/{center}/0000abcd", 1, b"n") for center in ("uz", "kz")])
    await store.lost(["uz"], "other events have come")
    assert await store.begin_log(9, "the disk", NOW) == Begun(0, {"kz": 1})
    assert (await store.log_begun(), len(await store.owed())) == (0, 2)
    await store.lost(["kz"], "the same")
    await store.lost(["uz"], None)
    assert await store.begin_log(9, "the disk", NOW) == Begun(0, {"uz": 1})
    assert await store.begin_log(9, "the disk", NOW, all_of_it=True) == Begun(2, {})
    assert (await store.log_begun(), await store.owed()) == (9, [])


async def test_database_is_unheard_until_a_worker_has_heard(hq: Hq) -> None:
    """One that was never restored is not; to say it again changes nothing."""
    assert not await hq.store.owed.is_unheard()
    await hq.store.owed.heard()
    assert not await hq.store.owed.is_unheard()
