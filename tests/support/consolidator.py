"""A consolidator on a real store, and what stands around it: what it tells the others, a clock, a spoilt store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

from hub.ledger.publication import Publication
from hub.ledger.step import EntityKey
from hub.store.store import Store
from hub.worker.consolidator import Consolidator
from hub.worker.owing import Owing
from tests.support.center import Center
from tests.support.hq import IDENTITY, Hq
from tests.support.peek import peek

LATER = datetime(2040, 1, 1, tzinfo=UTC)  # HQ's own lane is written by the real clock


class Seen:
    """Stands where the publisher and the reading side do, and remembers what it was told."""

    def __init__(self) -> None:
        self.published: list[Publication] = []
        self.answers: list[tuple[str, str]] = []
        self.paused: set[str] = set()
        self.sought: list[tuple[str, int | None]] = []
        self.damaged: dict[str, str] = {}
        self.lock = asyncio.Lock()

    def offer(self, found: Iterable[Publication]) -> None:
        self.published.extend(found)

    def answer(self, center: str, kind: str, _note: bytes) -> None:
        self.answers.append((center, kind))

    async def adopt(self, centers: Collection[str]) -> None:
        del centers

    def look(self, center: str) -> None:
        del center

    def repeat(self, centers: Collection[str]) -> None:
        del centers

    def unreadable(self) -> Mapping[str, str]:
        return self.damaged

    async def room(self, before: Collection[str] = ()) -> None:
        """There is always room."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        return self.lock

    def pause(self, center: str) -> None:
        self.paused.add(center)

    def resume(self, center: str) -> None:
        self.paused.discard(center)

    async def seek(self, center: str, offset: int | None) -> None:
        self.sought.append((center, offset))


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = LATER

    def __call__(self) -> datetime:
        return self.now


def consolidator(
    hq: Hq,
    seen: Seen,
    clock: Callable[[], datetime],
    store: Any = None,
    tick: Any = time.monotonic,
    owing: Owing | None = None,
) -> Consolidator:
    made = Consolidator(store or hq.store, hq.headquarters, IDENTITY, seen, "test", clock, tick, owing=owing)
    made.attach(seen)
    return made


def size(hq: Hq, center: Center) -> int:
    found = peek(hq.database, "SELECT size FROM lane WHERE origin = ?", center.origin)
    return int(found[0][0]) if found else 0


def intake(hq: Hq, center: Center) -> tuple[str, str]:
    ((status, why),) = peek(hq.database, "SELECT status, why FROM intake WHERE center = ?", center.id)
    return str(status), str(why)


class Spoilt:
    """A store that hands the engine what it cannot have made, or fails itself, when one center's entities are read."""

    def __init__(self, store: Store, center: str, failure: Exception | None = None) -> None:
        self._store = store
        self._center = center
        self.failure = failure
        self.is_spoilt = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, Any]:
        ours = [key for key in keys if key[1].startswith(f"{self._center}:")]
        if self.is_spoilt and ours:
            if self.failure is not None:
                raise self.failure
            return dict.fromkeys(ours, object())
        return dict(await self._store.entities(keys))
