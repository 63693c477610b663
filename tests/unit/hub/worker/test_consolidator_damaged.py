"""The consolidator where somebody has edited the rows of one center: that one is parked, and no other waits for it."""

from __future__ import annotations

import pytest

from hub.hq.alarms import why_line
from hub.hq.headquarters import HqEvent
from hub.ledger.lane import Status
from hub.protocol.errors import Fatal
from hub.store.read.intakes import IntakeStanding
from tests.support.center import Center
from tests.support.consolidator import Clock, Seen, consolidator, intake, size
from tests.support.hq import Hq, center_record
from tests.support.peek import ask, edit

EDITS = [
    "UPDATE intake SET status = 'zz' WHERE center = 'uz'",
    "UPDATE intake SET next_offset = 'zz' WHERE center = 'uz'",
    "UPDATE intake SET next_offset = -5 WHERE center = 'uz'",
    "UPDATE intake SET read_upto = 'zz' WHERE center = 'uz'",
    "UPDATE intake SET why = x'00ff' WHERE center = 'uz'",
    "UPDATE intake SET lane_id = NULL WHERE center = 'uz'",
    "UPDATE intake SET lane_id = 77 WHERE center = 'uz'",
    "UPDATE lane SET size = 'zz' WHERE center = 'uz'",
    "UPDATE lane SET size = 9223372036854775807 WHERE center = 'uz'",
    "UPDATE lane SET edge = x'00ff' WHERE center = 'uz'",
    "UPDATE lane SET state_digest = 'zz' WHERE center = 'uz'",
    "UPDATE lane SET recorded_at_us = 9223372036854775807 WHERE center = 'uz'",
    "UPDATE lane SET recorded_at_us = 'zz' WHERE center = 'uz'",
    "UPDATE lane SET epoch = 'zz' WHERE center = 'uz'",
    "UPDATE lane SET origin = 'zz' WHERE center = 'uz'",
    "UPDATE lane SET center = 'zz' WHERE center = 'uz'",
]


@pytest.mark.parametrize("statement", EDITS)
async def test_center_whose_rows_are_damaged_is_parked_and_no_other_waits(staffed: Hq, statement: str) -> None:
    """It is said why, and what to do; resuming it before that helps nothing, and does no harm."""
    uz, kz = Center("uz"), Center("kz")
    await staffed.feed("uz", uz.opened(2))
    edit(staffed.database, statement)
    seen = Seen()
    worker = consolidator(staffed, seen, Clock())
    assert (await worker.assign(["uz", "kz"]))["kz"] is None
    assert seen.paused == {"uz"}
    for _ in range(2):
        status, why = intake(staffed, uz)
        assert status == Status.PARKED
        assert why.startswith("ROWS_DAMAGED ")
        assert "`hub lane resume uz`" in why_line(IntakeStanding(center="uz", cause=why))
        await staffed.store.resume("uz")
        await worker.look_again()
    await worker.handle("uz", uz.offers(1, first=50))
    await worker.handle("kz", kz.opened(3))
    assert size(staffed, kz) == 4
    assert ask(staffed.database, "SELECT count(*) FROM ledger WHERE subject LIKE 'uz:%'") == 3


async def test_rows_that_are_put_back_are_read_on_at_the_next_start(staffed: Hq) -> None:
    """As the sentence says: put back, started again, resumed."""
    uz = Center("uz")
    await staffed.feed("uz", uz.opened(2))
    edge = ask(staffed.database, "SELECT edge FROM lane WHERE center = 'uz'")
    edit(staffed.database, "UPDATE lane SET edge = x'00' WHERE center = 'uz'")
    await consolidator(staffed, Seen(), Clock()).assign(["uz"])
    edit(staffed.database, "UPDATE lane SET edge = ? WHERE center = 'uz'", edge)
    worker = consolidator(staffed, Seen(), Clock())
    await worker.assign(["uz"])
    await staffed.store.resume("uz")
    await worker.look_again()
    await worker.handle("uz", uz.offers(1, first=50))
    assert (size(staffed, uz), intake(staffed, uz)) == (4, (Status.READING, ""))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO told(center, text) VALUES ('uz', x'00ff')",
        "UPDATE intake SET presence = x'00ff' WHERE center = 'uz'",
        "UPDATE intake SET alarm = x'00ff' WHERE center = 'uz'",
    ],
)
async def test_what_is_only_heard_and_told_is_found_out_anew(staffed: Hq, statement: str) -> None:
    """It follows from what comes, so its damage stops nobody."""
    uz = Center("uz")
    await staffed.feed("uz", uz.opened(2))
    edit(staffed.database, statement)
    worker = consolidator(staffed, Seen(), Clock())
    await worker.assign(["uz"])
    await worker.handle("uz", uz.offers(1, first=50))
    await worker.look_again()
    assert (size(staffed, uz), intake(staffed, uz)) == (4, (Status.READING, ""))


async def test_hq_says_nothing_on_a_damaged_row_of_its_own(staffed: Hq) -> None:
    """Where its lane ends it does not know then."""
    edit(staffed.database, "UPDATE intake SET lane_id = NULL WHERE center = 'hq'")
    event = HqEvent("net.cohub.center.registered.v1", "by", center_record(Center("by")))
    with pytest.raises(Fatal, match="what the database has of hq can't be read"):
        await staffed.headquarters.say([event])
