"""The network's rules, and the order in which all rules are looked at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.domain.catalogue import KINDS
from hub.domain.judge import judge
from hub.domain.registry import Registry, registry
from hub.protocol.errors import Newer, Rejected
from hub.protocol.note import Signer
from hub.protocol.verdict import Code

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
OFFER = "net.cohub.offer.published.v1"
DEAL = "net.cohub.deal.opened.v1"
CONFIRMATION = "net.cohub.deal_confirmation.given.v1"
PARTNER = "net.cohub.partner.registered.v1"
CENTER = "net.cohub.center.registered.v1"
LANE = "net.cohub.lane.opened.v1"

REJECTED: list[tuple[str, str, str, dict[str, Any], Code, str]] = [
    (OFFER, "kz:1", "uz", {}, Code.WRONG_CENTER, "ce_subject"),
    (OFFER, "uz", "uz", {}, Code.BAD_FIELD, "ce_subject"),
    (OFFER, "uz:", "uz", {}, Code.BAD_FIELD, "ce_subject"),
    (OFFER, "uz:" + "x" * 121, "uz", {}, Code.BAD_FIELD, "ce_subject"),
    (OFFER, "uz:a\nb", "uz", {}, Code.BAD_FIELD, "ce_subject"),
    (OFFER, "uz:1", "uz", {"title": ""}, Code.MISSING_FIELD, "title"),
    (OFFER, "uz:1", "uz", {"partner": "de:1"}, Code.UNKNOWN_CENTER, "partner"),
    (OFFER, "uz:1", "uz", {"technology_keywords": ["002", "999"]}, Code.CODE_NOT_LISTED, "technology_keywords.1"),
    (OFFER, "de:1", "de", {}, Code.STREAM_NOT_ALLOWED, ""),
    (OFFER, "hq:1", "hq", {}, Code.STREAM_NOT_ALLOWED, ""),
    (CENTER, "uz:qd", "uz", {"keys": []}, Code.STREAM_NOT_ALLOWED, ""),
    (DEAL, "uz:1", "uz", {"counterpart_center": "de"}, Code.UNKNOWN_CENTER, "counterpart_center"),
    (DEAL, "uz:1", "uz", {"counterpart_center": "uz"}, Code.INCONSISTENT, "counterpart_center"),
    (CONFIRMATION, "uz:1", "uz", {"deal": "uz:deal-1"}, Code.INCONSISTENT, "deal"),
    (CONFIRMATION, "uz:1", "uz", {"deal": "de:deal-1"}, Code.UNKNOWN_CENTER, "deal"),
    (LANE, "uz:11111111", "uz", {}, Code.INCONSISTENT, "ce_subject"),
    ("net.cohub.code_list.published.v1", "hq:market", "hq", {}, Code.INCONSISTENT, "ce_subject"),
    ("net.cohub.offer.revised.v1", "uz:1", "uz", {}, Code.UNKNOWN_ENTITY, ""),
]


@pytest.mark.parametrize(("event_type", "subject", "center", "replaced", "code", "field"), REJECTED)
def test_event_against_the_network_is_rejected(
    event_type: str,
    subject: str,
    center: str,
    replaced: dict[str, Any],
    code: Code,
    field: str,
    sample: Callable[..., dict[str, Any]],
    basis: Registry,
) -> None:
    """What only HQ can know gets its verdict too."""
    with pytest.raises(Rejected) as caught:
        judge(KINDS[event_type], subject, center, NOW, sample(event_type, **replaced), None, NOW, basis)
    assert (caught.value.code, caught.value.field) == (code, field)


@pytest.mark.parametrize(
    ("ahead", "accepted"),
    [(dt.timedelta(hours=24), True), (dt.timedelta(hours=24, microseconds=1), False), (-dt.timedelta(days=9000), True)],
)
def test_event_may_be_of_any_past_and_a_day_ahead(
    ahead: dt.timedelta, accepted: bool, sample: Callable[..., dict[str, Any]], basis: Registry
) -> None:
    """Any past date is taken; more than 24 hours ahead of HQ's clock is not."""
    kind = KINDS[PARTNER]
    if accepted:
        assert judge(kind, "uz:1", "uz", NOW + ahead, sample(PARTNER), None, NOW, basis).version == 1
        return
    with pytest.raises(Rejected) as caught:
        judge(kind, "uz:1", "uz", NOW + ahead, sample(PARTNER), None, NOW, basis)
    assert caught.value.code == Code.TIME_IN_FUTURE


