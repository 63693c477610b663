"""Where the check of a lane stands, and what its rooms hand to each other: the lane's receipts as they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hub.audit.rows import LedgerRows
from hub.ledger.lane import Lane
from hub.protocol.tree import HASH_BYTES
from hub.replay.fold import LedgerRowReader
from hub.store.rows import StoredLane


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What a receipt row says: its note where that is good, its columns where it is not."""

    first: int
    last: int
    recorded_at: datetime
    basis: int
    root: bytes | None
    seal: bytes
    edge: object
    state_digest: object
    lines: dict[int, str] | None


@dataclass(slots=True)
class Walk:
    """Where the check of one lane stands."""

    stored: StoredLane
    lane: Lane
    rows: LedgerRows
    hq_before: int  # events of HQ's lanes before this one, where it is HQ's
    reader: LedgerRowReader = field(default_factory=LedgerRowReader)
    at: int = 0
    states: list[bytes] = field(default_factory=lambda: [bytes(HASH_BYTES)])
    edge_known: bool = True
    basis: int = 0  # the newest that a receipt of it was judged under
    digest_due: bool = False  # a receipt with a state digest was seen: the later ones have it too


def bytes_of(value: object) -> bytes:
    """Return the bytes that a column has, none where it has none."""
    return value if isinstance(value, bytes) else b""


def differences(names: Sequence[str], kept: Sequence[object], given: Sequence[object]) -> str:
    """Return in words which columns are not what they should be."""
    parts = [f"{n} is {_short(a)}, not {_short(b)}" for n, a, b in zip(names, kept, given, strict=True) if a != b]
    return "; ".join(parts)


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
