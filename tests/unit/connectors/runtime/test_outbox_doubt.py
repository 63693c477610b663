"""What an earlier lane may have told HQ is in doubt, once a later one is answered otherwise."""

from __future__ import annotations

from hub.protocol.receipt import Decision
from tests.support.office import CENTER, HUB, Office

UNLISTED = "CODE_NOT_LISTED"


def test_event_that_an_earlier_lane_may_have_told_hq_is_in_doubt_once_it_is_rejected(office: Office) -> None:
    """HQ has accepted it in lane 1, and rejects it in lane 3, for its code is listed no more: HQ may have it."""
    office.open()
    office.queue("A")
    office.seal()  # HQ accepts it, and its receipt is never read
    office.open(f"{HUB}/{CENTER}/00000002", "lost")
    office.seal()  # HQ says that it has it, and is not heard either
    office.queue("B")
    office.open(f"{HUB}/{CENTER}/00000003", "lost")
    office.seal()
    office.answer(1, 3, Decision(2, UNLISTED, "market_keywords", "x"), Decision(3, UNLISTED, "market_keywords", "x"))
    assert office.entity("A") == ("", "", 0, "rejected", UNLISTED)
    assert office.entity("B") == (None, None, 0, "rejected", UNLISTED)  # it was never sent before


def test_event_that_was_sealed_two_lanes_ago_is_in_doubt_though_the_last_lane_never_sealed_it(office: Office) -> None:
    """What HQ was told once it was told, however many lanes are opened before it is said again."""
    office.open()
    office.queue("A")
    office.seal()
    office.open(f"{HUB}/{CENTER}/00000002", "lost")
    office.open(f"{HUB}/{CENTER}/00000003", "lost")
    office.reopen()
    office.queue("B")
    office.seal()
    office.answer(1, 3, Decision(2, UNLISTED), Decision(3, UNLISTED))
    assert (office.entity("A")[0], office.entity("B")[0]) == ("", None)
    assert [orphan.subject for orphan in office.outbox.orphans.all()] == []  # a row may name it still


def test_revision_that_an_earlier_lane_may_have_told_hq_leaves_no_record_known(office: Office) -> None:
    """A row that is put back to what HQ had before is said: HQ may have the other record."""
    office.open()
    office.queue("A")
    office.seal()
    office.answer(1, 2)
    office.queue("A", name="revised", title="Other")
    office.seal()
    office.open(f"{HUB}/{CENTER}/00000002", "lost")
    office.seal()
    office.answer(1, 2, Decision(2, UNLISTED, "market_keywords", "x"))
    assert office.entity("A") == ("published", "published", 0, "rejected", UNLISTED)
    assert office.outbox.database.read("SELECT digest, presumed_digest FROM entity") == [(b"", b"")]


def test_outbox_that_hq_knows_more_than_is_unsure_of_what_it_never_told(office: Office) -> None:
    """A lost outbox: what was queued before it was known, and what is queued later, HQ may have by the one before."""
    office.queue("A")
    office.queue("C")
    assert office.outbox.rows.forget_held() == set()
    office.open(reason="a new outbox for a center that HQ knows")
    office.queue("B")
    office.seal()
    office.answer(1, 4, Decision(2, UNLISTED), Decision(4, UNLISTED))
    for key in "AB":
        assert office.entity(key) == ("", "", 0, "rejected", UNLISTED)
    assert office.entity("C")[:2] == ("published", "published")
    office.queue("A")
    office.seal()
    office.answer(5, 5)
    assert office.entity("A") == ("published", "published", 0, "accepted", "")
