"""Rows become events once, and only when they say something new for long enough, and not too many at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

import pytest

from connectors.mapping.outcome import RowOutcome
from connectors.mapping.problem import Problem, Wanted
from connectors.runtime.gather import KEPT_MAX, Gathered, Gatherer
from connectors.runtime.outbox.database import OutboxFull
from connectors.runtime.outbox.rows import RowVerdict
from connectors.runtime.settings import Guard
from hub.protocol.errors import Retriable
from hub.protocol.receipt import Decision
from tests.support.office import CENTER, NOW, Office

FILE = "offers.csv"


def row(number: int, key: str, title: str = "Title", status: str = "published") -> RowOutcome:
    record = {"title": title, "language": "en", "export_control": "free"}
    mark = sha256(f"{key} {title} {status}".encode()).digest()
    wanted = Wanted("offer", f"{CENTER}:{key}", status, record, NOW, {"reason": "sold"})
    return RowOutcome(number, key, wanted, (), False, mark)


def refused(number: int, key: str = "") -> RowOutcome:
    return RowOutcome(number, key, None, (Problem("Title", "title", "TOO_LONG", "max=256"),), False, b"")


def many(count: int, title: str = "Title") -> list[RowOutcome]:
    return [row(i, f"K-{i}", title) for i in range(count)]


class Bench:
    """A gatherer on a real outbox, with a clock that the test moves."""

    def __init__(self, office: Office, settle_s: float = 0) -> None:
        self.office = office
        self.now = 1000.0
        self.gatherer = Gatherer(
            office.outbox, office.codecs, office.ids, settle_s=settle_s, guard=Guard(), clock=lambda: self.now
        )

    def take(self, outcomes: Sequence[RowOutcome], file: str = FILE, age_s: float = 0) -> Gathered:
        return self.gatherer.take(file, outcomes, entities=f"offer/{CENTER}:", age_s=age_s)

    def states(self, file: str = FILE) -> list[str]:
        return [verdict.state for verdict in self.verdicts(file)]

    def verdicts(self, file: str = FILE) -> list[RowVerdict]:
        return list(self.office.outbox.rows.verdicts(file))

    def said(self) -> list[tuple[str, str | None, str | None]]:
        """Return what was queued: each event's id, correlation and cause."""
        return self.office.outbox.database.read(
            "SELECT ce_id, correlation, causation FROM event WHERE type LIKE 'net.cohub.offer.%' ORDER BY id"
        )

    def answer(self, *decisions: Decision) -> None:
        """Seal what waits, and have HQ answer it."""
        if self.office.outbox.lane.epoch is None:
            self.office.open()
        batch = self.office.outbox.lane.seal(self.office.key)
        if batch is not None:
            self.office.answer(batch.first, batch.last, *decisions)


@pytest.fixture
def bench(office: Office) -> Bench:
    return Bench(office)


def test_take_of_new_rows_queues_one_event_each(bench: Bench) -> None:
    """Rows are pending until HQ has answered, then accepted."""
    assert bench.take([row(2, "A"), row(3, "B"), refused(4), replace(row(5, ""), wanted=None, blank=True)]).events == 2
    assert bench.states() == ["pending", "pending", "refused", "blank"]
    bench.answer()
    assert bench.states() == ["accepted", "accepted", "refused", "blank"]


def test_take_of_the_same_rows_again_says_nothing(bench: Bench) -> None:
    """A reading with nothing new queues nothing, wherever the rows have moved."""
    bench.take([row(2, "A"), row(3, "B")])
    assert bench.take([row(2, "B"), row(7, "A")]).events == 0
    bench.answer()
    assert bench.take([row(2, "A"), row(3, "B")]).events == 0
    assert bench.states() == ["accepted", "accepted"]


def test_take_of_a_row_that_leaps_tells_the_whole_way(bench: Bench) -> None:
    """A new row that is already withdrawn is published and withdrawn, and accepted once both are."""
    assert bench.take([row(2, "A", status="withdrawn")]).events == 2
    bench.answer()
    assert bench.states() == ["accepted"]
    assert bench.office.entity("A")[0] == "withdrawn"


