"""A process that writes as much as it can: what it is to write to comes as JSON on its standard input.

It writes nothing itself but, at its end, how many bytes were taken, as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

RECORD_BYTES = 64 * 1024
WINDOW = 16  # records on their way, of each connection


async def flood(told: dict[str, Any], taken: list[int], until_s: float) -> None:
    """Write from one connection until the time is over."""
    producer = AIOKafkaProducer(
        bootstrap_servers=told["bootstrap"],
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=told["user"],
        sasl_plain_password=told["password"],
        ssl_context=ssl.create_default_context(cafile=told["ca_file"]),
        acks=1,
        max_batch_size=900_000,
        request_timeout_ms=60_000,
    )
    await producer.start()
    try:
        while time.monotonic() < until_s:
            sent = [await producer.send(told["topic"], bytes(RECORD_BYTES), partition=0) for _ in range(WINDOW)]
            for done in await asyncio.gather(*sent, return_exceptions=True):
                if not isinstance(done, KafkaError):
                    taken[0] += RECORD_BYTES
    finally:
        await asyncio.wait([asyncio.ensure_future(producer.stop())], timeout=1.0)


async def main() -> None:
    """Write from so many connections at once, for so many seconds."""
    told = json.loads(sys.stdin.readline())
    taken, until_s = [0], time.monotonic() + told["seconds"]
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    tasks = [asyncio.ensure_future(flood(told, taken, until_s)) for _ in range(told["connections"])]
    await asyncio.wait(tasks, timeout=told["seconds"] + 5.0)
    sys.stdout.write(json.dumps({"bytes": taken[0]}) + "\n")
    sys.stdout.flush()
    sys.stdin.close()


if __name__ == "__main__":
    asyncio.run(main())
