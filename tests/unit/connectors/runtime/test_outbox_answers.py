"""A receipt decides each event once, and an entity is what HQ made of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson
import pytest

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.epoch import reason_for_epoch
from connectors.runtime.outbox.answers import Listed
from connectors.runtime.outbox.meta import Foreign, Meta, began
from connectors.runtime.outbox.origins import ReceiptOutcome
from hub.protocol.errors import Fatal
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
    previous = office.outbox.answers.origins.newest()
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
    office.seal()
    office.answer(1, 1)
    assert office.answer(1, 5, origin=FOREIGN).outcomes == [ReceiptOutcome.STRAY]
    later = NOW + timedelta(seconds=1)
    assert office.answer(1, 5, origin=f"{HUB}/{CENTER}/eeeeeeee", at=later).outcomes == [ReceiptOutcome.FOREIGN]
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
    before = office.outbox.answers.origins.newest()
    assert office.answer(4, 5, Decision(5, "BAD_FIELD"), retired_at=retired).outcomes == [ReceiptOutcome.BACKDATED]
    assert office.answer(6, 9, retired_at=retired).outcomes == [ReceiptOutcome.BACKDATED]  # nor does it open a new lane
    assert (office.outbox.answers.origins.newest(), office.outbox.lane.receipted()) == (before, 3)
    assert office.entity("D")[3] == "pending"
    assert office.answer(4, 5, at=retired).outcomes == [ReceiptOutcome.APPLIED]


OTHER = f"{HUB}/{CENTER}/eeeeeeee"
EARLIER, LATER = NOW - timedelta(days=9), NOW + timedelta(seconds=1)


def test_receipt_of_a_former_lane_that_is_said_again_stops_nobody(office: Office) -> None:
    """An office that was made anew does not know its former lanes: HQ's clock tells that ours has followed them."""
    office.open()
    office.seal()
    office.answer(1, 1)
    newest = office.outbox.answers.origins.newest()
    for at in (EARLIER, NOW):
        assert office.answer(1, 9, origin=OTHER, at=at).outcomes == [ReceiptOutcome.STRAY]
    assert reason_for_epoch(office.outbox) is None
    assert office.outbox.answers.origins.newest() == newest  # nor does our next lane say that it continues that one
    office.reopen()
    assert office.answer(1, 9, origin=OTHER, at=EARLIER).outcomes == [ReceiptOutcome.STRAY]
    assert office.answer(1, 9, origin=OTHER, at=LATER).outcomes == [ReceiptOutcome.FOREIGN]
    with pytest.raises(Fatal):
        reason_for_epoch(office.outbox)


@pytest.mark.parametrize(("at", "stops"), [(EARLIER, False), (NOW, False), (LATER, True)])
def test_lane_that_is_met_before_hq_has_recorded_ours_is_judged_when_it_has(
    office: Office, at: datetime, stops: bool
) -> None:
    """Of two lanes that are open at once HQ closes the one that it took first: the later one goes on."""
    office.open()
    office.queue("A")
    office.seal()
    assert office.answer(1, 9, origin=OTHER, at=at).outcomes == [ReceiptOutcome.MET]
    assert office.answer(1, 2, origin=OTHER, at=EARLIER).outcomes == [ReceiptOutcome.MET]
    assert reason_for_epoch(office.outbox) is None
    office.reopen()
    expected = ReceiptOutcome.FOREIGN if stops else ReceiptOutcome.APPLIED
    assert office.answer(1, 2).outcomes == [expected]
    assert office.entity("A")[3] == "accepted"
    assert ("foreign" in office.outbox.status()["alarms"]) == stops


def test_outbox_of_an_older_release_knows_when_its_lane_began(office: Office) -> None:
    """It kept no such time: then it is that of its oldest receipt."""
    office.open()
    office.seal()
    office.answer(1, 1)
    office.outbox.database.set_meta(began(1), None)
    assert office.answer(1, 9, origin=OTHER, at=EARLIER).outcomes == [ReceiptOutcome.STRAY]
    assert office.answer(1, 9, origin=OTHER, at=LATER).outcomes == [ReceiptOutcome.FOREIGN]


@pytest.mark.parametrize(
    ("origin", "at"),
    [(f"{HUB}/kz/eeeeeeee", LATER), (f"other.example/{CENTER}/eeeeeeee", LATER), (OTHER, EARLIER)],
)
def test_what_an_older_release_was_stopped_by_is_forgotten_where_it_was_nothing(
    office: Office, origin: str, at: datetime
) -> None:
    """One receipt of another center, copied onto our topic, ended it at every start; its next lane continued that."""
    office.open()
    office.seal()
    office.answer(1, 1)
    office.outbox.database.set_foreign(Foreign(origin, at))
    if CENTER not in origin or HUB not in origin:
        newest = {"origin": origin, "size": 9, "root": "eHh4"}
        office.outbox.database.set_meta(Meta.NEWEST, orjson.dumps(newest).decode())
    office.outbox.claim(HUB, CENTER)
    assert reason_for_epoch(office.outbox) is None
    found = office.outbox.answers.origins.newest()
    assert found is None or found.origin == office.outbox.lane.origin


