"""The verdict that each broken field rule gets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.catalogue import KINDS
from hub.domain.codes.country import COUNTRIES
from hub.domain.codes.currency import CURRENCIES
from hub.domain.codes.office import OFFICES
from hub.domain.codes.timezone import TIMEZONES
from hub.domain.rules import PARAMS_BYTES_MAX, check, complete
from hub.protocol.errors import Rejected
from hub.protocol.verdict import Code

OFFER = "net.cohub.offer.published.v1"
PARTNER = "net.cohub.partner.registered.v1"
PARTNER_2 = "net.cohub.partner.registered.v2"
DEAL = "net.cohub.deal.opened.v1"
CENTER = "net.cohub.center.registered.v1"
REQUEST = "net.cohub.request.published.v1"
DAY = dt.date(2026, 1, 1)

BROKEN: list[tuple[str, dict[str, Any], Code, str, str]] = [
    (OFFER, {"title": ""}, Code.MISSING_FIELD, "title", "min_length=1 value="),
    (OFFER, {"title": "  "}, Code.MISSING_FIELD, "title", ""),
    (OFFER, {"title": None}, Code.MISSING_FIELD, "title", ""),
    (OFFER, {"title": 7}, Code.BAD_FIELD, "title", "value=7"),
    (OFFER, {"title": "a\nb"}, Code.BAD_FIELD, "title", "value=a\ufffdb"),
    (OFFER, {"description": "a\x00b"}, Code.BAD_FIELD, "description", ""),
    (OFFER, {"title": "x" * 257}, Code.TOO_LONG, "title", "max=256 length=257"),
    (OFFER, {"summary": "x" * 501}, Code.TOO_LONG, "summary", "max=500 length=501"),
    (OFFER, {"description": "x" * 4001}, Code.TOO_LONG, "description", "max=4000 length=4001"),
    (OFFER, {"advantages": "x" * 2001}, Code.TOO_LONG, "advantages", "max=2000 length=2001"),
    (OFFER, {"technology_keywords": list("abcdef")}, Code.TOO_LONG, "technology_keywords", "max=5 length=6"),
    (OFFER, {"market_keywords": ["a b"]}, Code.BAD_FIELD, "market_keywords.0", "value=a b"),
    (OFFER, {"stage": "ready"}, Code.UNKNOWN_CODE, "stage", "value=ready allowed=concept|under_development|"),
    (OFFER, {"ip_status": "pending"}, Code.UNKNOWN_CODE, "ip_status", "value=pending allowed=none|"),
    (OFFER, {"trl": 0}, Code.OUT_OF_RANGE, "trl", "ge=1 value=0"),
    (OFFER, {"trl": 10}, Code.OUT_OF_RANGE, "trl", "le=9 value=10"),
    (OFFER, {"trl": True}, Code.BAD_FIELD, "trl", ""),
    (OFFER, {"countries": ["UZ", "UK"]}, Code.UNKNOWN_CODE, "countries.1", "value=UK"),
    (OFFER, {"ip_office": "QQ"}, Code.UNKNOWN_CODE, "ip_office", "value=QQ"),
    (OFFER, {"ipc": ["Z"]}, Code.BAD_FIELD, "ipc.0", "value=Z"),
    (OFFER, {"language": "russian language"}, Code.BAD_FIELD, "language", "value=russian language"),
    (OFFER, {"partner": "p-1"}, Code.BAD_FIELD, "partner", "value=p-1"),
    (OFFER, {"expires_on": DAY}, Code.INCONSISTENT, "expires_on", "published_on=2026-01-01 expires_on=2026-01-01"),
    (OFFER, {"expires_on": dt.date(2028, 1, 3)}, Code.INCONSISTENT, "expires_on", "published_on=2026-01-01"),
    (OFFER, {"published_on": None}, Code.MISSING_FIELD, "published_on", "expires_on"),
    (OFFER, {"published_on": dt.date(1, 1, 1)}, Code.OUT_OF_RANGE, "published_on", "ge=1900-01-01 value=0001-01-01"),
    (OFFER, {"export_control": "none"}, Code.UNKNOWN_CODE, "export_control", "value=none allowed=free|"),
    (OFFER, {"export_control": "prohibited"}, Code.EXPORT_CONTROLLED, "export_control", "prohibited"),
    (
        OFFER,
        {"export_control": "prohibited", "export_licence": "L-1"},
        Code.EXPORT_CONTROLLED,
        "export_control",
        "prohibited",
    ),
    (OFFER, {"export_control": "restricted"}, Code.EXPORT_CONTROLLED, "export_control", "restricted"),
    (OFFER, {"owner_email": "x"}, Code.BAD_FIELD, "owner_email", "value=x"),
    (PARTNER, {"lei": "25340077S9WKUJJ9YT96"}, Code.BAD_FIELD, "lei", "value=25340077S9WKUJJ9YT96"),
    (PARTNER, {"lei": "25340077s9wkujj9yt95"}, Code.BAD_FIELD, "lei", ""),
    (PARTNER, {"name_latin": "Университет"}, Code.BAD_FIELD, "name_latin", ""),
    (PARTNER, {"kind": "person"}, Code.UNKNOWN_CODE, "kind", "value=person"),
    (PARTNER, {"website": "example.org"}, Code.BAD_FIELD, "website", ""),
    (PARTNER_2, {"contact": "Jane Doe <jane@example.org>"}, Code.BAD_FIELD, "contact", "expected a sealed value"),
    (PARTNER_2, {"contact": f"sealed.v1.{'k' * 22}.{'A' * 63}"}, Code.BAD_FIELD, "contact", "expected a sealed value"),
    (PARTNER_2, {"contact": f"sealed.v2.{'k' * 22}.{'A' * 64}"}, Code.BAD_FIELD, "contact", "expected a sealed value"),
    (PARTNER_2, {"contact": f"erased.v1.{'k' * 22}.A"}, Code.BAD_FIELD, "contact", "expected a sealed value"),
    (PARTNER_2, {"contact": f"sealed.v1.{'k' * 22}.{'A' * 6000}"}, Code.TOO_LONG, "contact", "max=6000 length=6033"),
    (DEAL, {"amount": Decimal(-1)}, Code.OUT_OF_RANGE, "amount", "ge=0 value=-1"),
    (DEAL, {"amount": Decimal(10) ** 15}, Code.OUT_OF_RANGE, "amount", "lt=1000000000000000"),
    (DEAL, {"amount": Decimal("1.00001")}, Code.BAD_FIELD, "amount", "decimal_places=4 value=1.00001"),
    (DEAL, {"amount": Decimal("NaN")}, Code.BAD_FIELD, "amount", "value=NaN"),
    (DEAL, {"amount": 1.5}, Code.BAD_FIELD, "amount", ""),
    (DEAL, {"amount": None}, Code.INCONSISTENT, "currency", "amount and currency go together"),
    (DEAL, {"currency": "RMB"}, Code.UNKNOWN_CODE, "currency", "value=RMB"),
    (DEAL, {"rate": Decimal(10) ** 8}, Code.OUT_OF_RANGE, "rate", "lt=100000000 value=100000000"),
    (DEAL, {"rate": Decimal(0)}, Code.OUT_OF_RANGE, "rate", "gt=0 value=0"),
    (DEAL, {"rate_on": None}, Code.INCONSISTENT, "rate", "rate, rate_currency and rate_on go together"),
    (DEAL, {"closed_on": dt.date(2026, 2, 1)}, Code.INCONSISTENT, "closed_on", "signed_on=2026-02-02"),
    ("net.cohub.deal.signed.v1", {"signed_on": None, "closed_on": None}, Code.MISSING_FIELD, "signed_on", ""),
    ("net.cohub.deal.closed.v1", {"closed_on": None}, Code.MISSING_FIELD, "closed_on", "deal.closed"),
    (REQUEST, {"budget_currency": None}, Code.INCONSISTENT, "budget_currency", ""),
    (CENTER, {"timezone": "Asia/Nowhere"}, Code.UNKNOWN_CODE, "timezone", "value=Asia/Nowhere"),
    (CENTER, {"languages": []}, Code.BAD_FIELD, "languages", "min_length=1"),
    ("net.cohub.offer.withdrawn.v1", {"reason": "x" * 501}, Code.TOO_LONG, "reason", "max=500 length=501"),
    ("net.cohub.schema.announced.v1", {"schema_id": 7}, Code.INCONSISTENT, "schema_id", ""),
    ("net.cohub.schema.announced.v1", {"sha256": "00" * 32}, Code.INCONSISTENT, "sha256", ""),
    ("net.cohub.lane.opened.v1", {"previous_root": None}, Code.INCONSISTENT, "previous_root", ""),
    ("net.cohub.code_list.published.v1", {"codes": [{"code": "a"}, {"code": "a"}]}, Code.INCONSISTENT, "codes", ""),
]


@pytest.mark.parametrize(("event_type", "replaced", "code", "field", "params"), BROKEN)
def test_rule_broken_gives_its_verdict(
    event_type: str,
    replaced: dict[str, Any],
    code: Code,
    field: str,
    params: str,
    sample: Callable[..., dict[str, Any]],
) -> None:
    """A broken rule is told by its code, the field's path, and the limit beside what came."""
    with pytest.raises(Rejected) as caught:
        check(KINDS[event_type], sample(event_type, **replaced))
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.params.startswith(params)