def test_take_of_a_row_that_leaps_tells_one_story(bench: Bench) -> None:
    """The events of one change name their story and the event before; those of a row that needs but one name none."""
    bench.take([row(2, "A", status="withdrawn"), row(3, "B")])
    (first, *links), (_, *more), (_, *none) = bench.said()
    assert (links, more, none) == ([first, None], [first, first], [None, None])
    bench.answer()
    bench.take([row(2, "A", status="withdrawn"), row(3, "B", "Other")])
    assert bench.said()[-1][1:] == (None, None)


def test_take_of_a_mended_row_goes_on_with_the_story_of_its_rejection(bench: Bench) -> None:
    """What is said after a rejection has the first rejected event as its cause, however often it takes."""
    bench.take([row(2, "A", "Bad", status="withdrawn")])
    first = bench.said()[0][0]
    bench.answer(Decision(2, "CODE_NOT_LISTED", "title"), Decision(3, "UNKNOWN_ENTITY"))
    bench.take([row(2, "A", "Bad again")])
    third, *links = bench.said()[-1]
    assert links == [first, first]
    bench.answer(Decision(4, "CODE_NOT_LISTED", "title"))
    bench.office.reopen()
    bench = Bench(bench.office)
    bench.take([row(2, "A", "Good", status="withdrawn")])
    (fourth, *links), (_, *more) = bench.said()[-2:]
    assert (links, more) == ([first, third], [first, fourth])
    bench.answer()
    assert bench.states() == ["accepted"]


def test_take_after_a_rejection_was_given_up_begins_a_new_story(bench: Bench) -> None:
    """A row that went back to what HQ holds has left its rejection behind, and so has one that was accepted."""
    bench.take([row(2, "A")])
    bench.answer()
    bench.take([row(2, "A", "Bad")])
    bench.answer(Decision(3, "CODE_NOT_LISTED", "title"))
    bench.take([row(2, "A")])
    bench.take([row(2, "A", "Good")])
    assert bench.said()[-1][1:] == (None, None)


def test_take_after_a_wrong_presumption_names_what_was_rejected(bench: Bench) -> None:
    """The row that is planned once more goes on from its own rejected event."""
    bench.take([row(2, "A", "Bad")])
    bench.take([row(2, "A", "Good")])
    bench.answer(Decision(2, "CODE_NOT_LISTED", "title"), Decision(3, "UNKNOWN_ENTITY"))
    bench.take([row(2, "A", "Good")])
    _, (second, *_), (_, *links) = bench.said()
    assert links == [second, second]


def test_take_of_a_changed_row_while_the_first_is_on_its_way_presumes_it_accepted(bench: Bench) -> None:
    """The change is planned from what HQ will hold, so that it need not wait for the receipt."""
    bench.take([row(2, "A")])
    assert bench.take([row(2, "A", "Other")]).events == 1
    bench.answer()
    assert bench.states() == ["accepted"]
    types = [t for (t,) in bench.office.outbox.database.read("SELECT type FROM event ORDER BY id")]
    assert types[1:] == ["net.cohub.offer.published.v1", "net.cohub.offer.revised.v1"]


def test_take_after_a_wrong_presumption_plans_once_more(bench: Bench) -> None:
    """The first event was refused, so the second was too: the row is told again, from what HQ really holds."""
    bench.take([row(2, "A", "Bad")])
    bench.take([row(2, "A", "Good")])
    bench.answer(Decision(2, "CODE_NOT_LISTED", "title"), Decision(3, "UNKNOWN_ENTITY"))
    assert bench.states() == ["pending"]
    assert bench.take([row(2, "A", "Good")]).events == 1
    bench.answer()
    assert bench.states() == ["accepted"]


