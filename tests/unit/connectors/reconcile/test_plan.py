"""Reconcile always reaches the wanted state, by legal events, with as few as there can be."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reconcile.belief import UNKNOWN_DIGEST, Held
from connectors.reconcile.digest import record_digest
from connectors.reconcile.plan import NoTransition, plan
from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.domain.fold import fold
from hub.domain.stream import Stream
from hub.protocol.errors import Rejected

CENTER_STREAMS = sorted(name for name, stream in STREAMS.items() if stream.writer == "center" and name != "lane")
RECORDS: tuple[dict[str, Any], ...] = ({"title": "one"}, {"title": "two", "amount": Decimal("2.50")})


@dataclass(frozen=True)
class Wanted:
    status: str
    record: dict[str, Any]
    reason: dict[str, Any] | None = None


def statuses(stream: Stream) -> list[str]:
    return sorted({kind.status_after for kind in stream.events if kind.status_after is not None})


def walk(stream: Stream, steps: list[int]) -> Entity | None:
    """Return an entity after a random legal life: each step picks an event and one of two records."""
    entity: Entity | None = None
    for step in steps:
        legal = [kind for kind in stream.events if (entity.status if entity else None) in kind.legal_in]
        if not legal:
            break
        kind = legal[step % len(legal)]
        value = dict(RECORDS[step % 2]) if kind.carries_record else {"reason": "because"}
        entity = fold(entity, kind, "uz:K-1", "uz", value)
    return entity


def known_of(entity: Entity | None) -> Held | None:
    return Held(entity.status, record_digest(entity.record)) if entity else None


def reached(stream: Stream, entity: Entity | None, wanted: Wanted, length_max: int) -> int | None:
    """Return the fewest events by which the real fold gets there, found by trying everything."""
    for length in range(length_max + 1):
        for kinds in itertools.product(stream.events, repeat=length):
            at = entity
            try:
                for kind in kinds:
                    value = wanted.record if kind.carries_record else {}
                    at = fold(at, kind, "uz:K-1", "uz", value)
            except Rejected:
                continue
            if at is not None and (at.status, at.record) == (wanted.status, wanted.record):
                return length
    return None


@given(name=st.sampled_from(CENTER_STREAMS), steps=st.lists(st.integers(0, 11), max_size=6), data=st.data())
def test_plan_from_any_life_reaches_the_wanted_state_by_the_fewest_legal_events(
    name: str, steps: list[int], data: st.DataObject
) -> None:
    """From every state a life can lead to, the events planned are legal, lead to what is wanted, and are fewest."""
    stream = STREAMS[name]
    entity = walk(stream, steps)
    wanted = Wanted(data.draw(st.sampled_from(statuses(stream))), data.draw(st.sampled_from(RECORDS)))
    fewest = reached(stream, entity, wanted, 4)
    try:
        planned = plan(stream, known_of(entity), wanted)
    except NoTransition:
        assert fewest is None
        return
    assert len(planned) == fewest
    at = entity
    for event in planned:
        at = fold(at, event.kind, "uz:K-1", "uz", event.value)
    assert at is not None
    assert (at.status, at.record) == (wanted.status, wanted.record)


@given(name=st.sampled_from(CENTER_STREAMS), steps=st.lists(st.integers(0, 11), min_size=1, max_size=6))
def test_plan_for_what_hq_has_already_says_nothing(name: str, steps: list[int]) -> None:
    """What HQ holds is not said again."""
    entity = walk(STREAMS[name], steps)
    assert entity is not None
    assert plan(STREAMS[name], known_of(entity), Wanted(entity.status, entity.record)) == []


def test_plan_of_a_new_and_already_closed_deal_tells_its_whole_life() -> None:
    """New and already closed = opened, signed, closed."""
    planned = plan(STREAMS["deal"], None, Wanted("closed", {"title": "x"}))
    assert [event.kind.name for event in planned] == ["opened", "signed", "closed"]


def test_plan_of_a_withdrawal_carries_only_what_that_event_knows() -> None:
    """A status-only event takes its own fields of the reason, and no others."""
    wanted = Wanted("withdrawn", {"title": "x"}, {"reason": "sold", "colour": "red"})
    planned = plan(STREAMS["offer"], Held("published", record_digest({"title": "x"})), wanted)
    assert [(event.kind.name, event.value) for event in planned] == [("withdrawn", {"reason": "sold"})]


def test_plan_with_an_unknown_record_says_the_record_again() -> None:
    """An entity whose record this outbox never saw is told whole."""
    planned = plan(STREAMS["offer"], Held("published", UNKNOWN_DIGEST), Wanted("published", {"title": "x"}))
    assert [event.kind.name for event in planned] == ["revised"]


def test_plan_for_an_unknown_record_in_a_final_status_says_nothing() -> None:
    """What is closed is closed: where HQ's record is not known and can't be told again, the row has what it wants."""
    assert plan(STREAMS["deal"], Held("closed", UNKNOWN_DIGEST), Wanted("closed", {"title": "x"})) == []


def test_plan_out_of_a_final_status_names_both() -> None:
    """A final status is refused, and the message names where it stands and what was wanted."""
    with pytest.raises(NoTransition, match="terminated to opened"):
        plan(STREAMS["deal"], Held("terminated", b"x"), Wanted("opened", {"title": "x"}))


@pytest.mark.parametrize(("contact", "version"), [({}, 1), ({"contact": None}, 1), ({"contact": "sealed.v1.x"}, 2)])
def test_plan_takes_the_oldest_version_that_can_say_it(contact: dict[str, Any], version: int) -> None:
    """What an HQ of the release before can read is said as that release says it."""
    stream, record = STREAMS["partner"], {"kind": "investor", "name": "Fund", "country": "KZ"} | contact
    for known, names in ((None, ["registered"]), (Held("signed", b"x"), ["revised"])):
        planned = plan(stream, known, Wanted("signed" if known else "registered", record))
        assert [(event.kind.name, event.kind.version) for event in planned] == [(names[0], version)]
        assert ("contact" in planned[0].value) == (version == 2)
        assert set(planned[0].value) <= set(planned[0].kind.model.model_fields)


def test_plan_takes_back_what_only_the_newer_version_had() -> None:
    """The record is said whole: an older version without the field leaves nothing of it at HQ."""
    record = {"kind": "investor", "name": "Fund", "country": "KZ"}
    known = Held("registered", record_digest(record | {"contact": "sealed.v1.x"}))
    (event,) = plan(STREAMS["partner"], known, Wanted("registered", record))
    assert (event.kind.type, event.value) == ("net.cohub.partner.revised.v1", record)


def test_digest_of_an_absent_a_null_and_an_empty_field_is_the_same() -> None:
    """What says nothing makes no difference, and neither does how an amount is written."""
    assert record_digest({"a": Decimal("1.5")}) == record_digest({"a": Decimal("1.5000"), "b": None, "c": []})
    assert record_digest({"a": 0}) != record_digest({})