@pytest.mark.parametrize("name", ["title", "language", "export_control", "trl"])
def test_field_left_out_is_missing(name: str, sample: Callable[..., dict[str, Any]]) -> None:
    """A required field that is left out is missing; an optional one is not."""
    value = sample(OFFER)
    del value[name]
    if name == "trl":
        check(KINDS[OFFER], value)
        return
    with pytest.raises(Rejected) as caught:
        check(KINDS[OFFER], value)
    assert (caught.value.code, caught.value.field) == (Code.MISSING_FIELD, name)


def test_nested_field_is_told_by_its_path(sample: Callable[..., dict[str, Any]]) -> None:
    """A fault inside a list of records is told with the item's number."""
    value = sample(CENTER)
    value["keys"] = [value["keys"][0] | {"vkey": value["keys"][0]["vkey"].replace("hub.example", "bad.example")}]
    with pytest.raises(Rejected) as caught:
        check(KINDS[CENTER], value)
    assert (caught.value.code, caught.value.field) == (Code.BAD_FIELD, "keys.0.vkey")


@pytest.mark.parametrize(
    "replaced",
    [
        {"export_control": "restricted", "export_licence": "MOFCOM-2026-1"},
        {"expires_on": dt.date(2028, 1, 2)},
        {"language": "sr-Latn-RS"},
        {"language": "zh-Hans-CN-x-qingdao"},
        {"ipc": ["A", "A01", "A01B", "A01B1/00", "H04L 12/2854"]},
        {"ip_office": "EA"},
        {"title": "𠮷" * 256},
        {"partner": "uz:договор № 5"},
    ],
)
def test_rule_kept_at_its_edge_passes(replaced: dict[str, Any], sample: Callable[..., dict[str, Any]]) -> None:
    """What is just legal is legal."""
    check(KINDS[OFFER], sample(OFFER, **replaced))