def test_take_of_a_rejected_row_waits_for_its_change(bench: Bench) -> None:
    """A rejected row is not told again; its change is; going back to what HQ holds needs no event."""
    bench.take([row(2, "A")])
    bench.answer()
    bench.take([row(2, "A", "Bad")])
    bench.answer(Decision(3, "CODE_NOT_LISTED", "title", "list=x"))
    assert [(v.state, v.code, v.field) for v in bench.verdicts()] == [("rejected", "CODE_NOT_LISTED", "title")]
    assert bench.take([row(2, "A", "Bad")]).events == 0
    assert bench.take([row(2, "A")]).events == 0
    assert bench.states() == ["accepted"]


def test_take_of_an_impossible_status_refuses_the_row(bench: Bench) -> None:
    """Nothing is sent for a way that the lifecycle does not have."""
    bench.take([row(2, "A")])
    outcome = row(2, "A")
    assert outcome.wanted is not None
    bench.take([replace(outcome, fingerprint=b"x", wanted=replace(outcome.wanted, status="sold"))])
    assert [(v.state, v.code) for v in bench.verdicts()] == [("refused", "ILLEGAL_TRANSITION")]


def test_take_of_a_copy_is_unchanged_and_a_contradicting_file_is_refused(bench: Bench) -> None:
    """Two files with one key: saying the same is no news, saying something else is for a person to settle."""
    bench.take([row(2, "A"), row(3, "B")])
    bench.answer()
    assert bench.take([row(2, "A"), row(3, "B", "Other")], "copy.csv").events == 0
    assert bench.states("copy.csv") == ["unchanged", "refused"]
    assert bench.verdicts("copy.csv")[1].code == "DUPLICATE_KEY"
    bench.gatherer.vanish(FILE)
    assert bench.take([row(2, "A"), row(3, "B", "Other")], "copy.csv").events == 1
    bench.answer()
    assert bench.states("copy.csv") == ["accepted", "accepted"]  # they are its own now


def test_take_of_a_repeated_row_is_unchanged(bench: Bench) -> None:
    """The second of two equal rows has nothing to say."""
    bench.take([row(2, "A"), replace(row(3, "A"), duplicate_of=2)])
    bench.answer()
    assert bench.states() == ["accepted", "unchanged"]


def test_take_of_a_fresh_row_waits_until_it_has_stood_still(office: Office) -> None:
    """A row is taken once it has said the same for the settling time; one that changes begins anew."""
    bench = Bench(office, settle_s=60)
    first = bench.take([row(2, "A"), row(3, "B")])
    assert (first.events, first.due_s, bench.states()) == (0, 60, ["pending", "pending"])
    bench.now += 40
    assert bench.take([row(2, "A"), row(3, "B", "Other")]).due_s == 20
    bench.now += 20
    assert bench.take([row(2, "A"), row(3, "B", "Other")]).events == 1
    bench.now += 40
    found = bench.take([row(2, "A"), row(3, "B", "Other")])
    assert (found.events, found.due_s) == (1, None)


def test_take_of_an_old_file_need_not_wait(office: Office) -> None:
    """A file that nobody has touched for the settling time is taken at once."""
    assert Bench(office, settle_s=60).take(many(3), age_s=61).events == 3


def test_take_of_too_many_changes_waits_for_approval(bench: Bench) -> None:
    """More than a fifth of the known rows at once, and at least 20, wait; other contents than the approved wait too."""
    bench.take(many(100))
    bench.answer()
    changed = many(21, "Other") + many(100)[21:]
    assert bench.take(changed).waits
    assert bench.states() == ["accepted"] * 100
    assert bench.office.outbox.rows.waiting() == [FILE]
    assert bench.office.outbox.rows.approve(FILE)
    assert bench.take(many(100, "Something else")).waits
    assert bench.take(changed).waits
    assert bench.office.outbox.rows.approve(FILE)
    assert bench.take(changed).events == 21
    assert not bench.office.outbox.rows.approve(FILE)


@pytest.mark.parametrize(("known", "changed"), [(100, 20), (19, 19), (1000, 200)])
def test_take_of_a_fifth_or_of_few_changes_goes_on(bench: Bench, known: int, changed: int) -> None:
    """A fifth is not more than a fifth, and fewer than 20 rows are anybody's daily work."""
    bench.take(many(known))
    assert bench.take(many(changed, "Other") + many(known)[changed:]).events == changed


