"""Says to centers how HQ stands with them: signed, on `out.<center>`. What is said when is `hub.ledger.telling`'s.

What is true when the process dies behind each step:
  standing kept   the next owner knows since when HQ stands so
  said            it may be said again; of two notes the newer counts
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import structlog

from hub.ledger.basis import Basis
from hub.ledger.lane import Intake
from hub.ledger.telling import Place, Telling, standing_of
from hub.protocol.control import Presence
from hub.protocol.errors import Retriable
from hub.protocol.note import sign_note
from hub.protocol.status import STATUS_KIND
from hub.store.consolidate import Instant, Signatory
from hub.store.store import Changes, FencedError, Store
from hub.worker.ports import Outlet

log = structlog.get_logger(__name__)


class Teller:
    """Tells the centers of one worker."""

    def __init__(self, store: Store, signatory: Signatory, outlet: Outlet) -> None:
        self._store = store
        self._signatory = signatory
        self._outlet = outlet
        self._tellings: dict[str, Telling] = {}

    async def assigned(self, centers: Collection[str]) -> None:
        """Take over these centers, with what was said to them before. Errors: Retriable."""
        for center, (presence, told, times) in (await self._store.told(centers)).items():
            self._tellings[center] = Telling.again(presence, told, times)

    def revoked(self, centers: Iterable[str]) -> None:
        """Let go of these centers."""
        for center in centers:
            self._tellings.pop(center, None)

    def heard(self, center: str, presences: Iterable[Presence], at: Instant) -> None:
        """Note what a center said of itself, as it came."""
        for presence in presences:
            self._tellings[center] = self._tellings.get(center, Telling()).heard(presence, at.now, at.tick)

    async def look(self, held: Iterable[tuple[Intake, int]], basis: Basis, changes: Changes, at: Instant) -> None:
        """Say what is due: for each intake that this worker holds, with its owner term."""
        if not changes.hq_lane:
            return
        for intake, term in held:
            center = intake.center
            before = self._tellings.get(center, Telling())
            stopped, remark = basis.keyring.waits(center), changes.remarks.get(center, "")
            after = before.stands(standing_of(intake, stopped, remark), at.now)
            is_due = after.is_due(at.tick)
            if after is before and not is_due:
                continue
            lane = intake.lane
            place = Place(
                self._signatory.hub,
                center,
                "" if lane is None else lane.origin,
                0 if lane is None else lane.size,
                basis.size,
                changes.hq_lane,
                basis.registry.rules,
            )
            text = after.note(place, at.now).to_text()
            if after is not before and not await self._keep(center, term, text):
                continue  # the next look finds it changed again
            if is_due:
                self._outlet.answer(center, STATUS_KIND, sign_note(text, [self._signatory.receipts]).to_bytes())
                log.debug("status_told", center=center)
                after = after.told(at.tick)
            self._tellings[center] = after

    async def _keep(self, center: str, term: int, text: str) -> bool:
        try:
            await self._store.keep_told(center, term, text)
        except FencedError:
            return False  # the new owner looks for itself
        except Retriable as exc:  # a database that is busy for one center must hold up no other
            log.warning("status_not_kept", center=center, error=str(exc))
            return False
        return True