def test_complete_fills_what_is_optional_and_nothing_else() -> None:
    """An optional field gets its default, a fresh list each time; a required one stays missing."""
    first, second = complete(KINDS[OFFER], {"title": "T"}), complete(KINDS[OFFER], {"title": "T"})
    assert first["title"] == "T"
    assert first["trl"] is None
    assert first["ipc"] == []
    assert first["ipc"] is not second["ipc"]
    assert "language" not in first


@given(st.dictionaries(st.sampled_from(["title", "summary", "trl", "ipc", "stage", "expires_on", "x"]), st.one_of(
    st.none(), st.text(max_size=600), st.integers(), st.lists(st.text(max_size=9), max_size=25), st.dates(),
    st.decimals(), st.binary(max_size=9), st.floats(),
)))  # fmt: skip
def test_rules_on_anything_pass_or_reject_shortly(value: dict[str, Any]) -> None:
    """Whatever a value is, it passes or gets a verdict whose parameters fit on a receipt's line."""
    params = ""
    try:
        check(KINDS[OFFER], {"title": "T", "language": "en", "export_control": "free"} | value)
    except Rejected as rejected:
        params = rejected.params
    assert len(params.encode()) <= PARAMS_BYTES_MAX
    assert params.isprintable()


def test_code_lists_have_the_region_and_no_placeholders() -> None:
    """The lists are whole: every country of the network is in, test codes are out."""
    assert {"CN", "KZ", "UZ", "TJ", "KG", "BY", "MN", "PK", "IR", "RU", "IN"} <= COUNTRIES
    assert len(COUNTRIES) == 249
    assert {"CNY", "KZT", "UZS", "TJS", "KGS", "BYN", "MNT", "PKR", "IRR", "RUB", "EUR"} <= CURRENCIES
    assert not {"XXX", "XTS", "XAU"} & CURRENCIES
    assert {"CN", "EA", "EP", "WO"} <= OFFICES
    assert {"Asia/Shanghai", "Asia/Almaty", "Asia/Tashkent", "Europe/Moscow", "UTC"} <= TIMEZONES
