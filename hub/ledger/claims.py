"""Claims: good seals on what HQ has already, which ask for its receipts again, or prove a fork. Pure.

A seal is over the whole lane before it. So of more claims than are answered at once the newest tells of any fork that
one of them would: it is among those that are looked at, wherever a fetch ends.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from hub.ledger.keyring import Keyring, Standing
from hub.ledger.reading import Claim
from hub.protocol.checkpoint import open_seal
from hub.protocol.errors import Malformed

CLAIMS_MAX: Final = 64


class Claims:
    """The claims of one fetch. It changes while a fetch is read, and never outlives that."""

    def __init__(self, center: str, keyring: Keyring) -> None:
        self._center = center
        self._keyring = keyring
        self._found: list[Claim] = []
        self._late: deque[tuple[str, int, bytes]] = deque(maxlen=CLAIMS_MAX)

    def add(self, origin: str, size: int, seal: bytes) -> None:
        """Take a seal that came again on a record of a lane of which HQ has `size` events."""
        if len(self._found) >= CLAIMS_MAX:
            self._late.append((origin, size, seal))
            return
        claim = self._look(origin, size, seal)
        if claim is not None:
            self._found.append(claim)

    def found(self) -> tuple[Claim, ...]:
        """Return those that are answered, as they came."""
        newest = next((claim for late in reversed(self._late) if (claim := self._look(*late)) is not None), None)
        return tuple(self._found if newest is None else [*self._found[:-1], newest])

    def _look(self, origin: str, size: int, seal: bytes) -> Claim | None:
        try:
            checkpoint, note = open_seal(seal)
        except Malformed:
            return None
        if checkpoint.origin != origin or checkpoint.size > size or self._keyring.no_seal(checkpoint):
            return None
        is_good = self._keyring.check(self._center, origin, note)[0] is Standing.GOOD
        return Claim(origin, checkpoint, seal) if is_good else None
