"""Which way in to HQ is taken: Kafka, or HTTPS where Kafka can't be reached; which, why, and when to look again.

With one way there is nothing to choose. With two, whoever can't get in by the one that is taken tries the other, and
where that lets in, all go over to it: the readers at once, the sender when nothing of its batches is under way. While
HTTPS is taken, Kafka is looked for seldom, ever more seldom where it does not hold.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from aiokafka.errors import KafkaConnectionError

from connectors.runtime.settings import ConnectorSettings, Way
from hub.base.kafka import Clients, Consumer
from hub.protocol.note import Signer
from schemas.words.said import Said

LOOK_MIN_S: Final = 300.0
LOOK_MAX_S: Final = 3600.0
GIVE_UP_S: Final = 1.0


class WayTurned(KafkaConnectionError):  # type: ignore[misc]
    """The client is of a way that is not taken any more: whoever has it makes a new one."""


class Ways:
    """The ways in of one connector, and which of them is taken.

    Shapes: `period` counts how often it was changed; `why` is what keeps us out of the first choice, None while that is
            taken; `steady_s` never goes back. Units: look_min_s is how long HTTPS is used before Kafka is looked for.
    """

    def __init__(
        self, ways: Sequence[Way], steady_s: Callable[[], float] = time.monotonic, look_min_s: float = LOOK_MIN_S
    ) -> None:
        self._first, *others = ways
        self._second = others[0] if others else None
        self._steady_s = steady_s
        self._look_s = self._look_min_s = look_min_s
        self._turned_at_s = steady_s()
        self._over = asyncio.Event()  # of the present period
        self._is_away = asyncio.Event()
        self.on_turn: list[Callable[[], None]] = []  # called at each change
        self.now = self._first
        self.why: Said | None = None
        self.period = 0

    @property
    def other(self) -> Way | None:
        """The way that is not taken; None where there is but one."""
        return self._second if self.now is self._first else self._first

    def turn(self, why: Said | None) -> None:
        """Take the other way; `why` is what keeps us out of the first choice."""
        assert self.other is not None
        now_s = self._steady_s()
        if self.now is self._first:
            # A first choice that did not hold is looked for ever more seldom; one that did, as at first.
            held = now_s - self._turned_at_s >= LOOK_MAX_S or not self.period
            self._look_s = self._look_min_s if held else min(self._look_s * 2, LOOK_MAX_S)
            self._is_away.set()
        else:
            self._is_away.clear()
        self.now, self.why, self._turned_at_s = self.other, why, now_s
        self.period += 1
        self._over.set()
        self._over = asyncio.Event()
        for tell in self.on_turn:
            tell()

    def missed(self, why: Said) -> None:
        """Note that the first choice was looked for, and why it still does not let us in."""
        self.why = why
        self._look_s = min(self._look_s * 2, LOOK_MAX_S)

    async def is_due(self) -> None:
        """Return when the first choice is to be looked for."""
        while True:
            await self._is_away.wait()
            await asyncio.sleep(self._look_s * random.uniform(0.9, 1.1))  # noqa: S311  no secret: spreads the centers
            if self._is_away.is_set():
                return

    def bound(self, consumer: Consumer) -> Consumer:
        """Return a consumer that ends with this period."""
        return consumer if self._second is None else cast("Consumer", _Bound(consumer, self._over))


class _Bound:
    """A consumer whose `getmany` ends when the way is changed: it could wait for ever for one that is closed."""

    def __init__(self, consumer: Consumer, over: asyncio.Event) -> None:
        self._consumer = consumer
        self._over = over

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    async def getmany(self, *partitions: Any, **settings: Any) -> Mapping[Any, Any]:
        """Return what there is. Errors: WayTurned; those of the consumer."""
        getting = asyncio.ensure_future(self._consumer.getmany(*partitions, **settings))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait([getting, over], return_when=asyncio.FIRST_COMPLETED)
            if self._over.is_set():
                raise WayTurned
            return getting.result()
        finally:
            over.cancel()
            if not getting.done():
                getting.cancel()
                await asyncio.wait([getting], timeout=GIVE_UP_S)
            if getting.done() and not getting.cancelled():
                getting.exception()  # seen


def https_clients(settings: ConnectorSettings, seal: Callable[[], Signer]) -> Callable[[], Clients]:
    """Return what makes the clients of the HTTPS way in, once it is taken. `seal` returns the center's seal key."""

    def make() -> Clients:
        # httpx2 takes a third of a second to import: who goes by Kafka does without.
        from connectors.runtime.https.clients import HttpsClients  # noqa: PLC0415
        from connectors.runtime.https.session import Session  # noqa: PLC0415
        from connectors.runtime.https.wire import Wire  # noqa: PLC0415

        wire = Wire(settings.https, settings.request_timeout_s)
        return HttpsClients(Session(wire, settings.hub, settings.center, seal))

    return make
