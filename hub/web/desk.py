"""All that the routes share, in one place: who asks, what is written and read for him, and what is measured of it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hub.hq.web_options import CLIENT_REQUESTS_PER_S
from hub.protocol.problem import Problem, ProblemCode
from hub.web.allowance import Allowance
from hub.web.metrics import Metrics
from hub.web.reading import Readers
from hub.web.registered import Registered
from hub.web.sessions import Sessions
from hub.web.writing import Writers

BEGIN_RATE: Final = 10.0  # nonces and notes a second and address: behind one proxy there may be many offices
BEGIN_BURST: Final = 200.0
REQUEST_S: Final = 75.0  # a body, a write to a broker that is slow, and an answer to a slow reader
BODY_S: Final = 30.0  # from the fields of a request to the end of its body
BYTES_RATE: Final = float(1 << 20)
REQUESTS_RATE: Final = 50.0
STRANGERS_BURST: Final = 400.0  # requests that are of no session, of one client, or in one session's name
HELD_S: Final = 1.0  # before whoever has too much is told so: what comes on a connection comes one behind the other
BUSY_A_CENTER: Final = 24  # each holds an answer of some megabytes until its client has read it

# Takes what came by an invitation, and returns HQ's signed answer. It signs, so it is nothing that is made here.
# Errors: NotFound where there is no such invitation; Malformed for what was not made with its file; Retriable.
Joining = Callable[[str, bytes], Awaitable[bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def strangers(per_s: float) -> Allowance:
    """Return how many requests a client may have that are of no session, so many a second."""
    return Allowance("requests of no session", per_s, max(STRANGERS_BURST, per_s))


@dataclass(slots=True)
class Desk:
    """What one app works with.

    Shapes: `addresses` are HQ's, as offices name them; `metrics_for` may read the metrics; `joining` is None where
            nobody joins by HTTPS.
    """

    hub: str
    addresses: Sequence[str]
    registered: Registered
    sessions: Sessions
    writers: Writers
    readers: Readers
    stopping: asyncio.Event
    metrics: Metrics = field(default_factory=Metrics)
    metrics_for: Sequence[Network] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    joining: Joining | None = None
    body_s: float = BODY_S
    request_s: float = REQUEST_S
    held_s: float = HELD_S
    busy: Counter[str] = field(default_factory=Counter)  # requests under way, by center
    begins: Allowance = field(default_factory=lambda: Allowance("requests for a session", BEGIN_RATE, BEGIN_BURST))
    strangers: Allowance = field(default_factory=lambda: strangers(CLIENT_REQUESTS_PER_S))
    requests: Allowance = field(default_factory=lambda: Allowance("requests", REQUESTS_RATE))
    written: Allowance = field(default_factory=lambda: Allowance("bytes written", BYTES_RATE))
    read: Allowance = field(default_factory=lambda: Allowance("bytes read", 4 * BYTES_RATE))

    async def hold(self) -> None:
        """Wait for a while, as who has asked for too much does, unless the process is to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.held_s):
                await self.stopping.wait()

    def enter(self, center: str) -> None:
        """Count one more request of a center, which `leave` takes back when it is answered. Errors: TOO_MUCH."""
        self.requests.check(center)
        if self.busy[center] >= BUSY_A_CENTER:
            raise Problem(
                ProblemCode.TOO_MUCH, f"{BUSY_A_CENTER} requests of this center are under way", retry_after_s=1
            )
        self.requests.take(center)
        self.busy[center] += 1

    def leave(self, center: str) -> None:
        """Count one less."""
        self.busy[center] -= 1
        if self.busy[center] <= 0:
            del self.busy[center]
