"""Whose lanes HQ speaks of: the newest of this center, ours, and one that another machine opened after ours.

Anybody who can write `out.<center>` can say an old receipt of HQ's again, also one for a lane that this outbox never
had. So lanes are told apart by HQ's own clock: HQ closes a lane when it takes the next one, and the later one goes on.
Where HQ's clock was ahead, and HQ took back what it gave then, such a time counts as that of HQ's word.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import Any

import orjson
import structlog

from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.lane import Epoch, Lane, Previous
from connectors.runtime.outbox.meta import Foreign, Meta, began
from hub.domain.clock import Correction
from hub.protocol.moment import EPOCH_START, read_time, write_time
from hub.protocol.receipt import Receipt
from hub.protocol.record import is_origin

log = structlog.get_logger(__name__)


class ReceiptOutcome(Enum):
    """What one receipt was to this outbox."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"  # all of it was receipted before
    DIVERGED = "diverged"  # HQ holds more of our lane than we do, or another tree: a new epoch is due
    STRAY = "stray"  # for a lane that is closed
    FOREIGN = "foreign"  # for a lane of our center that this outbox never opened, and that is newer than ours
    MET = "met"  # the same, before HQ has recorded anything of ours: which of the two is newer is found out then
    BACKDATED = "backdated"  # by a key that was retired, and later than one from after that: not HQ's word


