"""The embedded broker keeps what it acknowledged, its port and its owner, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from hub.broker.aot import AotCache
from hub.broker.embedded import EmbeddedKafka
from hub.broker.jars import locked_jars
from hub.broker.settings import BrokerSettings
from hub.broker.warm import warm
from hub.kafka.cluster import Cluster
from hub.kafka.topics import TopicSpec, ensure_topics
from hub.protocol.errors import Fatal, UsageError

pytestmark = pytest.mark.integration

RESTART_DEADLINE_S = 20.0


async def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in range(count)]


async def gone(pid: int | None, deadline_s: float = 10.0) -> bool:
    assert pid is not None
    limit = time.monotonic() + deadline_s
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > limit:
            return False
        await asyncio.sleep(0.02)
    return True


async def test_broker_after_kill_9_has_its_data_and_port_and_is_up_in_time(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path / "data", plain=True)
    await kafka.start()
    address = kafka.bootstrap
    await ensure_topics(kafka.cluster, [TopicSpec("t", 1)])
    await produce(address, "t", b"one", b"two")
    await kafka.kill()
    assert not kafka.is_running
    begun = time.monotonic()
    async with EmbeddedKafka(tmp_path / "data", plain=True) as again:
        assert time.monotonic() - begun < RESTART_DEADLINE_S
        assert again.bootstrap == address
        await produce(address, "t", b"three")
        assert await consume(address, "t", 3) == [b"one", b"two", b"three"]


async def test_stop_leaves_no_process_and_can_be_repeated(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path / "data", plain=True)
    await kafka.stop()
    await kafka.start()
    pid = kafka.pid
    await kafka.start()
    assert kafka.pid == pid
    await kafka.stop()
    await kafka.stop()
    assert await gone(pid)
    assert kafka.pid is None
    # The port is free at once for whoever comes next.
    host, port = kafka.bootstrap.split(":")
    socket.create_server((host, int(port))).close()


async def test_start_on_a_taken_port_is_refused_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} on 127.0.0.1 is taken by another program"):
            await EmbeddedKafka(tmp_path / "data", port=port, plain=True).start()


async def test_start_on_an_impossible_port_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="port 70000 can't be used"):
        await EmbeddedKafka(tmp_path / "data", port=70_000, plain=True).start()


async def test_second_broker_on_one_data_dir_is_refused(tmp_path: Path) -> None:
    async with EmbeddedKafka(tmp_path / "data", plain=True) as kafka:
        with pytest.raises(UsageError, match="another process already runs the broker"):
            await EmbeddedKafka(tmp_path / "data", plain=True).start()
        assert kafka.is_running


@pytest.mark.long
async def test_broker_that_outlived_its_owner_is_ended_at_the_next_start(tmp_path: Path) -> None:
    first = EmbeddedKafka(tmp_path / "data", plain=True)
    await first.start()
    orphan = first.pid
    first._dir.release()  # what the kernel does when the owner dies
    async with EmbeddedKafka(tmp_path / "data", plain=True) as second:
        assert second.pid != orphan
        assert await gone(orphan)
    await first.stop()


async def test_start_with_a_bad_setting_ends_with_the_brokers_own_words(tmp_path: Path) -> None:
    aot = AotCache(BrokerSettings().cache_dir, locked_jars())
    trained = aot.file.exists()
    async with EmbeddedKafka(tmp_path / "data", plain=True):
        pass
    with pytest.raises(Fatal, match=r"(?s)its last words.*num\.io\.threads"):
        await EmbeddedKafka(tmp_path / "data", overrides={"num.io.threads": "many"}, plain=True).start()
    assert aot.file.exists() == trained, "a start that fails for another reason must not cost the cache"


@pytest.mark.long
async def test_wait_tells_when_the_broker_ends_by_itself(tmp_path: Path) -> None:
    async with EmbeddedKafka(tmp_path / "data", plain=True) as kafka:
        watcher = asyncio.create_task(kafka.wait())
        assert kafka.pid is not None
        os.kill(kafka.pid, signal.SIGKILL)
        assert await asyncio.wait_for(watcher, 10) == -signal.SIGKILL
        await kafka.start()
        assert kafka.is_running


@pytest.fixture
def own_cache(tmp_path: Path) -> BrokerSettings:
    """Return settings with a cache of the test's own, filled with the jars that this user has."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "jars").symlink_to(BrokerSettings().cache_dir / "jars")
    return BrokerSettings(cache_dir=tmp_path / "cache")