def test_foreign_lane_that_is_one_still_stops_after_an_update(office: Office) -> None:
    """What an older release was stopped by rightly stays."""
    office.open()
    office.seal()
    office.answer(1, 1)
    office.outbox.database.set_foreign(Foreign(OTHER, LATER))
    office.outbox.claim(HUB, CENTER)
    with pytest.raises(Fatal):
        reason_for_epoch(office.outbox)


def test_event_that_hq_had_already_reads_accepted(office: Office) -> None:
    """What is said again in a new lane, and is what HQ has, is no rejection: of the row, its entity and the counts."""
    office.open()
    office.queue("A")
    office.seal()
    office.answer(1, 2, Decision(2, "ALREADY_SAID", "", "status=published"))
    assert office.entity("A") == ("published", "published", 0, "accepted", "")
    assert office.outbox.database.read("SELECT count(*) FROM rejection") == [(0,)]
    assert office.outbox.database.read("SELECT digest = presumed_digest FROM entity") == [(1,)]


def test_story_that_is_said_again_and_whose_last_event_hq_has_is_planned_to_be_accepted(office: Office) -> None:
    """Published and withdrawn, both in HQ already: the first is rejected as that is no step, the last was said."""
    office.open()
    office.queue("A")
    office.queue("A", name="withdrawn")
    office.seal()
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET file='offers.csv', fingerprint=x'01'")
    taken = office.answer(
        1, 3, Decision(2, "ALREADY_EXISTS", "", "status=withdrawn"), Decision(3, "ALREADY_SAID", "", "")
    )
    assert taken.replan == {"offers.csv"}
    assert office.entity("A") == ("withdrawn", "withdrawn", 0, "pending", "")


LISTS = {"technology": {"laser", "plasma"}}
NEW_SCHEMA = "urn:sha256:" + "ab" * 31 + "c1"


@pytest.mark.parametrize(
    ("code", "params", "centers", "lists", "again"),
    [
        ("UNKNOWN_CENTER", "value=kz", {"kz", "uz"}, {}, True),
        ("UNKNOWN_CENTER", "value=kz", {"uz"}, {}, False),
        ("UNKNOWN_CENTER", "", {"kz"}, LISTS, False),
        ("CODE_NOT_LISTED", "list=technology value=laser", {"uz"}, LISTS, True),
        ("CODE_NOT_LISTED", "list=technology value=maser", {"uz"}, LISTS, False),
        ("CODE_NOT_LISTED", "list=gone value=laser", {"uz"}, LISTS, True),
        ("CODE_NOT_LISTED", "value=laser", {"uz"}, LISTS, False),
        ("CODE_NOT_LISTED", "value=kz", {"kz"}, LISTS, False),
        ("UNKNOWN_SCHEMA", NEW_SCHEMA, {"uz"}, LISTS, True),
        ("UNKNOWN_SCHEMA", NEW_SCHEMA[:-1] + "0", {"uz"}, LISTS, False),
        ("UNKNOWN_SCHEMA", "expected id 1, got 2", {"uz"}, LISTS, False),
        ("BAD_FIELD", "value=kz", {"kz"}, LISTS, False),
    ],
)
def test_rows_rejected_for_what_hq_lacked_are_planned_again_once_it_has_it(
    office: Office, code: str, params: str, centers: set[str], lists: dict[str, set[str]], again: bool
) -> None:
    """A center, a code or a schema that is there now: nobody would change such a row. Others stay as they are."""
    office.open()
    office.queue("A")
    office.seal()
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET file='offers.csv', fingerprint=x'01'")
    office.answer(1, 2, Decision(2, code, "partner_center", params))
    listed = Listed(2, (), centers, lists, {NEW_SCHEMA})
    assert office.outbox.answers.replan_listed(listed) == ({"offers.csv"} if again else set())
    assert office.entity("A")[3:] == (("pending", "") if again else ("rejected", code))
    assert office.outbox.answers.replan_listed(listed) == set()


@pytest.mark.parametrize(
    ("decision", "size", "again"),
    [
        (Decision(2, "UNKNOWN_CENTER", "partner_center", "value=kz"), 2, True),
        (Decision(2, "CODE_NOT_LISTED", "technologies.0", "list=technology value=laser"), 2, True),
        (Decision(2, "STREAM_NOT_ALLOWED", "", "stream=offer"), 2, True),
        (Decision(2, "UNKNOWN_SCHEMA", "ce_dataschema", NEW_SCHEMA), 2, True),
        (Decision(2, "UNKNOWN_CENTER", "partner_center", "value=kz"), 1, False),
        (Decision(2, "UNKNOWN_CENTER", "partner_center", "value=am"), 2, False),
        (Decision(2, "BAD_FIELD", "title", "value=kz"), 2, False),
    ],
)
def test_verdict_of_an_earlier_basis_than_is_known_is_not_waited_with(
    office: Office, decision: Decision, size: int, again: bool
) -> None:
    """HQ listed it while the event was on its way: when that became known, there was no verdict yet to look at."""
    office.open()
    office.queue("A")
    office.seal()
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET file='offers.csv', fingerprint=x'01'")
    office.outbox.answers.listed = lambda: Listed(size, {"offer"}, {"uz", "kz"}, LISTS, {NEW_SCHEMA})
    taken = office.answer(1, 2, decision)  # judged at the basis 1
    assert taken.replan == ({"offers.csv"} if again else set())
    assert office.entity("A")[3:] == (("pending", "") if again else ("rejected", decision.code))
    assert office.answer(1, 2, decision).replan == set()