class Origins:
    """Tells the lanes of this center apart, inside the transactions of whoever takes receipts."""

    def __init__(self, database: Database, lane: Lane) -> None:
        self._database = database
        self._lane = lane

    def newest(self) -> Previous | None:
        """Return the lane of this center of which HQ spoke last, whoever wrote it."""
        return self._database.record(Meta.NEWEST, _previous)

    def forget_others(self, hub: str, center: str) -> None:
        """Forget what releases before 0.3 took for lanes of this center, and are none, or are older than ours."""
        newest, foreign = self.newest(), self._database.foreign()
        if newest is not None and not is_origin(newest.origin, hub, center):
            self._database.set_meta(Meta.NEWEST, None)
        if foreign is None:
            return
        start = self._start()
        is_older = start is not None and self._order(foreign.recorded_at, foreign.basis) <= start
        if is_older or not is_origin(foreign.origin, hub, center):
            log.warning("foreign_lane_forgotten", origin=foreign.origin)
            self._database.set_foreign(None)

    def remember(self, receipt: Receipt) -> None:
        """Remember the lane of which HQ spoke last: by HQ's clock, for anybody may say an old receipt again."""
        if self._database.record(Meta.NEWEST, partial(self._covers, receipt)):
            return
        root = base64.b64encode(receipt.root).decode()
        found = {"origin": receipt.origin, "size": receipt.last, "root": root, "basis": receipt.basis}
        found["recorded_at"] = write_time(receipt.recorded_at)
        self._database.set_meta(Meta.NEWEST, orjson.dumps(found).decode())

    def _covers(self, receipt: Receipt, newest: str) -> bool:
        """Return whether a receipt says nothing newer than what is remembered as the newest."""
        known = orjson.loads(newest)
        if known["origin"] == receipt.origin:
            return bool(known["size"] >= receipt.last)
        before = self._order(self._spoken_at(known), known.get("basis", 0))
        return before >= self._order(receipt.recorded_at, receipt.basis)

    def correct(self, correction: Correction | None) -> None:
        """Keep which times HQ took back last, so that a start knows it before HQ's lane is read."""
        if correction is None:
            return
        found = {"since": write_time(correction.since), "until": write_time(correction.until)}
        self._database.set_meta(Meta.CLOCK_CORRECTED, orjson.dumps({**found, "basis": correction.basis}).decode())

    def reconsider(self, correction: Correction | None, hub: str, center: str) -> bool:
        """Return whether another machine still counts as writing for this center, now that HQ's lane was read."""
        self.correct(correction)
        self.forget_others(hub, center)
        return self._database.foreign() is not None

    def _order(self, moment: datetime, basis: int) -> tuple[datetime, datetime]:
        """Return by what receipts are put in order; `basis` is what this one was judged under, 0 where nobody kept it.

        A time that HQ took back was at that word of HQ's, at the latest; of two of them the later is the later.
        """
        corrected = self._database.record(Meta.CLOCK_CORRECTED, _correction)
        if corrected is None:
            return moment, moment
        since, until, corrected_at = corrected
        # Behind HQ's word right times go on within what it took back. What was judged before it was recorded by the
        # wrong clock; where that is not known, a time that is to come is a wrong one.
        is_before = basis < corrected_at if basis and corrected_at else moment > datetime.now(UTC)
        return (since if since < moment <= until and is_before else moment), moment

    def _start(self) -> tuple[datetime, datetime] | None:
        """Return where the open lane stands in this order, None if there is no receipt for it yet."""
        began_at = self.began()
        return None if began_at is None else self._order(*began_at)

    def _spoken_at(self, known: Mapping[str, Any]) -> datetime:
        """Return when HQ recorded the receipt that was remembered as its newest; releases before 0.3 kept no time."""
        if "recorded_at" in known:
            return read_time(known["recorded_at"])
        found = self._database.read(
            "SELECT max(recorded_at) FROM receipt JOIN epoch ON epoch.number=receipt.epoch WHERE origin=?",
            (known["origin"],),
        )
        return EPOCH_START if found[0][0] is None else read_time(found[0][0])

    def began(self) -> tuple[datetime, int] | None:
        """Return when HQ recorded the first event of the open lane, None if there is no receipt for it yet.

        With the basis that it was judged under, 0 where that is not known. Releases before 0.3 kept no such time: then
        it is that of the oldest receipt that is still kept.
        """
        epoch = self._lane.epoch
        if epoch is None:
            return None
        kept = self._database.record(began(epoch.number), _began)
        if kept is not None:
            return kept
        ((oldest,),) = self._database.read("SELECT min(recorded_at) FROM receipt WHERE epoch=?", (epoch.number,))
        return None if oldest is None else (read_time(oldest), 0)

    def begin(self, epoch: Epoch, receipt: Receipt) -> ReceiptOutcome:
        """HQ has recorded the first event of the open lane: of a lane that was met before, it is known whose is newer.

        HQ closes a lane when it takes the next one: the later of the two is the one that goes on.
        """
        self._database.set_meta(began(epoch.number), f"{write_time(receipt.recorded_at)} {receipt.basis}")
        met = self._database.record(Meta.MET, Foreign.from_text)
        if met is None:
            return ReceiptOutcome.APPLIED
        self._database.set_meta(Meta.MET, None)
        if self._order(met.recorded_at, met.basis) <= self._order(receipt.recorded_at, receipt.basis):
            return ReceiptOutcome.APPLIED
        self._database.set_foreign(met)
        return ReceiptOutcome.FOREIGN

    def take_foreign(self, connection: sqlite3.Connection, receipt: Receipt) -> ReceiptOutcome:
        """Take a receipt for a lane of our center that this outbox never opened; return what it is to us."""
        known = connection.execute("SELECT 1 FROM foreign_lane WHERE origin=?", (receipt.origin,)).fetchone()
        if known:
            return ReceiptOutcome.STRAY
        if self._lane.epoch is None or self._database.meta(Meta.EPOCH_WANTED) is not None:
            # The lane that we are about to open will continue it.
            connection.execute(
                "INSERT INTO foreign_lane VALUES (?, ?)", (receipt.origin, write_time(receipt.recorded_at))
            )
            return ReceiptOutcome.STRAY
        foreign, start = Foreign(receipt.origin, receipt.recorded_at, basis=receipt.basis), self._start()
        if start is None:
            met, order = self._database.record(Meta.MET, Foreign.from_text), self._order
            if met is None or order(met.recorded_at, met.basis) < order(foreign.recorded_at, foreign.basis):
                self._database.set_meta(Meta.MET, foreign.to_text())
            return ReceiptOutcome.MET
        if self._order(foreign.recorded_at, foreign.basis) <= start:
            return ReceiptOutcome.STRAY  # ours has followed it: somebody says it again
        self._database.set_foreign(foreign)
        return ReceiptOutcome.FOREIGN


def _previous(text: str) -> Previous:
    found = orjson.loads(text)
    return Previous(found["origin"], found["size"], base64.b64decode(found["root"]))


def _correction(text: str) -> tuple[datetime, datetime, int]:
    """Return since when, and until when, times were wrong, and the basis of HQ's word, 0 where it was not kept."""
    found = orjson.loads(text)
    return read_time(found["since"]), read_time(found["until"]), int(found.get("basis", 0))


def _began(text: str) -> tuple[datetime, int]:
    at, _, basis = text.partition(" ")
    return read_time(at), int(basis or 0)
