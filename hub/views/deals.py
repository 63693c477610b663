"""The network's deals: each contract counted once, with the word of the other side.

A deal is told by the center that opened it, and names the center of the other side, if that is one of the network. That
center's word is its `deal_confirmation`, or a deal of its own about the same contract: one with the same national
registration number (Civil Code of China, arts. 843-887, DOMAIN) in which each of the two names the other as the other
side. The same number alone joins nothing: numbers are of countries, and two countries may give the same one.

What a contract is:
    one_sided    it names no other center: there is nobody who could confirm it
    awaited      the other center has said nothing yet
    confirmed    the other center says so, or reports it too, and nobody disputes it
    disputed     the other center disputes it, whatever else it has said
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from unicodedata import normalize

from hub.domain.entity import Entity
from hub.views.money import amount_of
from hub.views.table import Fact, FactTable, GroupTable, Held
from hub.views.view import Facts, View

ONE_SIDED: Final = "one_sided"
AWAITED: Final = "awaited"
CONFIRMED: Final = "confirmed"
DISPUTED: Final = "disputed"
STANDINGS: Final = (ONE_SIDED, AWAITED, CONFIRMED, DISPUTED)
UNNUMBERED: Final = "deal "  # what a contract without a number is known by; no registration number begins so


class DealSide(NamedTuple):
    """A deal as its center tells it. Amounts are decimals as texts, exact, without zeros at their end."""

    deal: str
    contract: str
    center: str
    status: str
    counterpart: str | None
    amount: str | None
    currency: str | None


class Word(NamedTuple):
    """What a center says of a deal of another center."""

    deal: str
    center: str
    word: str
    amount: str | None
    currency: str | None


class HeardDeal(NamedTuple):
    """A deal with the other center's word: '' where it has said nothing.

    Shapes: the other amount is the one of its word; NULL where it says none, or says several that differ.
    """

    deal: str
    contract: str
    center: str
    status: str
    counterpart: str | None
    amount: str | None
    currency: str | None
    word: str
    other_amount: str | None
    other_currency: str | None


class Contract(NamedTuple):
    """A contract, counted once: under that deal of it whose id comes first, with the other side's deal if that is told.

    Shapes: `standing` is one of the four above.
    """

    contract: str
    deal: str
    center: str
    status: str
    standing: str
    counterpart: str | None
    other_deal: str | None
    amount: str | None
    currency: str | None
    other_amount: str | None
    other_currency: str | None


SIDE = FactTable("deal_side", DealSide, key=("deal",), indexes=("contract", "center"))
WORD = FactTable("deal_word", Word, key=("deal",), indexes=("deal",))


def contract_of(deal: str, number: str | None) -> str:
    """Return what a contract is known by: its number without what people write between digits, or its deal."""
    plain = "".join(c for c in normalize("NFKC", number or "").casefold() if c.isalnum())
    return plain or f"{UNNUMBERED}{deal}"


def facts_of(entity: Entity) -> Facts:
    """Return what a deal or a confirmation says."""
    record = entity.record
    money = amount_of(entity), record["currency"]
    if entity.stream == "deal":
        contract = contract_of(entity.id, record["registration_number"])
        return {
            SIDE: [DealSide(entity.id, contract, entity.center, entity.status, record["counterpart_center"], *money)]
        }
    return {WORD: [Word(record["deal"], entity.center, entity.status, *money)]}


def heard(_deal: str, told: Mapping[str, Sequence[Held]]) -> Sequence[Fact]:
    """Return a deal with the word of the center that it names as the other side. Nobody else's word counts."""
    sides = [DealSide._make(held.row) for held in told[SIDE.name]]
    if not sides:
        return []
    (side,) = sides
    words = [Word._make(held.row) for held in told[WORD.name] if held.row[1] == side.counterpart]
    # One center may have told several; what it disputes anywhere is not confirmed by it.
    word = DISPUTED if any(each.word == DISPUTED for each in words) else words[0].word if words else ""
    amounts = {(each.amount, each.currency) for each in words if each.word == word}
    return [HeardDeal(*side, word, *(amounts.pop() if len(amounts) == 1 else (None, None)))]


HEARD = GroupTable(
    "heard_deal", HeardDeal, key=("deal",), of=((SIDE, "deal"), (WORD, "deal")), derive=heard, indexes=("contract",)
)


def contracts(_contract: str, told: Mapping[str, Sequence[Held]]) -> Sequence[Fact]:
    """Return the contracts of one number: two deals are one where each names the other's center, and no third does."""
    deals = sorted(HeardDeal._make(held.row) for held in told[HEARD.name])
    others = {
        deal.deal: [each for each in deals if (each.center, each.counterpart) == (deal.counterpart, deal.center)]
        for deal in deals
    }
    found: list[Contract] = []
    counted: set[str] = set()
    for deal in deals:
        if deal.deal not in counted:
            other = others[deal.deal][0] if len(others[deal.deal]) == 1 else None
            if other is not None and others[other.deal] != [deal]:
                other = None
            counted |= {deal.deal} if other is None else {deal.deal, other.deal}
            found.append(_made(deal, other))
    return found


def _made(deal: HeardDeal, other: HeardDeal | None) -> Contract:
    words = {deal.word, *([] if other is None else [other.word])}
    standing = (
        DISPUTED
        if DISPUTED in words
        else CONFIRMED
        if other is not None or deal.word
        else AWAITED
        if deal.counterpart is not None
        else ONE_SIDED
    )
    told = (deal.other_amount, deal.other_currency) if other is None else (other.amount, other.currency)
    return Contract(
        deal.contract, deal.deal, deal.center, deal.status, standing, deal.counterpart,
        None if other is None else other.deal, deal.amount, deal.currency, *told,
    )  # fmt: skip


CONTRACTS = GroupTable(
    "contract",
    Contract,
    key=("contract", "deal"),
    of=((HEARD, "contract"),),
    derive=contracts,
    indexes=("deal", "center", "standing"),
)

DEALS = View(
    name="deals",
    version=1,
    streams=frozenset({"deal", "deal_confirmation"}),
    facts=(SIDE, WORD),
    facts_of=facts_of,
    groups=(HEARD, CONTRACTS),
)
