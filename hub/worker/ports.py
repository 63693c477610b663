"""What the consolidator needs of the reading side below it, and of the publishing side beside it: no more than this."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from hub.ledger.publication import Publication


class LaneHandle(Protocol):
    """The handle with which positions are moved, and fetching is held back; see `hub.worker.lanes.Lanes`."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return the turn: while it is had, nothing is assigned, revoked or handled.

        Whoever is called to do one of these has it already, and must not wait for it.
        """

    async def seek(self, center: str, offset: int | None) -> None:
        """Read this lane from `offset` on, None for the earliest record. Nothing fetched before comes after it."""

    def pause(self, center: str) -> None:
        """Fetch nothing more of this lane until `resume` or the next assignment."""

    def resume(self, center: str) -> None:
        """Fetch this lane again."""


class Outlet(Protocol):
    """Where goes what HQ has to say. Nothing but `room` waits; see `hub.worker.publisher.Publisher`."""

    def offer(self, found: Iterable[Publication]) -> None:
        """Publish what a commit made publishable, soon."""

    def answer(self, center: str, kind: str, note: bytes) -> None:
        """Send a note to a center that no cursor covers: a request to send again, or a stored receipt once more."""

    async def adopt(self, terms: Mapping[str, int]) -> None:
        """Publish what the last owner of these centers' lanes left, under these terms."""

    def repeat(self, centers: Collection[str]) -> None:
        """Send again what SQL has noted of these centers' states, as far as their lanes are ours."""

    def look(self, center: str) -> None:
        """Look into SQL for something to publish of this center, whatever was wrong with it before."""

    def unreadable(self) -> Mapping[str, str]:
        """Return the centers of which nothing is published, for their rows can't be read, and why."""

    async def room(self, before: Collection[str] = ()) -> None:
        """Wait while much is queued, and a moment for what goes out to the centers in `before`."""
