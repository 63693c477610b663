"""An office: a real outbox, its key, and HQ's receipts key to answer with."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.reconcile.digest import record_digest
from connectors.runtime.codecs import Codecs
from connectors.runtime.ids import EventIds
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.answers import AnswersTaken, ReceivedReceipt
from connectors.runtime.outbox.lane import Batch
from connectors.runtime.outbox.queue import NewEvent
from hub.domain.catalogue import KINDS
from hub.protocol.note import Signer, sign_note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import LANE_OPENED

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HUB, CENTER = "hub.example", "uz"
ORIGIN = f"{HUB}/{CENTER}/0badcafe"
STATUS = {"published": "published", "revised": "published", "withdrawn": "withdrawn"}


class Office:
    """One center's outbox with its key, and HQ's receipts key to answer with."""

    def __init__(self, path: Path, codecs: Codecs) -> None:
        self.path = path
        self.codecs = codecs
        self.key = Signer(f"{HUB}/{CENTER}", b"k" * 32)
        self.hq = Signer(f"{HUB}/receipts", b"h" * 32)
        self.outbox = Outbox(path)
        self.ids = EventIds()
        self.offsets = itertools.count()

    def event(self, key: str, name: str = "published", title: str = "Title") -> NewEvent:
        record = {"title": title, "language": "en", "export_control": "free"}
        value = {"reason": "sold"} if name == "withdrawn" else record
        return self.codecs.event(
            KINDS[f"net.cohub.offer.{name}.v1"],
            f"{CENTER}:{key}",
            value,
            event_id=self.ids.make(),
            time=NOW,
            status=STATUS[name],
            digest=None if name == "withdrawn" else record_digest(record),
        )

    def open(self, origin: str = ORIGIN, reason: str = "first") -> None:
        kind = KINDS[LANE_OPENED]
        subject = f"{CENTER}:{origin.rpartition('/')[2]}"
        event = self.codecs.event(
            kind, subject, {"origin": origin}, event_id=self.ids.make(), time=NOW, status="open", digest=None
        )
        self.outbox.lane.open(origin, reason, event, NOW)

    def queue(self, *keys: str, name: str = "published", title: str = "Title") -> None:
        self.outbox.enqueue_events([self.event(key, name, title) for key in keys])

    def seal(self) -> Batch:
        batch = self.outbox.lane.seal(self.key)
        assert batch is not None
        return batch

    def answer(
        self,
        first: int,
        last: int,
        *decisions: Decision,
        root: bytes | None = None,
        origin: str | None = None,
        at: datetime = NOW,
        retired_at: datetime | None = None,
        basis: int = 1,
    ) -> AnswersTaken:
        """Take the receipt of `first` to `last`, as HQ would sign it; by a key that was retired, if that is given."""
        receipt = Receipt(
            origin or self.outbox.lane.origin,
            first,
            last,
            root or self.outbox.lane.root_at(last) or b"?" * 32,
            at,
            basis,
            decisions,
        )
        note = sign_note(receipt.to_text(), [self.hq]).to_bytes()
        offset = next(self.offsets)
        return self.outbox.answers.take(
            [ReceivedReceipt(offset, receipt, note, retired_at)], offset + 1, NOW + timedelta(seconds=1)
        )

    def entity(self, key: str) -> tuple[object, ...]:
        """Return status, presumed status, how many in flight, state and code."""
        found = self.outbox.database.read(
            "SELECT status, presumed_status, inflight, state, code FROM entity WHERE id=?", (f"offer/{CENTER}:{key}",)
        )
        return found[0]

    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path)
