"""What a worker remembers of entities: asked once, dropped with their center, and never more than it may."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from hub.ledger.step import EntityKey, KnownEntity
from hub.worker import remembered
from hub.worker.remembered import Remembered


class Asked:
    """A store of nothing but a name for each entity, that notes what it is asked."""

    def __init__(self, *keys: EntityKey) -> None:
        self.asked: list[set[EntityKey]] = []
        self._known: dict[EntityKey, Any] = {key: f"stored {key[1]}" for key in keys}

    async def entities(self, keys: Collection[EntityKey]) -> Mapping[EntityKey, KnownEntity]:
        self.asked.append(set(keys))
        return {key: self._known[key] for key in keys if key in self._known}


A, B, C = ("offer", "uz:A"), ("offer", "uz:B"), ("offer", "kz:C")


def named(*keys: EntityKey) -> dict[EntityKey, Any]:
    return {key: f"changed {key[1]}" for key in keys}


async def test_only_what_is_not_remembered_is_asked_for() -> None:
    """An entity that was just committed costs no read; one that nobody has heard of is left out."""
    store = Asked(A, B)
    memory = Remembered(store)
    memory.remember(named(A))
    assert await memory.entities({A}) == named(A)
    assert store.asked == []
    assert dict(await memory.entities([A, B, C])) == {**named(A), B: "stored uz:B"}
    assert store.asked == [{B, C}]


async def test_center_that_is_forgotten_is_read_from_the_store() -> None:
    """Another worker may have changed it meanwhile; other centers stay remembered."""
    store = Asked(A, C)
    memory = Remembered(store)
    memory.remember(named(A, C))
    memory.forget("uz")
    assert dict(await memory.entities([A, C])) == {A: "stored uz:A", **named(C)}
    assert store.asked == [{A}]


async def test_oldest_change_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a limit, and what was changed again counts as new."""
    monkeypatch.setattr(remembered, "ENTITIES_MAX", 2)
    store = Asked()
    memory = Remembered(store)
    memory.remember(named(A, B))
    memory.remember(named(A, C))
    assert dict(await memory.entities([A, B, C])) == named(A, C)
    assert store.asked == [{B}]
