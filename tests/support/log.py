"""HQ's log as a test wants it: real trees and real signatures, honest or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer, Verifier
from hub.protocol.tree import Edge
from hub.protocol.witness import AFTER_HEADER, LEAVES_HEADER, log_origin

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def leaf(number: int, salt: str = "") -> bytes:
    """Return a leaf hash that no other number has."""
    return f"{salt}{number}".encode().rjust(32, b".")


@dataclass(frozen=True)
class Published:
    """A record of `hub.checkpoints` as Kafka would hand it over."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]
    offset: int = 0


@dataclass
class TestLog:
    """A log with its keys. `say` signs what it has; `fork` is the same keys' other story."""

    __test__ = False

    hub: str = "hub.example"
    leaves: list[bytes] = field(default_factory=list)
    said: list[int] = field(default_factory=list)
    seed: bytes = b"L" * 32

    def __post_init__(self) -> None:
        name = log_origin(self.hub)
        self.keys = [Signer(name, self.seed), Signer(name, self.seed[::-1], COSIGNATURE_MLDSA44)]

    @property
    def origin(self) -> str:
        return log_origin(self.hub)

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        return tuple(key.verifier for key in self.keys)

    def fork(self, size: int) -> TestLog:
        """Return a log with the same keys and the first `size` leaves."""
        return TestLog(self.hub, self.leaves[:size], [s for s in self.said if s <= size], self.seed)

    def append(self, *leaves: bytes) -> Published:
        """Append leaves and say so."""
        after = self.said[-1] if self.said else 0
        self.leaves.extend(leaves)
        self.said.append(len(self.leaves))
        return self.record(len(self.leaves), after)

    def note(self, size: int, keys: list[Signer] | None = None) -> bytes:
        root = Edge().append(self.leaves[:size]).root
        return sign_checkpoint(Checkpoint(self.origin, size, root), keys or self.keys, NOW)

    def record(self, size: int, after: int, **changes: Any) -> Published:
        """Return the record that says a size, with the leaves since `after`."""
        headers = {AFTER_HEADER: b"%d" % after, LEAVES_HEADER: b"".join(self.leaves[after:size])}
        headers.update(changes.get("headers", {}))
        value = changes.get("value", self.note(size))
        return Published(b"%d" % size, value, tuple(headers.items()))
