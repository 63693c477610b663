"""What says again what HQ has: no legal next step, and nothing to mend."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity, canonical_json
from hub.domain.judge import judge
from hub.domain.registry import Registry
from hub.protocol.errors import Rejected
from hub.protocol.rules import RULES_KNOWN
from hub.protocol.verdict import Code

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
Sample = Callable[..., dict[str, Any]]


def as_stored(entity: Entity) -> Entity:
    """Return an entity as it comes back from a database: its dates and amounts are texts."""
    return Entity.from_json(entity.to_json())


def told(name: str, value: dict[str, Any], entity: Entity | None, basis: Registry, rules: int = 2) -> Code | Entity:
    """Return the entity after an event, or the code by which it is rejected."""
    kind = KINDS[f"net.cohub.{name}"]

    try:
        return judge(kind, "uz:1", "uz", NOW, value, entity, NOW, replace(basis, rules=rules))
    except Rejected as exc:
        return exc.code


def accepted(name: str, value: dict[str, Any], entity: Entity | None, basis: Registry) -> Entity:
    found = told(name, value, entity, basis)
    assert isinstance(found, Entity), found
    return found


@pytest.mark.parametrize("name", ["offer.published.v1", "partner.registered.v1", "deal.opened.v1", "deal.signed.v1"])
@pytest.mark.parametrize("stored", [False, True])
def test_event_that_says_what_the_entity_is_was_already_said(
    name: str, stored: bool, sample: Sample, basis: Registry
) -> None:
    """The same record into the same status: HQ says so, whether it has the entity from SQL or from memory."""
    value = sample(f"net.cohub.{name}")
    before = accepted("deal.opened.v1", value, None, basis) if name == "deal.signed.v1" else None
    entity = accepted(name, value, before, basis)
    assert told(name, value, as_stored(entity) if stored else entity, basis) is Code.ALREADY_SAID


def test_event_that_says_something_else_is_still_rejected(sample: Sample, basis: Registry) -> None:
    """Another record, or another status, is no repetition."""
    value = sample("net.cohub.offer.published.v1")
    offer = accepted("offer.published.v1", value, None, basis)
    assert told("offer.published.v1", value | {"title": "another"}, offer, basis) is Code.ALREADY_EXISTS
    gone = accepted("offer.withdrawn.v1", {"reason": "sold", "effective_on": None}, offer, basis)
    assert told("offer.revised.v1", value, gone, basis) is Code.ILLEGAL_TRANSITION
    deal = sample("net.cohub.deal.closed.v1")
    opened = accepted("deal.opened.v1", deal, None, basis)
    signed = accepted("deal.signed.v1", deal, opened, basis)
    closed = accepted("deal.closed.v1", deal, signed, basis)
    assert told("deal.opened.v1", deal, closed, basis) is Code.ALREADY_EXISTS
    assert told("deal.signed.v1", deal, closed, basis) is Code.ILLEGAL_TRANSITION
    assert told("deal.closed.v1", deal, closed, basis) is Code.ALREADY_SAID


def test_status_said_again_is_known_by_its_reason_and_day(sample: Sample, basis: Registry) -> None:
    """A withdrawal for another reason says what HQ does not have."""
    offer = accepted("offer.published.v1", sample("net.cohub.offer.published.v1"), None, basis)
    sold: dict[str, Any] = {"reason": "sold", "effective_on": dt.date(2026, 2, 2)}
    gone = accepted("offer.withdrawn.v1", sold, offer, basis)
    for entity in (gone, as_stored(gone)):
        assert told("offer.withdrawn.v1", sold, entity, basis) is Code.ALREADY_SAID
        assert told("offer.withdrawn.v1", sold | {"reason": "stolen"}, entity, basis) is Code.ILLEGAL_TRANSITION
        assert told("offer.withdrawn.v1", sold | {"effective_on": None}, entity, basis) is Code.ILLEGAL_TRANSITION


def test_status_said_again_behind_a_revision_has_no_reason_to_compare(sample: Sample, basis: Registry) -> None:
    """A revision lets go of the reason of the status before it: the status alone is what HQ has."""
    value = sample("net.cohub.partner.registered.v1")
    signed = accepted(
        "partner.signed.v1",
        {"reason": "agreed", "effective_on": None},
        accepted("partner.registered.v1", value, None, basis),
        basis,
    )
    revised = accepted("partner.revised.v1", value | {"city": "Nukus"}, signed, basis)
    assert told("partner.signed.v1", {"reason": "agreed", "effective_on": None}, revised, basis) is Code.ALREADY_SAID


def test_record_of_another_version_says_the_same_where_the_rest_is_left_open(sample: Sample, basis: Registry) -> None:
    """An older schema lacks a field; that it is left open in the newer one is the same."""
    value = sample("net.cohub.partner.registered.v1")
    newer = accepted("partner.registered.v2", value | {"contact": None}, None, basis)
    assert told("partner.registered.v1", value, newer, basis) is Code.ALREADY_SAID
    older = accepted("partner.registered.v1", value, None, basis)
    assert told("partner.registered.v2", value | {"contact": None}, older, basis) is Code.ALREADY_SAID
    sealed = {"contact": "sealed.v1.Q8fR0v2mT3eWkZ1aLx5uYw." + "Aa0_" * 48}
    named = accepted("partner.registered.v2", value | sealed, None, basis)
    assert told("partner.registered.v1", value, named, basis) is Code.ALREADY_EXISTS


def test_rules_1_know_no_repetition(sample: Sample, basis: Registry) -> None:
    """What releases before 0.3 decided is decided again in the same way."""
    value = sample("net.cohub.offer.published.v1")
    offer = accepted("offer.published.v1", value, None, basis)
    assert told("offer.published.v1", value, offer, basis, rules=1) is Code.ALREADY_EXISTS
    gone = accepted("offer.withdrawn.v1", {"reason": None, "effective_on": None}, offer, basis)
    again = {"reason": None, "effective_on": None}
    assert told("offer.withdrawn.v1", again, gone, basis, rules=1) is Code.ILLEGAL_TRANSITION


@pytest.mark.parametrize("rules", RULES_KNOWN)
def test_legal_event_is_accepted_however_often_it_says_the_same(rules: int, sample: Sample, basis: Registry) -> None:
    """A confirmation may be given again: a legal event is never a repetition."""
    value = sample("net.cohub.deal_confirmation.given.v1")
    given = told("deal_confirmation.given.v1", value, None, basis, rules)
    assert isinstance(given, Entity)
    again = told("deal_confirmation.given.v1", value, given, basis, rules)
    assert isinstance(again, Entity)
    assert again.version == 2
    assert json.loads(canonical_json(again.record)) == json.loads(canonical_json(given.record))
