"""What a worker remembers of entities: whole the newest, in outline many more, and never more than it may."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.entity import Entity, OutlineOnly
from hub.ledger.step import EntityKey, KnownEntity, KnownOutline
from hub.worker.remembered import Remembered

A, B, C, D = ("offer", "uz:A"), ("offer", "uz:B"), ("offer", "kz:C"), ("offer", "uz:D")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def changed(*keys: EntityKey, version: int = 1) -> dict[EntityKey, KnownEntity]:
    """Return entities as a commit leaves them, the place in their lane being ten times their version."""
    return {key: known(key, version) for key in keys}


def known(key: EntityKey, version: int) -> KnownEntity:
    center = key[1].partition(":")[0]
    entity = Entity(*key, center, "published", version, "net.cohub.offer.published.v1", {"title": "Printer"})
    document = entity.to_json()
    return KnownEntity(
        entity, document, entity.digest, f"lane of {center}", version * 10, entity.kind, NOW, "lane", 1, b"framed"
    )


def forms(memory: Remembered, *whole: EntityKey) -> dict[str, str]:
    """Return in which form each of the four entities is remembered, if those in `whole` have to be whole."""
    found = memory.known([A, B, C, D], whole)
    return {key[1]: type(entity).__name__ for key, entity in sorted(found.items())}


def test_newest_are_whole_older_ones_outlined_and_the_oldest_forgotten() -> None:
    """Each form has its own limit, which holds after every commit."""
    memory = Remembered(whole_max=1, outlines_max=2)
    for key in (A, B, C, D):
        memory.remember(changed(key))
    assert forms(memory) == {"kz:C": "KnownOutline", "uz:B": "KnownOutline", "uz:D": "KnownEntity"}
    assert dict(memory.whole) == changed(D)


def test_outline_is_no_answer_where_the_whole_entity_counts() -> None:
    """It is left out, so that it is read."""
    memory = Remembered(whole_max=1, outlines_max=2)
    memory.remember(changed(A))
    memory.remember(changed(B))
    assert forms(memory, A, B) == {"uz:B": "KnownEntity"}


def test_outline_has_what_most_events_ask_and_nothing_else() -> None:
    """Status, version and place are those of the entity that was committed; what is not there is never a guess."""
    memory = Remembered(whole_max=0, outlines_max=1)
    memory.remember(changed(A, version=7))
    outlined = memory.known([A], ())[A]
    assert isinstance(outlined, KnownOutline)
    entity = outlined.entity
    assert (entity.stream, entity.id, entity.center, entity.status, entity.version) == (*A, "uz", "published", 7)
    assert (outlined.origin, outlined.sequence) == ("lane of uz", 70)
    for name in ("document", "digest", "changed_by", "recorded_at", "record_origin", "record_sequence", "value"):
        with pytest.raises(OutlineOnly, match="uz:A"):
            getattr(outlined, name)
    for name in ("kind", "record", "changed"):
        with pytest.raises(OutlineOnly, match="uz:A"):
            getattr(entity, name)


def test_what_changed_again_counts_as_new_and_no_older_outline_is_left() -> None:
    """An entity that becomes whole again is not remembered twice, whichever form goes first."""
    memory = Remembered(whole_max=1, outlines_max=3)
    memory.remember(changed(A, B))
    assert forms(memory) == {"uz:A": "KnownOutline", "uz:B": "KnownEntity"}
    memory.remember(changed(A, version=2))
    assert forms(memory) == {"uz:A": "KnownEntity", "uz:B": "KnownOutline"}
    memory.remember(changed(B, version=2))
    assert memory.known([A], ())[A].entity.version == 2
    memory.remember(changed(C, D))
    assert [memory.known([key], ())[key].entity.version for key in (A, B)] == [2, 2]


def test_memory_of_no_entity_knows_none() -> None:
    """A limit of zero is a limit."""
    memory = Remembered(whole_max=0, outlines_max=0)
    memory.remember(changed(A, B))
    assert forms(memory) == {}
    assert not memory.whole


def test_center_that_is_forgotten_is_not_remembered_in_any_form() -> None:
    """Another worker may have changed its entities meanwhile; other centers stay remembered."""
    memory = Remembered(whole_max=2, outlines_max=2)
    memory.remember(changed(A, C))
    memory.remember(changed(B, version=2))
    memory.remember(changed(D, version=3))
    memory.forget(["uz"])
    assert forms(memory) == {"kz:C": "KnownOutline"}
    memory.forget(["kz"])
    assert forms(memory) == {}


def test_memory_is_walked_once_for_all_lanes_that_move() -> None:
    """A rebalance of 300 lanes took seconds, in which the worker's loop stood still."""
    walks = []

    class Walked(OrderedDict[EntityKey, Any]):
        def __iter__(self) -> Iterator[EntityKey]:
            walks.append(len(self))
            return super().__iter__()

    memory = Remembered(whole_max=2, outlines_max=9)
    memory.remember(changed(A, B, C, D))
    memory._whole, memory._outlines = Walked(memory._whole), Walked(memory._outlines)
    walks.clear()
    memory.forget([f"c{number}" for number in range(300)])
    assert walks == [2, 2]
    memory.forget(["uz", "c1"])
    assert forms(memory) == {"kz:C": "KnownEntity"}
