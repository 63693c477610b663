"""HQ's HTTPS way in as a process that a storm is let loose on: what it is told comes as JSON by stdin.

`bounded` False takes away whatever bounds a client there, so that it is seen what the bounds are good for.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import structlog

from hub.base.access import Security
from hub.kafka.cluster import Cluster
from hub.protocol.keys import Signer
from hub.web import desk as desks
from hub.web.allowance import Allowance
from hub.web.app import create_app
from hub.web.desk import Desk
from hub.web.door import Connections
from hub.web.reading import Readers
from hub.web.server import Server
from hub.web.service import Certificate
from hub.web.sessions import Sessions
from hub.web.writing import Writers
from tests.support.web_hq import Standing, center_of

ALL = 10_000_000


def unbounded() -> dict[str, Any]:
    """Return what a desk is made with that bounds nobody."""
    names = ("begins", "strangers", "requests", "written", "read")
    desks.BUSY_A_CENTER = ALL  # type: ignore[misc]  # in this process, which is a test's
    return {name: Allowance(name, 1e9) for name in names} | {"held_s": 0.0}


async def main() -> None:
    """Serve until the process is ended."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # nobody reads what else is printed
    told = json.loads(sys.stdin.readline())
    cluster = Cluster((told["bootstrap"],), Security(**told["security"]))
    seals = {name: Signer(f"hub.example/{name}", bytes.fromhex(seed)) for name, seed in told["seals"].items()}
    standing, stopping = Standing(*(center_of(name, seal) for name, seal in seals.items())), asyncio.Event()
    bounded = told["bounded"]
    desk = Desk(
        "hub.example",
        (told["address"],),
        standing,
        Sessions(),
        Writers(cluster),
        Readers(cluster, stopping),
        stopping,
        **({} if bounded else unbounded()),
    )
    certificate = Certificate(Path(told["certificate"]), Path(told["certificate"]))
    connections = Connections() if bounded else Connections(ALL, ALL, ALL, ALL)

    def ready(_: int) -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    port = int(told["address"].rpartition(":")[2])
    await Server(create_app(desk), "127.0.0.1", port, certificate.context, connections=connections, ready=ready).serve()


if __name__ == "__main__":
    asyncio.run(main())