@pytest.mark.long
async def test_garbage_in_the_aot_cache_does_not_stop_a_start(
    kafka: EmbeddedKafka, own_cache: BrokerSettings, tmp_path: Path
) -> None:
    aot = AotCache(own_cache.cache_dir, locked_jars())
    (tmp_path / "made").write_bytes(b"no cache at all")
    aot.adopt(tmp_path / "made")
    assert aot.flags() != []
    async with EmbeddedKafka(tmp_path / "data", settings=own_cache, plain=True) as broker:
        assert broker.is_running
    aot.file.write_bytes(b"damaged later")
    assert aot.flags() == []
    assert not aot.file.exists()


@pytest.mark.long
async def test_aot_cache_that_kills_the_jvm_is_dropped(
    kafka: EmbeddedKafka, own_cache: BrokerSettings, tmp_path: Path
) -> None:
    assert await warm(own_cache, print)
    assert not await warm(own_cache, print)
    aot = AotCache(own_cache.cache_dir, locked_jars())
    content = bytearray(aot.file.read_bytes())
    for offset in range(1 << 20, len(content), 1 << 16):
        content[offset] ^= 0xFF
    (tmp_path / "made").write_bytes(content)
    aot.adopt(tmp_path / "made")
    async with EmbeddedKafka(tmp_path / "data", settings=own_cache, plain=True) as broker:
        assert broker.is_running
    assert not aot.file.exists()


class TestProcess:
    """`python -m hub.broker`."""

    @staticmethod
    @contextlib.contextmanager
    def start(data_dir: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "hub.broker", "--plain", "--data-dir", str(data_dir), *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    @staticmethod
    async def ready(process: subprocess.Popen[str]) -> dict[str, object]:
        assert process.stdout is not None
        answer: dict[str, object] = json.loads(await asyncio.to_thread(process.stdout.readline))
        return answer

    @pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
    async def test_signal_ends_it_with_status_0_and_no_process_left(
        self, tmp_path: Path, number: signal.Signals
    ) -> None:
        with self.start(tmp_path / "data") as process:
            answer = await self.ready(process)
            await ensure_topics(Cluster.at(str(answer["bootstrap"])), [TopicSpec("t", 1)])
            process.send_signal(number)
            assert await asyncio.to_thread(process.wait, 15) == 0
        assert await gone(int(str(answer["pid"])))

    @pytest.mark.long
    async def test_kill_9_leaves_no_broker(self, tmp_path: Path) -> None:
        with self.start(tmp_path / "data") as process:
            answer = await self.ready(process)
            process.kill()
        assert await gone(int(str(answer["pid"])))
        async with EmbeddedKafka(tmp_path / "data", plain=True) as kafka:
            assert kafka.bootstrap == answer["bootstrap"]

    async def test_broker_that_ends_by_itself_ends_it_with_status_1(self, tmp_path: Path) -> None:
        with self.start(tmp_path / "data") as process:
            os.kill(int(str((await self.ready(process))["pid"])), signal.SIGKILL)
            assert await asyncio.to_thread(process.wait, 15) == 1

    async def test_taken_port_ends_it_with_status_2_and_one_line(self, tmp_path: Path) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as other,
            self.start(tmp_path / "data", "--port", str(other.getsockname()[1])) as process,
        ):
            assert await asyncio.to_thread(process.wait, 30) == 2
            assert process.stderr is not None
            text = process.stderr.read()
        assert text.startswith("port ")
        assert text.count("\n") == 1