def test_list_not_published_allows_any_code(sample: Callable[..., dict[str, Any]], basis: Registry) -> None:
    """A network that publishes no list of markets does without one."""
    value = sample(OFFER, market_keywords=["anything"])
    assert judge(KINDS[OFFER], "uz:1", "uz", NOW, value, None, NOW, basis).record["market_keywords"] == ["anything"]


def test_first_event_of_the_network_needs_no_registry(sample: Callable[..., dict[str, Any]]) -> None:
    """HQ's own lane begins under the empty basis: its opening, then its first center."""
    lane = sample(LANE, origin="hub.example/hq/0a1b2c3d", previous_origin=None, previous_size=0, previous_root=None)
    assert judge(KINDS[LANE], "hq:0a1b2c3d", "hq", NOW, lane, None, NOW, Registry()).status == "open"
    assert judge(KINDS[CENTER], "hq:uz", "hq", NOW, sample(CENTER), None, NOW, Registry()).status == "active"


def test_registry_finds_a_key_by_its_note_line(basis: Registry) -> None:
    """A seal names its key by name and id: that is how the registry has it, with the center that owns it."""
    verifier = Signer("hub.example/uz", bytes(range(32))).verifier
    key = basis.key(verifier.name, verifier.key_id)
    assert key is not None
    assert (key.center, key.public, key.status) == ("uz", verifier.public, "active")
    assert basis.key(verifier.name, b"\0\0\0\0") is None


def test_registry_says_what_hq_said(basis: Registry) -> None:
    """Centers, schemas and code lists are there under the basis they were folded at."""
    assert basis.basis == 4
    assert set(basis.centers) == {"uz", "qd", "ru"}
    assert basis.centers["uz"].timezone == "Asia/Tashkent"
    assert [info.stream for info in basis.schemas.values()] == ["offer"]
    assert basis.code_lists == {"technology": frozenset({"002"})}


def test_registry_passes_over_what_is_not_hqs() -> None:
    """No center can write itself into the registry."""
    assert registry(0, []).centers == {}


ADOPTED = "net.cohub.rules.adopted.v1"


@pytest.mark.parametrize(
    ("before", "number", "code"),
    [
        (None, 1, Code.OUT_OF_RANGE),
        (None, 2, None),
        (None, 3, None),
        (2, 2, Code.INCONSISTENT),
        (3, 2, Code.INCONSISTENT),
        (2, 3, None),
    ],
)
def test_number_of_the_rules_grows(before: int | None, number: int, code: Code | None) -> None:
    """HQ goes on to newer rules, and never back: what a basis names is named for ever."""
    kind = KINDS[ADOPTED]
    entity = None
    if before is not None:
        entity = judge(kind, "hq:rules", "hq", NOW, {"number": before, "reason": None}, None, NOW, Registry())
    value = {"number": number, "reason": None}
    if code is None:
        after = judge(kind, "hq:rules", "hq", NOW, value, entity, NOW, Registry())
        assert registry(9, [after]).rules == number
        return
    with pytest.raises(Rejected) as caught:
        judge(kind, "hq:rules", "hq", NOW, value, entity, NOW, Registry())
    assert (caught.value.code, caught.value.field) == (code, "number")


def test_registry_that_nobody_told_of_rules_has_the_first() -> None:
    """An hq lane of an older release names none: those are rules 1."""
    assert registry(3, []).rules == 1


def test_rules_that_this_release_lacks_judge_nothing(sample: Callable[..., dict[str, Any]], basis: Registry) -> None:
    """What only a later release can judge is not guessed at."""
    with pytest.raises(Newer, match="rules 3 are in force, and this release has the rules 1, 2"):
        judge(KINDS[OFFER], "uz:1", "uz", NOW, sample(OFFER), None, NOW, replace(basis, rules=3))
