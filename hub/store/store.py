"""What every store promises. Each engine's hot writes are its own; tests/contract runs one suite over all of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub.domain.entity import Entity
from hub.ledger.batch import Batch, EntityKey, Known
from hub.ledger.lane import Intake
from hub.ledger.publication import Publication
from hub.protocol.errors import Retriable
from hub.protocol.tree import Edge

QUARANTINE_QUOTA_BYTES = 64 * 1024 * 1024  # a center over it keeps KEPT_BYTES_MAX of a record and its digest
KEPT_BYTES_MAX = 64 * 1024


class FencedError(Retriable):
    """Another owner has claimed the intake. The caller drops what it holds of it and reads no further."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An intake and the owner term under which this process may write it."""

    intake: Intake
    term: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What a worker looks at between fetches: the hq lane's size and every intake's term and status."""

    basis: int
    intakes: dict[str, tuple[int, str]]


class Store(Protocol):
    """One HQ database."""

    async def claim(self, centers: Collection[str], owner: str) -> dict[str, Claimed]:
        """Take over these intakes, making them where they are new; every older term is void from then on."""

    async def commit(self, batch: Batch, term: int, recorded_at: datetime) -> None:
        """Write all of `batch` in one transaction, or nothing. Errors: FencedError."""

    async def entities(self, keys: Collection[EntityKey]) -> dict[EntityKey, Known]:
        """Return those of `keys` that HQ knows."""

    async def basis(self) -> tuple[int, list[Entity]]:
        """Return the size of the hq lane and its entities at that size."""

    async def changes(self) -> Changes:
        """Return what may have changed behind a worker's back; cheap enough to ask every second."""

    async def newest_recorded_at(self) -> datetime | None:
        """Return the newest recorded_at of all lanes."""

    async def edge_at(self, origin: str, size: int) -> Edge | None:
        """Return the edge of a lane at any size that HQ has."""

    async def receipt_at(self, origin: str, sequence: int) -> bytes | None:
        """Return the stored receipt that covers a sequence, byte for byte as it was sent."""

    async def set_status(self, center: str, term: int, status: str, why: str) -> None:
        """Record that an intake waits, is parked or forked, without moving it. Errors: FencedError."""

    async def resume(self, center: str) -> str | None:
        """Let a parked or forked intake read again; return the status it had, or None where there is no such intake.

        The term stays: the owner sees the new status in `changes` and goes on. Any other status is left as it is.
        """

    async def keep_evidence(self, origin: str, size: int, ours: bytes, theirs: bytes, recorded_at: datetime) -> None:
        """Keep the two notes that prove a fork."""

    async def unpublished(self, center: str) -> list[tuple[str, int, int]]:
        """Return (origin, published, size) of every lane of `center` with something to publish."""

    async def cursors(self, center: str) -> list[tuple[str, int]]:
        """Return (origin, published) of every lane of `center`."""

    async def publication(self, origin: str, after: int, limit: int) -> Publication | None:
        """Return the next whole receipts of a lane behind sequence `after`, about `limit` events."""

    async def set_published(self, cursors: dict[str, int]) -> None:
        """Move the publisher's cursors, after the broker acknowledged."""

    def close(self) -> None:
        """Close every connection. Idempotent."""
