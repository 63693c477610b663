"""A receipt decides each event once, and an entity is what HQ made of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.epoch import reason_for_epoch
from connectors.runtime.outbox.answers import ReceiptOutcome
from hub.protocol.moment import write_time
from hub.protocol.receipt import Decision
from tests.support.office import CENTER, HUB, NOW, Office

FOREIGN = f"{HUB}/{CENTER}/ffffffff"


def test_take_of_a_receipt_makes_entities_accepted(office: Office) -> None:
    """Events under a receipt without a line are accepted."""
    office.queue("A")
    assert office.entity("A") == (None, "published", 1, "pending", "")
    office.open()
    office.seal()
    assert office.answer(1, 2).outcomes == [ReceiptOutcome.APPLIED]
    assert office.entity("A") == ("published", "published", 0, "accepted", "")
    assert office.outbox.status()["totals"] | {"rows": 0} == {
        "rows": 0, "accepted": 0, "refused": 0, "rejected": 0, "unchanged": 0, "blank": 0, "pending": 0,
        "events": 1, "duplicates": 0, "receipts": 1, "backlog": 0, "orphans": 0,
    }  # fmt: skip


def test_take_of_a_rejection_goes_back_to_what_hq_holds(office: Office) -> None:
    """A rejected revision leaves the entity as it was accepted before, and says why."""
    office.open()
    office.queue("A")
    office.seal()
    office.answer(1, 2)
    office.queue("A", name="revised", title="Other")
    office.seal()
    before = office.outbox.database.read("SELECT digest FROM entity")
    office.answer(3, 3, Decision(3, "CODE_NOT_LISTED", "market_keywords", "value=x"))
    assert office.entity("A") == ("published", "published", 0, "rejected", "CODE_NOT_LISTED")
    assert office.outbox.database.read("SELECT presumed_digest FROM entity") == before


def test_take_of_a_rejection_before_an_acceptance_keeps_the_old_record(office: Office) -> None:
    """Revised (rejected) then withdrawn (accepted), in two receipts: withdrawn, with the record of before."""
    office.open()
    office.queue("A")
    office.seal()
    office.answer(1, 2)
    held = office.outbox.database.read("SELECT digest FROM entity")
    office.queue("A", name="revised", title="Other")
    office.queue("A", name="withdrawn")
    office.seal()
    office.answer(3, 3, Decision(3, "BAD_FIELD", "title"))
    office.answer(4, 4)
    assert office.entity("A")[:3] == ("withdrawn", "withdrawn", 0)
    assert office.outbox.database.read("SELECT presumed_digest FROM entity") == held


def test_accepted_plan_that_was_built_on_a_rejected_one_is_made_again(office: Office) -> None:
    """The row wants the revised record, withdrawn; HQ has the old one, withdrawn: its file is planned for once more."""
    office.open()
    office.queue("A")
    office.seal()
    office.answer(1, 2)
    office.queue("A", name="revised", title="Other")
    office.queue("A", name="withdrawn")
    office.seal()
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET file='offers.csv', fingerprint=x'01'")
    assert office.answer(3, 4, Decision(3, "BAD_FIELD", "title")).replan == {"offers.csv"}
    assert office.entity("A") == ("withdrawn", "withdrawn", 0, "pending", "")


def test_take_of_the_same_receipt_again_is_a_duplicate(office: Office) -> None:
    """A stored receipt that HQ sends again changes nothing but a count."""
    office.open()
    office.queue("A", "B")
    office.seal()
    office.answer(1, 3, Decision(3, "BAD_FIELD", "title"))
    assert office.answer(1, 3).outcomes == [ReceiptOutcome.DUPLICATE]
    assert office.entity("B")[2:] == (0, "rejected", "BAD_FIELD")
    assert office.outbox.status()["totals"]["duplicates"] == 1


@pytest.mark.parametrize("order", [(2, 3, 1), (3, 1, 2), (1, 3, 2), (3, 2, 1)])
def test_take_of_receipts_in_any_order_ends_in_one_state(office: Office, order: tuple[int, ...]) -> None:
    """A hole among the receipts is filled later; the newest accepted event counts, whenever its receipt comes."""
    office.open()
    ranges = {}
    for number, name in enumerate(("published", "revised", "withdrawn"), 1):
        office.queue("A", name=name, title=name)
        batch = office.seal()
        ranges[number] = (batch.first, batch.last)
    for number in order:
        office.answer(*ranges[number])
    assert office.entity("A") == ("withdrawn", "withdrawn", 0, "accepted", "")
    revised = office.outbox.database.read("SELECT digest FROM event WHERE type LIKE '%.revised.%'")
    assert office.outbox.database.read("SELECT digest FROM entity") == revised
    assert office.outbox.lane.receipted() == 4
    assert office.outbox.status()["totals"]["backlog"] == 0


def test_take_of_an_overlapping_receipt_decides_only_what_was_open(office: Office) -> None:
    """HQ went back to an old copy and cut its commits otherwise: the first verdict of an event stays."""
    office.open()
    office.queue("A")
    office.seal()
    office.queue("B")
    office.seal()
    office.answer(1, 2)
    office.answer(1, 3, Decision(2, "BAD_FIELD"), Decision(3, "TOO_LONG"))
    assert office.entity("A")[2:] == (0, "accepted", "")
    assert office.entity("B")[2:] == (0, "rejected", "TOO_LONG")


def test_take_of_a_receipt_beyond_what_we_sealed_is_divergence(office: Office) -> None:
    """HQ holds more than this outbox: it is an old copy."""
    office.open()
    office.seal()
    assert office.answer(1, 9).outcomes == [ReceiptOutcome.DIVERGED]
    assert office.outbox.lane.receipted() == 0
    previous = office.outbox.answers.newest()
    assert previous is not None
    assert previous.size == 9
    at = write_time(NOW)
    assert f"总部已记录本通道的 9 个事件(记录时间 {at})" in office.outbox.status("zh")["alarms"]["diverged"]
    assert reason_for_epoch(office.outbox) == f"the outbox is an old copy: HQ has size 9 recorded {at}"


def test_divergence_that_an_older_release_noted_opens_the_same_lane(office: Office) -> None:
    """What the first event of the new lane says is signed: the same bytes, whoever noted the reason."""
    office.open()
    office.outbox.database.set_meta(AlarmName.DIVERGED, f"size 9 recorded {write_time(NOW)}")
    assert reason_for_epoch(office.outbox) == f"the outbox is an old copy: HQ has size 9 recorded {write_time(NOW)}"


def test_take_of_a_receipt_over_another_tree_is_divergence(office: Office) -> None:
    """HQ holds as much, and something else: another copy of this outbox wrote it."""
    office.open()
    office.seal()
    assert office.answer(1, 1, root=b"x" * 32).outcomes == [ReceiptOutcome.DIVERGED]


def test_take_of_a_foreign_lane_stops_only_after_ours_was_opened(office: Office) -> None:
    """A lane from before ours is the one that ours continues; one that comes later means another machine."""
    assert office.answer(1, 5, origin=FOREIGN).outcomes == [ReceiptOutcome.STRAY]
    office.open()
    assert office.answer(1, 5, origin=FOREIGN).outcomes == [ReceiptOutcome.STRAY]
    assert office.answer(1, 5, origin=f"{HUB}/{CENTER}/eeeeeeee").outcomes == [ReceiptOutcome.FOREIGN]
    assert office.outbox.status()["alarms"]["foreign"].startswith("another machine writes for this center")
    assert f"the lane {HUB}/{CENTER}/eeeeeeee, recorded" in office.outbox.status()["alarms"]["foreign"]
    office.outbox.epoch_new("this machine goes on")
    assert "foreign" not in office.outbox.status()["alarms"]
    assert office.answer(1, 5, origin=f"{HUB}/{CENTER}/eeeeeeee").outcomes == [ReceiptOutcome.STRAY]


def test_take_of_already_exists_learns_that_hq_has_it(office: Office) -> None:
    """What another outbox has published exists, in the status that HQ tells; its record is unknown."""
    office.open()
    office.queue("A")
    office.seal()
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET file='offers.csv', fingerprint=x'01'")
    taken = office.answer(1, 2, Decision(2, "ALREADY_EXISTS", "", "status=withdrawn"))
    assert taken.replan == {"offers.csv"}
    assert office.entity("A") == ("withdrawn", "withdrawn", 0, "pending", "")
    assert office.outbox.database.read("SELECT presumed_digest, fingerprint FROM entity") == [(b"", None)]


def test_rows_of_a_stream_that_hq_allows_now_are_planned_again(office: Office) -> None:
    """Nobody would change them: nothing is wrong with the rows. Other rejections, and streams, stay as they are."""
    office.open()
    office.queue("A")
    office.queue("B")
    office.seal()
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET file='offers.csv', fingerprint=x'01'")
    office.answer(2, 3, Decision(2, "STREAM_NOT_ALLOWED", "", "stream=offer"), Decision(3, "TIME_IN_FUTURE", "", ""))
    answers = office.outbox.answers
    assert answers.replan_allowed({"partner"}) == set()
    assert office.entity("A")[3:] == ("rejected", "STREAM_NOT_ALLOWED")
    assert answers.replan_allowed({"offer", "partner"}) == {"offers.csv"}
    assert (office.entity("A")[3:], office.entity("B")[3:]) == (("pending", ""), ("rejected", "TIME_IN_FUTURE"))
    marks = office.outbox.database.read("SELECT fingerprint FROM entity ORDER BY id")
    assert marks == [(None,), (b"\x01",)]
    assert answers.replan_allowed({"offer", "partner"}) == set()


def test_take_position_survives_with_the_receipt(office: Office) -> None:
    """Receipt and position are one transaction."""
    office.open()
    office.seal()
    office.answer(1, 1)
    office.reopen()
    assert office.outbox.answers.position == 1
    assert office.outbox.status()["totals"]["receipts"] == 1


def test_receipt_by_a_retired_key_that_is_dated_back_is_refused(office: Office) -> None:
    """Whoever has a stolen key can write any time into a receipt, but not one that lies before what came already."""
    office.open()
    office.queue("A", "B", "C")
    office.seal()
    retired = NOW + timedelta(days=1)
    assert office.answer(1, 1, retired_at=retired).outcomes == [ReceiptOutcome.APPLIED]
    assert office.answer(3, 3, at=retired).outcomes == [ReceiptOutcome.APPLIED]
    # What lies before the retirement's first receipt was signed at its time, and may come late.
    assert office.answer(2, 2, retired_at=retired).outcomes == [ReceiptOutcome.APPLIED]
    office.queue("D")
    office.seal()
    before = office.outbox.answers.newest()
    assert office.answer(4, 5, Decision(5, "BAD_FIELD"), retired_at=retired).outcomes == [ReceiptOutcome.BACKDATED]
    assert office.answer(6, 9, retired_at=retired).outcomes == [ReceiptOutcome.BACKDATED]  # nor does it open a new lane
    assert (office.outbox.answers.newest(), office.outbox.lane.receipted()) == (before, 3)
    assert office.entity("D")[3] == "pending"
    assert office.answer(4, 5, at=retired).outcomes == [ReceiptOutcome.APPLIED]
