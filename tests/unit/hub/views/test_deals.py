"""A contract is counted once, and its standing is what the other side says."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from hub.domain.entity import Entity
from hub.views.deals import CONTRACTS, DEALS, Contract, contract_of, facts_of
from hub.views.table import Held
from hub.views.view import derived, key_of

UZ, KZ = "uz:D-1", "kz:7"


def deal(entity_id: str, other: str | None = None, number: str | None = None, amount: str | None = None) -> Entity:
    """Return a signed deal."""
    record: dict[str, Any] = {
        "registration_number": number,
        "counterpart_center": other,
        "amount": None if amount is None else Decimal(amount),
        "currency": None if amount is None else "CNY",
    }
    return Entity("deal", entity_id, entity_id.partition(":")[0], "signed", 1, "", record)


def said(entity_id: str, of: str, word: str, amount: str | None = None) -> Entity:
    """Return a center's word on a deal."""
    record = {"deal": of, "amount": amount, "currency": None if amount is None else "CNY"}
    return Entity("deal_confirmation", entity_id, entity_id.partition(":")[0], word, 1, "", record)


def counted(*entities: Entity) -> list[Contract]:
    """Return the contracts of these entities."""
    facts = {
        table.name: [
            Held(key_of(each.stream, each.id), fact) for each in entities for fact in facts_of(each).get(table, ())
        ]
        for table in DEALS.facts
    }
    return [Contract._make(row) for row in derived(DEALS, facts)[CONTRACTS.name]]


@pytest.mark.parametrize(
    ("entities", "standing"),
    [
        ([deal(UZ)], "one_sided"),
        ([deal(UZ, "kz")], "awaited"),
        ([deal(UZ, "kz"), said("kz:w", UZ, "given")], "confirmed"),
        ([deal(UZ, "kz"), said("kz:w", UZ, "disputed")], "disputed"),
        ([deal(UZ, "kz"), said("tj:w", UZ, "given")], "awaited"),  # nobody's word but the other side's
        ([deal(UZ), said("kz:w", UZ, "given")], "one_sided"),
        ([deal(UZ, "kz"), said("kz:w", UZ, "given"), said("kz:v", UZ, "disputed")], "disputed"),
        ([deal(UZ, "kz", "12"), deal(KZ, "uz", "12")], "confirmed"),
        ([deal(UZ, "kz", "12"), deal(KZ, "uz", "12"), said("uz:w", KZ, "disputed")], "disputed"),
    ],
)
def test_standing_is_the_other_sides_word(entities: list[Entity], standing: str) -> None:
    for order in permutations(entities):
        (found,) = counted(*order)
        assert found.standing == standing


def test_deal_that_both_sides_report_is_one_contract_with_both_amounts() -> None:
    (found,) = counted(deal(UZ, "kz", "No. 12/7", "100.50"), deal(KZ, "uz", "no 12-7", "99"))
    assert (found.deal, found.other_deal) == (KZ, UZ)
    assert (found.amount, found.other_amount) == ("99", "100.5")


def test_same_number_alone_joins_nothing() -> None:
    """Two countries may give one number, and a center may have made two deals of one contract by mistake."""
    assert len(counted(deal(UZ, "kz", "12"), deal(KZ, "tj", "12"))) == 2
    assert len(counted(deal(UZ, "kz", "12"), deal("uz:D-2", "kz", "12"))) == 2
    three = counted(deal(UZ, "kz", "12"), deal(KZ, "uz", "12"), deal("kz:8", "uz", "12"))
    assert [found.other_deal for found in three] == [None, None, None]  # which of the two it is, nobody has said
    assert len(counted(deal(UZ, "kz"), deal(KZ, "uz"))) == 2


def test_amounts_that_differ_among_several_words_are_not_chosen_from() -> None:
    words = [said("kz:w", UZ, "given", "5"), said("kz:v", UZ, "given", "6")]
    (found,) = counted(deal(UZ, "kz"), *words)
    assert (found.standing, found.other_amount) == ("confirmed", None)
    (found,) = counted(deal(UZ, "kz"), words[0])
    assert (found.other_amount, found.other_currency) == ("5", "CNY")


def test_numbers_are_compared_without_what_people_write_between() -> None:
    assert contract_of(UZ, "２０２４-AB／7") == contract_of(KZ, "2024 ab/7") == "2024ab7"
    assert contract_of(UZ, "—") == contract_of(UZ, None) == f"deal {UZ}"
