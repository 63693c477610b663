"""Who may begin a session, and what a center may do: by the sealed hq lane, as everything else at HQ."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from hub.domain.hq_lane import HqLane
from hub.domain.registry import Center, Registry
from hub.protocol.errors import Malformed
from hub.protocol.keys import ED25519, Verifier
from hub.protocol.moment import write_time
from hub.protocol.note import Note
from hub.protocol.problem import Problem, ProblemCode
from hub.web.sessions import Session

REFRESH_S: Final = 1.0
STALE_S: Final = 30.0  # after so long without a look nobody is let in: a key may have been revoked
AWAY_S: Final = 2


class Registered:
    """The centers and their keys, as they were at the last look. `look` reads the lane, and may take its time."""

    def __init__(self, look: Callable[[], HqLane], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._lane = HqLane()
        self._registry = Registry()
        self._looked_at = float("-inf")

    @property
    def basis(self) -> int:
        """The size of the hq lane that is known."""
        return self._lane.size

    @property
    def is_fresh(self) -> bool:
        """Whether it is known what the lane says now."""
        return self._clock() - self._looked_at <= STALE_S

    async def refresh(self) -> None:
        """Look again. Errors: Retriable; Fatal where the lane is not what HQ has sealed."""
        began = self._clock()
        lane = await asyncio.to_thread(self._look)
        if lane.size != self._lane.size or not self._lane.origin:
            self._lane, self._registry = lane, lane.registry()
        self._looked_at = began

    def find(self, center: str) -> Center | None:
        """Return a center, None where HQ has no such one. Errors: Problem of AWAY."""
        if not self.is_fresh:
            raise Problem(ProblemCode.AWAY, "HQ's ledger can't be read at this moment", retry_after_s=AWAY_S)
        return self._registry.centers.get(center)

    def signer_of(self, center: str, note: Note) -> Verifier:
        """Return the active seal key that has signed a note. Errors: Problem of KEY, CLOSED or AWAY."""
        found = self.find(center)
        keys = self._seal_keys(found) if found is not None else {}
        try:
            signer = note.verify(key for key, status in keys.items() if status == "active")
        except Malformed as exc:
            former = any(note.line_of(key) is not None for key, status in keys.items() if status != "active")
            why = f"the seal key of {center} that has" if former else f"no active seal key of a center {center} has"
            raise Problem(ProblemCode.KEY, f"{why} signed this note{' is revoked' if former else ''}") from exc
        self.admit(center, writes=False)
        return signer

    def admit(self, center: str, *, writes: bool) -> None:
        """See that a center may read, or write. Errors: Problem of KEY, CLOSED, SUSPENDED or AWAY."""
        found = self.find(center)
        if found is None:
            raise Problem(ProblemCode.KEY, f"HQ has no center {center}")
        if found.status == "closed":
            raise Problem(ProblemCode.CLOSED, f"HQ has closed {center}", **self._standing(found))
        if writes and found.status != "active":
            raise Problem(ProblemCode.SUSPENDED, f"HQ has suspended {center}", **self._standing(found))

    def keeps(self, session: Session) -> bool:
        """Return whether the key that began a session is still good. Errors: Problem of AWAY."""
        found = self.find(session.center)
        return found is not None and self._seal_keys(found).get(session.seal) == "active"

    def _standing(self, center: Center) -> dict[str, Any]:
        since = self._lane.changed.get(center.id)
        return {"since": None if since is None else write_time(since), "why": center.status_reason or None}

    @staticmethod
    def _seal_keys(center: Center) -> dict[Verifier, str]:
        found = {}
        for key in center.keys:
            if key.purpose == "seal" and key.algorithm == ED25519:
                try:
                    found[Verifier(key.name, key.public)] = key.status
                except Malformed:  # HQ enrols no such key; one that stands there all the same opens nothing
                    continue
        return found
