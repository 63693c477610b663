"""The entities of one center while its lanes are folded: the newest in memory, the rest in a second state's file.

The file holds nothing that the ledger does not give again, so nothing is synced to disk but where a rebuild wants to
resume.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar, overload

from hub.ledger.step import EntityKey, KnownEntity
from hub.store.state import SecondState

KEPT: Final = 16_000  # entities in memory, some 3 KB each; half of them make room at once
T = TypeVar("T")


class EntityBook(Mapping[EntityKey, KnownEntity]):
    """Every entity that was folded. `get` finds it; `update` takes what one receipt changed."""

    def __init__(self, state: SecondState, kept: int = KEPT) -> None:
        self._state = state
        self._half = max(1, kept // 2)
        self._young: dict[EntityKey, KnownEntity] = {}
        self._old: dict[EntityKey, KnownEntity] = {}
        self._changed: set[EntityKey] = set()  # in memory, and not so in the file
        self._filed = not state.is_empty

    def __getitem__(self, key: EntityKey) -> KnownEntity:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    @overload
    def get(self, key: EntityKey, default: None = None, /) -> KnownEntity | None: ...
    @overload
    def get(self, key: EntityKey, default: KnownEntity, /) -> KnownEntity: ...
    @overload
    def get(self, key: EntityKey, default: T, /) -> KnownEntity | T: ...
    def get(self, key: EntityKey, default: Any = None, /) -> Any:
        """Return an entity, `default` where there is none. Asked for nearly every event."""
        found = self._young.get(key)
        if found is not None:
            return found
        found = self._old.pop(key, None)
        if found is None:
            found = self._state.get(key) if self._filed else None
            if found is None:
                return default
        self._young[key] = found
        return found

    def __len__(self) -> int:
        self.flush()
        return self._state.count()

    def __iter__(self) -> Iterator[EntityKey]:
        self.flush()
        yield from self._state.keys()

    def update(self, changed: Mapping[EntityKey, KnownEntity]) -> None:
        """Take the entities that changed; what was not asked for in a long time goes to the file."""
        young, old = self._young, self._old
        for key, known in changed.items():
            young[key] = known
            if old:
                old.pop(key, None)
        self._changed.update(changed)
        if len(young) > self._half:
            self._write(old)
            self._old, self._young = young, {}

    def flush(self) -> None:
        """Write all that changed to the file."""
        self._write(self._old)
        self._write(self._young)

    def commit(self) -> None:
        """Write all that changed, and what the caller saved beside it, for good."""
        self.flush()
        self._state.commit()

    def all(self) -> Iterator[KnownEntity]:
        """Yield every entity: those that were never filed as they came, others by stream and id."""
        if not self._filed:
            yield from self._old.values()
            yield from self._young.values()
            return
        self.flush()
        yield from self._state.all()

    def _write(self, entities: Mapping[EntityKey, KnownEntity]) -> None:
        changed = self._changed
        some = [known for key, known in entities.items() if key in changed]
        if not some:
            return
        self._state.put(some)
        changed.difference_update(entities)
        self._filed = True
