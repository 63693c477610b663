"""An entity's canonical text and its digest."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity, canonical_json, decimal_text
from hub.protocol.errors import Malformed

DEAL = Entity(
    "deal",
    "uz:сделка-1",
    "uz",
    "signed",
    2,
    "net.cohub.deal.signed.v1",
    {
        "title": '桦木 "聚戊烯醇"\n\u007f\u2028',
        "amount": Decimal("1200000.5000"),
        "currency": "CNY",
        "rate": Decimal("2.00000000"),
        "rate_currency": "USD",
        "signed_on": dt.date(2026, 2, 2),
        "reason": None,
    },
)


def test_digest_is_over_the_released_form() -> None:
    """The digest of a known entity never changes: replay compares with digests of years ago."""
    assert DEAL.to_json().decode() == (
        '{"center":"uz","changed":null,"id":"uz:сделка-1","kind":"net.cohub.deal.signed.v1","record":{"amount":'
        '"1200000.5","currency":"CNY","rate":"2","rate_currency":"USD","reason":null,"signed_on":"2026-02-02",'
        '"title":"桦木 \\"聚戊烯醇\\"\\n\u007f\u2028"},"status":"signed","stream":"deal","version":2}'
    )
    assert DEAL.digest.hex() == "b74dac44c11fa56b91e234cc15b65bc672fcc6c834c37d34b17b9110159bfa11"


def test_entity_from_its_text_has_the_same_digest() -> None:
    """What was stored can be read back: same text, same digest, same contributions."""
    again = Entity.from_json(DEAL.to_json())
    assert again.to_json() == DEAL.to_json()
    counted, counted_again = (STREAMS["deal"].contribution(entity) for entity in (DEAL, again))
    assert {key: str(value) for key, value in counted_again.items()} == {
        key: str(value) for key, value in counted.items()
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stream":"x"}', "null", "\ud800"])
def test_entity_from_another_text_is_malformed(text: str) -> None:
    """Text that is not an entity is refused, not half read."""
    with pytest.raises(Malformed):
        Entity.from_json(text.encode("utf-8", "surrogatepass"))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), inner),
    max_leaves=12,
)


@given(PLAIN)
def test_canonical_json_is_what_rfc_8785_writes(value: object) -> None:
    """Keys sorted, no blanks, the escapes of RFC 8785 and no others, whatever the text."""
    by_hand = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    assert canonical_json(value) == by_hand.encode()


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object(), {"a": {"b": 1j}}])
def test_canonical_json_of_anything_else_is_refused(value: object) -> None:
    """A value that no Avro type of ours decodes to has no canonical form, rather than some form."""
    with pytest.raises(TypeError):
        canonical_json(value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**11), max_value=10**11))
def test_decimal_has_one_text_however_it_was_written(value: Decimal) -> None:
    """Equal amounts have equal texts, without exponent, and the text is the amount."""
    text = decimal_text(value)
    assert text == decimal_text(value + Decimal("0E-10"))
    assert "E" not in text
    assert Decimal(text) == value


@pytest.mark.parametrize(
    ("value", "text"), [("0", "0"), ("0.0000", "0"), ("-0", "0"), ("1E+3", "1000"), ("2.50", "2.5")]
)
def test_decimal_text_at_its_edges(value: str, text: str) -> None:
    """Zero has one form, and thousands have their zeros."""
    assert decimal_text(Decimal(value)) == text


def test_contribution_of_a_signed_deal_is_its_money() -> None:
    """A signed deal counts once and with its money, as made and as converted at its own rate."""
    assert STREAMS["deal"].contribution(DEAL) == {
        "deal.signed": 1,
        "deal.signed.amount.CNY": Decimal("1200000.5"),
        "deal.signed.converted.USD": Decimal("2400001.0"),
    }


def test_contribution_of_a_partner_ends_with_it() -> None:
    """A partner counts by status and kind, one that ended by status alone."""
    partner = Entity("partner", "uz:1", "uz", "signed", 2, "k", {"kind": "investor"})
    assert STREAMS["partner"].contribution(partner) == {"partner.signed": 1, "partner.kind.investor": 1}
    ended = Entity("partner", "uz:1", "uz", "ended", 3, "k", {"kind": "investor"})
    assert STREAMS["partner"].contribution(ended) == {"partner.ended": 1}


def test_contribution_of_anything_else_is_its_status() -> None:
    """Where a stream says nothing else, an entity is one of its status."""
    assert STREAMS["offer"].contribution(Entity("offer", "uz:1", "uz", "published", 1, "k", {})) == {
        "offer.published": 1
    }
