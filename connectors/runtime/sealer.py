"""When a batch is closed: at once after a quiet time, else when it is full or `linger_ms` have passed."""

from __future__ import annotations

from collections.abc import Callable

from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.lane import Batch
from hub.protocol.keys import Signer
from hub.protocol.limits import BATCH_EVENTS_MAX


class Sealer:
    """Closes batches of one outbox with one key, and with `long_key` (ML-DSA-44) beside it if there is one.

    `linger_ms` is the least time between two seals of less than a full batch: the first event after a quiet time is
    sealed at once, and a stream of them costs at most 1000 / linger_ms signatures a second. `announced` tells of a
    `dataschema` whether HQ reads it: what it does not read waits.
    """

    def __init__(
        self,
        outbox: Outbox,
        key: Signer,
        linger_ms: float,
        clock: Callable[[], float],
        announced: Callable[[str], bool],
        long_key: Signer | None = None,
    ) -> None:
        self._outbox = outbox
        self._linger_s = linger_ms / 1000
        self._clock = clock
        self._announced = announced
        self._sealed_at = float("-inf")
        self.key = key
        self.long_key = long_key

    def due_s(self) -> float:
        """Return in how many seconds a batch may be closed; 0 if now."""
        return max(0.0, self._sealed_at + self._linger_s - self._clock())

    def seal(self) -> Batch | None:
        """Return the next batch, sealed and durable; None if nothing waits, is held back, or waits its time."""
        if self.due_s() > 0 and self._outbox.lane.unsealed(BATCH_EVENTS_MAX) < BATCH_EVENTS_MAX:
            return None
        batch = self._outbox.lane.seal(self.key, self._announced, self.long_key)
        if batch is not None:
            self._sealed_at = self._clock()
        return batch
