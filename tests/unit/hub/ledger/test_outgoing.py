"""What is published next: every move by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hub.domain.stream import HQ
from hub.ledger.flight import Answering, Loading, Looking, Publishing
from hub.ledger.outgoing import (
    ANSWERS_MAX,
    CURSOR_DELAY_MAX_S,
    QUEUE_EVENTS_MAX,
    ROOM_EVENTS,
    SEND_EVENTS_MAX,
    Outgoing,
)
from hub.ledger.publication import Answer, Publication
from tests.support.outgoing import lane, published, without_bytes

NOW = 1000.0
LATER = 2000.0
ANSWER = Answer("uz", "resend", b"note")
AGAIN = Answer("uz", "receipt", b"note")


def fresh(**changes: object) -> Outgoing:
    """Return where publishing stands when SQL has told all that there was: nothing to do."""
    return replace(Outgoing(behind=frozenset(), is_linked=True), **changes)  # type: ignore[arg-type]


def queued(*found: Publication) -> Outgoing:
    return fresh().offered(found)


def departed(outgoing: Outgoing) -> Outgoing:
    return outgoing.departed(NOW)


def looked(outgoing: Outgoing, after: int, size: int, center: str = "uz") -> Outgoing:
    """Return it when SQL has told of the one lane that this center has."""
    unpublished = [(lane(center), after, size)] if after < size else []
    return outgoing.departed(NOW).looked([(lane(center), after)], unpublished)


def summary(found: Outgoing) -> tuple[str, int, dict[str, int], set[str]]:
    """Return what is in flight, how much waits, what the broker has, which centers' lanes come from SQL."""
    return told(found), found.queued, dict(found.cursors), set(found.behind)


def told(found: Outgoing) -> str:
    match found.flight:
        case Answering(answers):
            return f"answers {len(answers)}"
        case Looking(centers):
            return f"looks at {','.join(sorted(centers))}"
        case Loading(backlog, states_only):
            return f"{'repeats' if states_only else 'loads'} {backlog.center} behind {backlog.after}"
        case Publishing(publications, states_only):
            spans = " ".join(f"{p.center}:{p.first}-{p.last}" for p in publications)
            return f"{'repeats' if states_only else 'sends'} {spans}"
        case None:
            return "rests"


UZ = lane("uz")


