"""A hub that has lived for a few days: two lanes of one center, another center, rejections, late and early reports."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hub.hq.identity import Identity
from hub.protocol.identifier import uuid7
from tests.support.center import NOW, Center, Sent, filled, offer
from tests.support.hq import IDENTITY, Hq

PUBLISHED, REVISED, WITHDRAWN = (f"net.cohub.offer.{name}.v1" for name in ("published", "revised", "withdrawn"))
OPENED, AMENDED, SIGNED = (f"net.cohub.deal.{name}.v1" for name in ("opened", "amended", "signed"))
DAY = timedelta(days=1)
CORRELATION = "019c9a5e-0000-7000-8000-00000000c0de"


def day(number: int, hour: int = 12) -> datetime:
    """Return a moment of day `number`; the first is NOW's."""
    return datetime(NOW.year, NOW.month, NOW.day, hour, tzinfo=UTC) + (number - 1) * DAY


def deal(title: str = "Licence", **fields: Any) -> dict[str, Any]:
    return filled(OPENED, {"title": title, "language": "en", "kind": "licence"} | fields)


@dataclass
class Lived:
    """The hub, its centers with the lanes that are open, and where its database is."""

    hq: Hq
    uz: Center
    kz: Center
    database: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1000))

    def event(self, center: Center, kind: str, key: str, value: dict[str, Any], **changes: Any) -> Sent:
        event_id = uuid7(NOW, next(self.numbers).to_bytes(10, "big"))
        return center.append(center.event(kind, key, value, **({"event_id": event_id} | changes)))

    async def take(self, center: Center, records: list[Sent], now: datetime) -> None:
        await self.hq.feed(center.id, [*records[:-1], center.sealed(records[-1])], now)


async def lived(folder: Path, identity: Identity = IDENTITY) -> Lived:
    """Return the hub after:

    day 1  uz opens its lane and publishes K-1 and K-2; kz opens its own
    day 2  K-1 is revised twice: well, and with a TRL that is rejected; kz tries to revise uz's K-1
    day 3  K-2 is withdrawn; kz opens D-1 (it happened on day 2)
    day 5  kz signs D-1 (happened on day 5), then amends it: that happened on day 3 and is told late
    day 6  uz loses its outbox: a new lane; K-1 is revised in it
    """
    uz, kz = Center("uz", "0000aaaa"), Center("kz", "0000bbbb")
    found = Lived(await Hq.open(folder, uz, kz, identity=identity), uz, kz, folder / "hub.sqlite3")
    event, take = found.event, found.take
    opening = uz.opening()
    first = event(uz, PUBLISHED, "K-1", offer("First", trl=4), time=day(1, 9), correlation_id=CORRELATION)
    second = event(uz, PUBLISHED, "K-2", offer("Second"), time=day(1, 10))
    await take(uz, [opening, first, second], day(1))
    await take(kz, [kz.opening()], day(1))
    revised = event(uz, REVISED, "K-1", offer("First", trl=5, countries=["UZ", "CN"]), time=day(2, 8))
    refused = event(uz, REVISED, "K-1", offer("First", trl=12), time=day(2, 9))
    await take(uz, [revised, refused], day(2))
    stranger = event(kz, REVISED, "K-1", offer("Mine now"), subject="uz:K-1")
    await take(kz, [stranger], day(2, 13))
    await take(uz, [event(uz, WITHDRAWN, "K-2", {"reason": "sold"}, time=day(3, 8))], day(3))
    cause = (dict(first.headers)["ce_id"] or b"").decode()
    opened = event(kz, OPENED, "D-1", deal(amount=None), time=day(2, 9), correlation_id=CORRELATION, causation_id=cause)
    await take(kz, [opened], day(3, 13))
    signed = event(kz, SIGNED, "D-1", deal("Licence, signed", signed_on=day(5).date()), time=day(5, 8))
    amended = event(kz, AMENDED, "D-1", deal("Licence, amended", signed_on=day(5).date()), time=day(3, 8))
    await take(kz, [signed, amended], day(5))
    previous = uz
    uz = found.uz = previous.next_epoch("0000cccc")
    opening = uz.opening(
        previous_origin=previous.origin,
        previous_size=previous.edge.size,
        previous_root=previous.edge.root.hex(),
        reason="a new outbox",
    )
    last = event(uz, REVISED, "K-1", offer("First, again", trl=6), time=day(6, 8))
    await take(uz, [opening, last], day(6))
    return found