def test_take_of_an_emptied_sheet_waits_and_withdraws_nothing(bench: Bench) -> None:
    """Rows that vanish at once are guarded like rows that change; a few that vanish are reported."""
    bench.take(many(100))
    bench.answer()
    assert bench.take([]).waits
    assert bench.take(many(95)).events == 0
    assert bench.office.outbox.status()["files"][FILE]["vanished"] == 5
    bench.take(many(100))
    assert bench.office.outbox.status()["files"][FILE]["vanished"] == 0


def test_take_of_rows_that_break_a_rule_is_no_mass_change(bench: Bench) -> None:
    """Refused rows send nothing, so they are shown at once instead of waiting."""
    bench.take(many(100))
    assert not bench.take([refused(i, f"K-{i}") for i in range(100)]).waits
    assert bench.states() == ["refused"] * 100


def test_take_on_a_full_disk_keeps_what_was_taken_and_goes_on_later(bench: Bench) -> None:
    """What a full disk has cut off is taken by the next reading, and nothing is queued twice."""
    database = bench.office.outbox.database
    pages = database.read("PRAGMA page_count")[0][0]
    database.read(f"PRAGMA max_page_count={pages + 60}")
    with pytest.raises(OutboxFull, match="free some, nothing is lost"):
        bench.take(many(3000))
    kept = database.read("SELECT count(*) FROM event")[0][0]
    assert 0 <= kept < 3000
    database.read("PRAGMA max_page_count=1000000")
    assert bench.take(many(3000)).events == 3000 - kept
    subjects = database.read("SELECT count(*), count(DISTINCT subject) FROM event")
    assert subjects == [(3000, 3000)]


def test_take_that_is_stopped_ends_as_retriable(bench: Bench) -> None:
    """A daemon that stops does not wait for a large sheet."""
    bench.gatherer.stop()
    with pytest.raises(Retriable, match="next start"):
        bench.take(many(10))


class Counted:
    """Outcomes that count how often they were gone through."""

    def __init__(self, *outcomes: RowOutcome) -> None:
        self.outcomes = outcomes
        self.times = 0

    def __iter__(self) -> Iterator[RowOutcome]:
        self.times += 1
        return iter(self.outcomes)


def test_known_file_is_mapped_once_too(bench: Bench) -> None:
    """The guard sees all of it before anything is taken, and what has to be planned is kept from there."""
    for outcomes, events in (
        (Counted(row(2, "A"), row(3, "B"), refused(4)), 2),
        (Counted(row(2, "A"), row(3, "B"), refused(4)), 0),
        (Counted(row(2, "A", "Other"), row(3, "B"), row(4, "C"), refused(5)), 2),
    ):
        assert bench.gatherer.take(FILE, outcomes).events == events
        assert outcomes.times == 1
    assert bench.states() == ["pending", "pending", "pending", "refused"]


def test_known_file_with_very_much_to_plan_is_mapped_again_and_not_kept(bench: Bench) -> None:
    """Memory is bounded: outcomes are large, and nobody adds thousands of rows to a sheet every day."""
    bench.take([row(0, "K-0")])
    outcomes = Counted(*many(KEPT_MAX + 2))
    assert bench.gatherer.take(FILE, outcomes).events == KEPT_MAX + 1
    assert outcomes.times == 2


def test_row_that_lost_its_plan_is_planned_again_though_it_says_the_same(bench: Bench) -> None:
    """What a row was planned for is asked of the entity, not of the row: a shaken plan is none."""
    bench.take([row(2, "A"), row(3, "B")])
    with bench.office.outbox.database.transaction() as connection:
        connection.execute("UPDATE entity SET fingerprint=NULL, inflight=0, presumed_status=NULL WHERE id LIKE '%:A'")
    assert bench.take([row(2, "A"), row(3, "B")]).events == 1