MOVES: dict[str, tuple[Outgoing, Callable[[Outgoing], Outgoing], tuple[str, int, dict[str, int], set[str]]]] = {
    "at the start nothing is anybody's": (Outgoing(), departed, ("rests", 0, {}, set())),
    "HQ's lane is looked at by its owner": (
        Outgoing().adopted([HQ], [], 9),
        departed,
        ("looks at hq", 0, {}, set()),
    ),
    "what was taken from us goes out no more": (
        queued(published(1, 5), published(1, 3, "kz")),
        lambda o: departed(o.dropped(["uz"])),
        ("sends kz:1-3", 0, {}, set()),
    ),
    "nor does what SQL has of it": (
        fresh().looked_at(["uz"]).departed(NOW).looked([(UZ, 0)], [(UZ, 0, 9)]),
        lambda o: departed(o.dropped(["uz"])),
        ("rests", 0, {UZ: 0}, set()),
    ),
    "there is nothing to do": (fresh(), departed, ("rests", 0, {}, set())),
    "a lane's beginning goes out from memory": (queued(published(1, 5)), departed, ("sends uz:1-5", 0, {}, set())),
    "what follows goes with it": (
        queued(published(1, 5), published(6, 9)),
        departed,
        ("sends uz:1-5 uz:6-9", 0, {}, set()),
    ),
    "the broker has it": (
        queued(published(1, 5), published(6, 9)),
        lambda o: departed(o).landed(),
        ("rests", 0, {UZ: 9}, set()),
    ),
    "an unknown lane's middle comes from SQL": (
        queued(published(6, 9)),
        departed,
        ("looks at uz", 0, {}, set()),
    ),
    "a hole comes from SQL": (
        queued(published(1, 5), published(7, 9)),
        lambda o: departed(o).landed(),
        ("rests", 0, {UZ: 5}, {"uz"}),
    ),
    "what the broker has goes out once": (
        fresh(cursors={UZ: 9}).offered([published(1, 5), published(6, 9)]),
        departed,
        ("rests", 0, {UZ: 9}, set()),
    ),
    "what it has in part goes out whole": (
        fresh(cursors={UZ: 7}).offered([published(6, 9)]),
        departed,
        ("sends uz:6-9", 0, {UZ: 7}, set()),
    ),
    "what lacks its bytes comes from SQL": (
        fresh(),
        lambda o: departed(o.offered([published(1, 5, "uz", without_bytes())])),
        ("loads uz behind 0", 0, {}, set()),
    ),
    "with its lane, where nobody knows how far that is published": (
        fresh(),
        lambda o: departed(o.offered([published(6, 9, "uz", without_bytes())])),
        ("looks at uz", 0, {}, set()),
    ),
    "what follows what lacks its bytes goes out behind it": (
        fresh(cursors={UZ: 3}).offered([published(4, 5, "uz", without_bytes()), published(6, 9)]),
        lambda o: departed(departed(o).loaded(published(4, 5)).landed()),
        ("loads uz behind 5", 0, {UZ: 5}, set()),
    ),
    "others go out between what SQL has of a lane": (
        fresh().looked_at(["uz"]).offered([published(1, 2, "kz")]),
        lambda o: departed(departed(looked(o, 3, 9)).loaded(published(4, 6)).landed()),
        ("sends kz:1-2", 0, {UZ: 6}, set()),
    ),
    "an older lane of the center goes out before what lacks its bytes": (
        fresh(cursors={UZ: 3}).offered([published(4, 5), published(1, 2, "uz", without_bytes(), epoch=1)]),
        departed,
        ("sends uz:4-5", 0, {UZ: 3}, set()),
    ),
    "and it is loaded then": (
        fresh(cursors={UZ: 3}).offered([published(4, 5), published(1, 2, "uz", without_bytes(), epoch=1)]),
        lambda o: departed(departed(o).landed()),
        ("loads uz behind 0", 0, {UZ: 5}, set()),
    ),
    "no newer lane of the center overtakes what SQL has of an older one": (
        fresh().looked_at(["uz"]).offered([published(1, 2, "uz", epoch=1)]),
        lambda o: departed(departed(looked(o, 3, 9)).loaded(published(4, 6)).landed()),
        ("loads uz behind 6", 0, {UZ: 6}, set()),
    ),
    "centers in SQL take turns": (
        fresh().looked_at(["uz", "kz"]),
        lambda o: departed(
            departed(departed(o).looked([], [(UZ, 3, 9), (lane("kz"), 4, 8)])).loaded(published(4, 6)).landed()
        ),
        ("loads kz behind 4", 0, {UZ: 6}, set()),
    ),
    "and then SQL's turn comes again": (
        fresh().looked_at(["uz"]).offered([published(1, 2, "kz")]),
        lambda o: departed(
            departed(departed(looked(o, 3, 9)).loaded(published(4, 6)).landed())
            .landed()
            .offered([published(1, 1, "by")])
        ),
        ("loads uz behind 6", 1, {UZ: 6, lane("kz"): 2}, set()),
    ),
    "over the limit a lane is left to SQL": (
        queued(published(1, QUEUE_EVENTS_MAX + 1)),
        lambda o: o.offered([published(1, 5, "kz")]),
        ("rests", QUEUE_EVENTS_MAX + 1, {}, {"kz"}),
    ),
    "a flight has a size": (
        queued(published(1, SEND_EVENTS_MAX), published(1, 1, "kz")),
        departed,
        (f"sends uz:1-{SEND_EVENTS_MAX}", 1, {}, set()),
    ),
    "an answer is first": (
        queued(published(1, 5)).looked_at(["kz"]).asked(ANSWER),
        departed,
        ("answers 1", 5, {}, {"kz"}),
    ),
    "a receipt that is sent again is not before older ones in SQL": (
        fresh().looked_at(["uz"]).asked(AGAIN),
        lambda o: departed(looked(o, 3, 9)),
        ("loads uz behind 3", 0, {UZ: 3}, set()),
    ),
    "nor before older ones in the queue": (
        queued(published(1, 5)).asked(AGAIN).offered([published(6, 9)]),
        departed,
        ("sends uz:1-5 uz:6-9", 0, {}, set()),
    ),
    "it is sent when they are out, whatever came later": (
        queued(published(1, 5)).asked(AGAIN),
        lambda o: departed(departed(o).offered([published(6, 9)]).landed()),
        ("answers 1", 4, {UZ: 5}, set()),
    ),
    "what another center has in SQL is nothing to it": (
        fresh().looked_at(["kz"]).asked(AGAIN),
        departed,
        ("answers 1", 0, {}, {"kz"}),
    ),
    "and it is sent after a failure, too": (
        queued(published(1, 5)).asked(AGAIN),
        lambda o: departed(departed(looked(departed(o).failed(), 0, 5)).loaded(published(1, 5)).landed()),
        ("answers 1", 0, {UZ: 5}, set()),
    ),
    "SQL is before the queue": (
        queued(published(1, 5)).looked_at(["kz"]),
        departed,
        ("looks at kz", 5, {}, set()),
    ),
    "a center that falls behind while it is looked at is looked at again": (
        fresh().looked_at(["uz"]),
        lambda o: departed(o).looked_at(["uz"]).looked([(UZ, 5)], []),
        ("rests", 0, {UZ: 5}, {"uz"}),
    ),
    "what SQL has is loaded": (
        fresh().looked_at(["uz"]),
        lambda o: departed(looked(o, 3, 9)),
        ("loads uz behind 3", 0, {UZ: 3}, set()),
    ),
    "what the broker has, though SQL does not say so, is not loaded": (
        fresh(cursors={UZ: 9}).looked_at(["uz"]),
        lambda o: departed(looked(o, 3, 9)),
        ("rests", 0, {UZ: 9}, set()),
    ),
    "what another owner published is not loaded": (
        fresh(cursors={UZ: 3}).looked_at(["uz"]),
        lambda o: departed(looked(o, 9, 9)),
        ("rests", 0, {UZ: 9}, set()),
    ),
    "what was loaded is sent": (
        fresh().looked_at(["uz"]),
        lambda o: departed(looked(o, 3, 9)).loaded(published(4, 6)),
        ("sends uz:4-6", 0, {UZ: 3}, set()),
    ),
    "then the rest of it": (
        fresh().looked_at(["uz"]),
        lambda o: departed(departed(looked(o, 3, 9)).loaded(published(4, 6)).landed()),
        ("loads uz behind 6", 0, {UZ: 6}, set()),
    ),
    "until there is no more": (
        fresh().looked_at(["uz"]),
        lambda o: departed(departed(looked(o, 3, 9)).loaded(published(4, 9)).landed()),
        ("rests", 0, {UZ: 9}, set()),
    ),
    "or SQL has none of it": (
        fresh().looked_at(["uz"]),
        lambda o: departed(departed(looked(o, 3, 9)).loaded(None)),
        ("rests", 0, {UZ: 3}, set()),
    ),
    "what was queued meanwhile follows": (
        fresh().looked_at(["uz"]).offered([published(7, 9), published(10, 12)]),
        lambda o: departed(departed(looked(o, 3, 9)).loaded(published(4, 9)).landed()),
        ("sends uz:10-12", 0, {UZ: 9}, set()),
    ),
    "a failure leaves all to SQL": (
        queued(published(1, 5), published(6, 9), published(1, 2, "kz")),
        lambda o: departed(o).offered([published(1, 2, "by")]).failed(),
        ("rests", 0, {}, {"uz", "kz", "by"}),
    ),
    "a failure while SQL is read": (
        fresh().looked_at(["uz"]),
        lambda o: departed(looked(o, 3, 9)).loaded(published(4, 6)).failed(),
        ("rests", 0, {UZ: 3}, {"uz"}),
    ),
    "a failure before SQL has told": (
        fresh().looked_at(["uz", "kz"]),
        lambda o: departed(o).failed(),
        ("rests", 0, {}, {"uz", "kz"}),
    ),
    "a failure takes no answer away": (
        fresh().asked(ANSWER),
        lambda o: departed(departed(o).failed()),
        ("answers 1", 0, {}, set()),
    ),
    "an answer goes out once": (
        fresh().asked(ANSWER),
        lambda o: departed(departed(o).landed()),
        ("rests", 0, {}, set()),
    ),
    "a lane that is taken over is looked at": (
        fresh().adopted(["uz"], [(UZ, 3, 9)], LATER),
        departed,
        ("looks at uz", 0, {}, set()),
    ),
    "and its states go out again later": (
        fresh().adopted([], [(UZ, 3, 9)], LATER),
        lambda o: o.departed(LATER),
        ("repeats uz behind 3", 0, {}, set()),
    ),
    "also where the queue is never empty": (
        fresh().adopted([], [(UZ, 3, 9)], LATER).offered([published(1, 2, "kz")]),
        lambda o: o.departed(LATER),
        ("repeats uz behind 3", 2, {}, set()),
    ),
    "and the queue waits for one of them": (
        fresh().adopted([], [(UZ, 3, 9)], LATER).offered([published(1, 2, "kz")]),
        lambda o: o.departed(LATER).loaded(published(4, 6)).landed().departed(LATER),
        ("sends kz:1-2", 0, {}, set()),
    ),
    "not sooner": (fresh().adopted([], [(UZ, 3, 9)], LATER), departed, ("rests", 0, {}, set())),
    "to the end of what the last owner left": (
        fresh().adopted([], [(UZ, 3, 9)], LATER),
        lambda o: o.departed(LATER).loaded(published(4, 6)).landed().departed(LATER),
        ("repeats uz behind 6", 0, {}, set()),
    ),
    "and no cursor moves by it": (
        fresh().adopted([], [(UZ, 3, 9)], LATER),
        lambda o: o.departed(LATER).loaded(published(4, 9)).landed().departed(LATER),
        ("rests", 0, {}, set()),
    ),
    "nor is what was refused forgotten": (
        fresh().adopted([], [(UZ, 3, 9)], LATER),
        lambda o: o.departed(LATER).loaded(published(4, 9)).failed().departed(LATER),
        ("repeats uz behind 3", 0, {}, set()),
    ),
    "a lane may be taken over while it is in flight": (
        queued(published(1, 5)),
        lambda o: departed(departed(o).adopted(["uz"], [(UZ, 0, 9)], LATER).landed()).looked([(UZ, 0)], [(UZ, 0, 9)]),
        ("rests", 0, {UZ: 5}, set()),
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_move_leads_to_what_is_in_flight_waits_is_acknowledged_and_comes_from_sql(name: str) -> None:
    begun, move, expected = MOVES[name]
    assert summary(move(begun)) == expected


def test_no_move_changes_what_it_begins_from() -> None:
    begun = queued(published(1, 5)).asked(ANSWER).looked_at(["kz"]).adopted(["by"], [(lane("by"), 0, 4)], NOW)
    before = repr(begun)
    found = begun
    while True:
        found = found.departed(NOW) if found.flight is None else found
        match found.flight:
            case Looking(_):
                found = found.looked([(lane("by"), 0)], [(lane("by"), 0, 4)])
            case Loading(_):
                found = found.loaded(published(1, 4, "by"))
            case None:
                break
            case _:
                found = found.landed()
    found.stored(found.unstored, NOW).failed()
    assert repr(begun) == before
    assert (told(found), dict(found.cursors)) == ("rests", {UZ: 5, lane("by"): 4})


def test_consolidating_waits_while_much_is_queued_and_publishing_goes_on() -> None:
    crowded = queued(published(1, ROOM_EVENTS + 1))
    assert crowded.is_crowded
    assert not departed(crowded).is_crowded, "what is in flight does not wait"
    assert not crowded.failed().is_crowded, "it comes from SQL, and nobody waits for a broker that is away"
    assert not replace(crowded, is_linked=False).is_crowded
    assert not queued(published(1, ROOM_EVENTS)).is_crowded


def test_what_is_owed_is_what_was_offered_and_is_still_to_reach_the_broker() -> None:
    """While publishing fails nothing is owed: a lane with much to say would wait for a broker that is away."""
    waiting = queued(published(1, 3))
    for moment in (waiting, departed(waiting)):
        assert moment.owes({"uz"})
        assert not moment.owes({"kz"})
        assert not moment.owes(())
    assert not departed(waiting).landed().owes({"uz"})
    assert not departed(waiting).failed().owes({"uz"})
    assert not departed(looked(fresh().looked_at(["uz"]), 3, 9)).owes({"uz"}), "what comes from SQL may be long"


def test_cursors_are_stored_when_it_is_time_and_those_that_moved_meanwhile_again() -> None:
    found = departed(queued(published(1, 5))).landed()
    cursors = found.to_store(NOW)
    assert cursors == {UZ: 5}
    moved = departed(found.offered([published(6, 9)])).landed().stored(cursors, NOW)
    assert moved.unstored == {UZ: 9}
    assert moved.to_store(NOW + CURSOR_DELAY_MAX_S) == {}
    assert moved.to_store(NOW + CURSOR_DELAY_MAX_S + 0.1) == {UZ: 9}


def test_answers_that_nobody_takes_are_limited() -> None:
    found = fresh()
    for n in range(ANSWERS_MAX + 5):
        found = found.asked(Answer("uz", "receipt", b"%d" % n))
    assert len(found.answers) == ANSWERS_MAX


def test_topics_are_wanted_for_whom_something_waits() -> None:
    found = fresh().looked_at([HQ, "uz"]).asked(Answer("kz", "resend", b""))
    assert found.centers == {"uz", "kz"}
