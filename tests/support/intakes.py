"""What stands on both sides of a consolidator without Kafka: where its lanes are read, and what it publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from hub.ledger.publication import Publication


@dataclass
class Positions:
    """The reading side of one worker: the offset that comes next in each lane, and which lanes are paused."""

    next: dict[str, int] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    seeks: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def turn(self) -> AbstractAsyncContextManager[None]:
        return self.lock

    async def seek(self, center: str, offset: int | None) -> None:
        """Read on from `offset`, None for the earliest. A lane that this worker does not have is left alone."""
        if center in self.next:
            self.next[center] = offset or 0
            self.seeks += 1

    def pause(self, center: str) -> None:
        self.paused.add(center)

    def resume(self, center: str) -> None:
        self.paused.discard(center)

    def give(self, center: str, offset: int | None) -> None:
        """Take the lane over where its intake says; an assignment ends every pause."""
        self.next[center] = offset or 0

    def release(self, center: str) -> None:
        self.next.pop(center, None)
        self.paused.discard(center)


@dataclass
class Ledgered:
    """Keeps what workers offered to be published, and what they answered; it never fails and never waits."""

    publications: list[Publication] = field(default_factory=list)
    answers: list[tuple[str, str, bytes]] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)

    def offer(self, found: Iterable[Publication]) -> None:
        self.publications.extend(found)

    def answer(self, center: str, kind: str, note: bytes) -> None:
        self.answers.append((center, kind, note))

    def look(self, center: str) -> None:
        self.adopted.append(center)

    def unreadable(self) -> dict[str, str]:
        return {}

    async def adopt(self, centers: Collection[str]) -> None:
        self.adopted.extend(centers)

    def repeat(self, centers: Collection[str]) -> None:
        """Nothing here is ever sent too late."""

    async def room(self, before: Collection[str] = ()) -> None:
        return
