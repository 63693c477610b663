"""A locked broker as tests use it: what its clients write and read, and where a secret could be seen."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition

from hub.base.clients import closing
from hub.broker.embedded import EmbeddedKafka
from hub.broker.principals import USERS
from hub.kafka.cluster import Cluster
from hub.kafka.rights import Operation, Pattern, Resource, Right
from hub.kafka.topics import TopicSpec, ensure_topics

SALT: Final = b"salt of a test, of 32 bytes long"
OFFICE: Final = "an-office"
OFFICE_PASSWORD: Final = "the office's own word"


async def there_and_back(cluster: Cluster, topic: str, value: bytes = b"value") -> bytes:
    await ensure_topics(cluster, [TopicSpec(topic, 1)])
    await write(cluster, topic, value)
    return (await read(cluster, topic))[-1]


async def write(cluster: Cluster, topic: str, value: bytes) -> None:
    async with closing(await cluster.producer("test")) as producer:
        await producer.send_and_wait(topic, value, partition=0)


async def read(cluster: Cluster, topic: str) -> list[bytes]:
    async with closing(await cluster.consumer("test")) as consumer:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        end, found = (await consumer.end_offsets([place]))[place], []
        async with asyncio.timeout(15):
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    found += [record.value or b"" for record in records]
        return found


def assert_no_secret(kafka: EmbeddedKafka, folder: Path) -> None:
    words = {user: kafka.cluster_of(user).security.login()[1].encode() for user in USERS}
    assert not {user for user, word in words.items() if word in command_lines()}
    for path in (path for path in folder.rglob("*") if path.is_file() or path.is_dir()):
        is_private = not stat.S_IMODE(path.stat().st_mode) & 0o077
        assert is_private or path.name == "ca.pem", f"{path} is open to others"
        if path.is_file():
            data = path.read_bytes()
            found = {user for user, word in words.items() if word in data}
            assert found <= {path.name.removesuffix(".password")}, path
    printed = kafka.log_file.read_text("utf-8")
    assert not [line for line in printed.splitlines() if "storedKey" in line or "serverKey" in line]


def command_lines() -> bytes:
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += path.read_bytes()
    return found


def right(topic: str, operation: Operation) -> Right:
    return Right(f"User:{OFFICE}", Resource.TOPIC, topic, Pattern.LITERAL, operation)
