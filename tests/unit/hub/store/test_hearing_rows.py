"""Whom HQ has heard, out of its database."""

from __future__ import annotations

from pathlib import Path

from hub.ledger.lane import Status
from hub.ledger.witness import Witnesses
from hub.store.log_rows import Heard
from tests.support.center import Center
from tests.support.hq import Hq, center_record
from tests.support.peek import edit
from tests.support.witness import Witness

COSIGNED = (
    "WITH RECURSIVE n(size) AS (SELECT ?1 UNION ALL SELECT size + 1 FROM n WHERE size < ?2)"
    " INSERT INTO cosignature(size, name, key_id, center, value, cosigned_at_us, received_at_us)"
    " SELECT size, ?3, x'00', ?3, x'00', 0, 0 FROM n"
)


async def test_witness_that_cosigned_long_ago_is_known_behind_thousands_of_newer_cosignatures(tmp_path: Path) -> None:
    """The newest are looked at first; whoever is not among them is found all the same, or has never cosigned."""
    centers = [Center(name) for name in ("uz", "kz", "tj")]
    hq = await Hq.open(tmp_path)
    for center in centers:
        await hq.register(center, keys=[*center_record(center)["keys"], Witness(center).key()])
    await hq.store.claim([center.id for center in centers], "test")
    edit(hq.database, COSIGNED, 1, 1, "kz")
    edit(hq.database, COSIGNED, 1, 3000, "uz")
    witnesses = Witnesses.of((await hq.headquarters.basis()).registry)
    found = await hq.store.log.hearing(witnesses)
    assert found == {name: Heard(None, reads=True, cosigned=name != "tj") for name in ("uz", "kz", "tj")}
    edit(hq.database, "UPDATE intake SET status = ? WHERE center = 'uz'", Status.PARKED)
    assert (await hq.store.log.hearing(witnesses))["uz"] == Heard(None, reads=False, cosigned=True)
    edit(hq.database, COSIGNED, 3001, 3001, "tj")
    assert all(each.cosigned for each in (await hq.store.log.hearing(witnesses)).values())
    await hq.store.close()
