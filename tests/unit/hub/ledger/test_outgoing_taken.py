"""What is published of lanes that are taken from us, come back, or have states that somebody sent too late."""

from __future__ import annotations

from dataclasses import replace

from hub.ledger.flight import Loading, Looking, Publishing
from hub.ledger.outgoing import Outgoing
from tests.support.outgoing import lane, published

NOW, SOON, LATER = 1000.0, 1011.0, 1300.0
UZ = lane("uz")


def fresh() -> Outgoing:
    return Outgoing(is_linked=True)


def test_what_is_ours_again_goes_out_again_where_sql_does_not_say_that_it_is_out() -> None:
    """Meanwhile somebody else had it: the queue is held against what that one has stored."""
    for stored, is_sent in ((0, True), (5, False)):
        left = fresh().offered([published(1, 5)]).dropped(["uz"])
        back = left.adopted(["uz"], [], SOON).departed(NOW)
        assert back.flight == Looking(frozenset({"uz"}))
        flight = back.looked([(UZ, stored)], []).departed(NOW).flight
        assert isinstance(flight, Publishing) == is_sent


def test_states_of_a_lane_that_is_taken_over_go_out_again_twice() -> None:
    """Soon, when what its last owner sent must have come; and late, for networks that keep what they carry."""
    outgoing = fresh().adopted(["uz"], [(UZ, 3, 9)], SOON, LATER).departed(NOW).looked([(UZ, 9)], [])
    for moment in (SOON, LATER):
        assert outgoing.departed(moment - 1).flight is None
        loading = outgoing.departed(moment)
        assert isinstance(loading.flight, Loading)
        assert loading.flight.states_only
        outgoing = loading.loaded(published(4, 9)).landed()
    assert outgoing.departed(LATER * 9).flight is None


def test_lane_that_comes_and_goes_waits_with_two_repeats_and_no_more() -> None:
    """Each covers what the earlier ones were to cover, and is at its own time."""
    outgoing = fresh()
    for number in range(20):
        outgoing = outgoing.adopted(["uz"], [(UZ, 9 - number % 3, 10 + number)], SOON + number, LATER + number)
    assert [(one.at_s, one.backlog.after, one.backlog.upto) for one in outgoing.repeats] == [
        (SOON + 19, 7, 29),
        (LATER + 19, 7, 29),
    ]


def test_repeat_that_is_on_its_way_is_finished_whatever_comes_meanwhile() -> None:
    """What is noted, or adopted, while its states are read waits behind it."""
    outgoing = fresh().noted_again([(UZ, 3, 9, 1)], NOW).departed(NOW)
    outgoing = outgoing.adopted(["uz"], [(UZ, 0, 9)], NOW - 5, LATER).noted_again([(UZ, 0, 9, 2)], NOW - 9)
    outgoing = outgoing.loaded(published(4, 9)).landed()
    assert outgoing.settled == ((UZ, 1),)
    assert [(one.noted, one.backlog.after) for one in outgoing.repeats] == [(2, 0), (0, 0), (0, 0)]


def test_note_is_taken_up_once_and_settled_when_all_of_it_went_out() -> None:
    """SQL is asked every second, and says so as long as nobody has told it that it is done."""
    outgoing = fresh().noted_again([(UZ, 3, 9, 1)], NOW).noted_again([(UZ, 3, 9, 1)], NOW)
    assert len(outgoing.repeats) == 1
    outgoing = outgoing.departed(NOW).loaded(published(4, 6)).landed()
    assert (outgoing.settled, outgoing.repeats[0].backlog.after) == ((), 6)
    outgoing = outgoing.departed(NOW).loaded(published(7, 9)).landed()
    assert (outgoing.settled, outgoing.repeats) == (((UZ, 1),), ())
    assert outgoing.noted_again([(UZ, 3, 9, 1)], NOW).repeats == ()
    assert outgoing.noted_done([(UZ, 1)]).settled == ()


def test_nothing_of_a_lane_that_was_taken_from_us_is_left_to_be_done() -> None:
    """But for cursors: what is acknowledged is out, whoever has the lane."""
    outgoing = fresh().offered([published(1, 5)]).departed(NOW).landed()
    outgoing = outgoing.looked_at(["uz"]).noted_again([(UZ, 3, 9, 1)], NOW)
    outgoing = replace(outgoing, settled=((UZ, 7),)).dropped(["uz"])
    assert (outgoing.behind, outgoing.repeats, outgoing.settled) == (frozenset(), (), ())
    assert outgoing.unstored == {UZ: 5}
    assert outgoing.departed(NOW).flight is None
