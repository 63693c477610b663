"""Which keys the witness goes by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.runtime.office import Office
from connectors.runtime.registry import Registry
from hub.protocol.keys import Signer, Verifier


@dataclass(frozen=True, slots=True)
class WitnessKeys:
    """Which keys count, asked each time: HQ's for its log as they are pinned, and the office's."""

    office: Office
    registry: Registry
    logs: Callable[[], Sequence[Verifier]]  # HQ's log keys, also former ones; none in a trust file of version 1
    retired: Callable[[], Mapping[Verifier, datetime]]  # which of HQ's keys sign nothing new, since when
    look: Callable[[], Awaitable[None]]  # reads what HQ has published of its keys, a few times a minute

    def witness(self) -> Signer | None:
        """Return the key to cosign with; None while HQ would not know whose it is."""
        key, center = self.office.witness_key, self.registry.center
        if key is None or center is None or not self.registry.known:
            return key
        known = center.key(key.verifier)
        return key if known is not None and known.active else None

    def seal(self) -> Signer:
        """Return the key that alarms are signed by."""
        return self.office.key
