"""An entity's outline gives the verdict that the whole entity gives, or none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity, Outline, OutlineOnly
from hub.domain.judge import judge
from hub.domain.stream import EventKind
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Stretch
from hub.ledger.step import KnownEntity, KnownOutline
from hub.ledger.subjects import subjects
from hub.protocol.errors import Rejected
from hub.protocol.rules import RULES_KNOWN
from hub.protocol.tree import Edge
from schemas.vectors.samples import basis, entity_before, sample_of
from tests.support.center import Sent

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def told(kind: EventKind, entity: Entity | None, center: str, rules: int) -> Entity | tuple[str, str, str]:
    """Return the entity after the sample event of a kind, or its verdict."""
    try:
        under = replace(basis(), rules=rules)
        return judge(kind, f"{center}:1", center, NOW, sample_of(kind.type), entity, NOW, under)
    except Rejected as exc:
        return exc.code, exc.field, exc.params


def outline(entity: Entity) -> Outline:
    return Outline(entity.stream, entity.id, entity.center, entity.status, entity.version)


def counts_record(kind: EventKind) -> bool:
    """Return whether the need for one event of this kind asks for its entity whole."""
    headers: dict[str, bytes | None] = {"ce_type": kind.type.encode(), "ce_subject": b"uz:1"}
    pending = Pending(1, Sent(None, None, ()), headers, b"", b"", None)
    found, whole = subjects([Stretch(Lane("o", "uz", "0000abcd"), (pending,), Edge())])
    assert found == {(kind.stream, "uz:1")}
    return bool(whole)


@pytest.mark.parametrize("rules", RULES_KNOWN)
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.type)
def test_every_kind_of_event_is_judged_by_an_outline_as_by_the_whole_entity(kind: EventKind, rules: int) -> None:
    """In every status of its stream. What the need says to be whole covers all but what is perhaps said again."""
    center = "uz" if STREAMS[kind.stream].writer == "center" else "hq"
    statuses = {each.status_after for each in STREAMS[kind.stream].events if each.status_after is not None}
    for status in sorted(statuses):
        source = next(each for each in STREAMS[kind.stream].events if each.carries_record)
        record = sample_of(source.type)
        for growing in STREAMS[kind.stream].growing_fields:
            record |= {growing: sample_of(kind.type)[growing] - 1}
        whole = Entity(kind.stream, f"{center}:1", center, status, 3, source.type, record)
        expected = told(kind, whole, center, rules)
        try:
            found = told(kind, outline(whole), center, rules)
            if isinstance(found, Entity):
                found.to_json()
                contribution = STREAMS[kind.stream].contribution
                assert contribution(outline(whole)) == contribution(whole)
        except OutlineOnly:
            assert counts_record(kind) or (rules > 1 and kind.status_after == status)
        else:
            assert found == expected


def test_kinds_that_count_the_record_before_them_are_these() -> None:
    """Changes of a status alone, whatever has measures of its own, and what must grow."""
    counted = {kind.stream for kind in KINDS.values() if kind.carries_record and counts_record(kind)}
    assert counted == {
        "activity", "deal", "investment", "output", "partner", "project", "revenue", "rules", "service",
    }  # fmt: skip
    assert all(counts_record(kind) for kind in KINDS.values() if not kind.carries_record)


def test_outline_is_told_from_what_has_no_such_field() -> None:
    """Whoever looks for what no entity has is told what Python tells everybody."""
    before = entity_before("net.cohub.offer.revised.v1")
    assert before is not None
    outlined = KnownOutline(outline(before), "origin", 7)
    assert isinstance(outlined, KnownEntity)
    name = "nothing"
    for value in (outlined, outlined.entity):
        with pytest.raises(AttributeError):
            getattr(value, name)
