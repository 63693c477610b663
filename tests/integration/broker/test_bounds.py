"""What one address can do to the others at the offices' door of a broker, logged in or not: nothing."""

from __future__ import annotations

import asyncio
import ssl
import struct
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest
import pytest_asyncio
from aiokafka.conn import create_conn

from hub.base.clients import closing
from hub.broker.bounds import EVERY_ADDRESS, RATE, THIS_MACHINE
from hub.broker.embedded import EmbeddedKafka
from hub.broker.ports import LOOPBACK, choose_port
from hub.broker.properties import REQUEST_BYTES_MAX, Public
from hub.kafka.administration import administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import Member, desired
from hub.kafka.topics import ensure_topics, lane_topics
from hub.protocol.scram import ITERATIONS_MIN, Credential
from tests.support.address import calling_from
from tests.support.locked import write
from tests.support.producers import remembered

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="each side has an address of its own on this machine"),
]

PASSWORDS: Final = {"uz": "the one that means ill", "kz": "the other one"}
OF_ONE: Final = 24
A_SECOND: Final = 3
BURST: Final = 11 * A_SECOND  # Kafka counts in windows of a second, and eleven of them


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedKafka]:
    port = choose_port()
    public = Public((LOOPBACK, port), (LOOPBACK, port), OF_ONE, A_SECOND)
    soon = {"producer.id.expiration.ms": "1000", "producer.id.expiration.check.interval.ms": "200"}
    folder = tmp_path_factory.mktemp("bounds") / "broker"
    async with EmbeddedKafka(folder, public=public, overrides=soon) as made:
        await ensure_topics(made.cluster, lane_topics(list(PASSWORDS)))
        async with administration(made.cluster) as access:
            salted = {name: Credential.of(word, bytes(32), ITERATIONS_MIN) for name, word in PASSWORDS.items()}
            await access.set_users(salted)
            await access.grant(desired([Member(name, "active", 1) for name in PASSWORDS], worker=None).rights)
        async with asyncio.timeout(30):
            while await made.cluster_of("kz", PASSWORDS["kz"]).diagnose() is not None:
                await asyncio.sleep(0.1)
        made_at[0] = port
        yield made


made_at = [0]


def office(kafka: EmbeddedKafka, name: str) -> Cluster:
    return replace(kafka.cluster_of(name, PASSWORDS[name]), servers=(f"{LOOPBACK}:{made_at[0]}",))


async def open_from(source: str, count: int) -> list[asyncio.StreamWriter]:
    """Return the connections of this address that were not closed again, of so many."""
    opened = [await asyncio.open_connection(LOOPBACK, made_at[0], local_addr=(source, 0)) for _ in range(count)]

    async def is_open(reader: asyncio.StreamReader) -> bool:
        try:
            async with asyncio.timeout(2.0):
                return bool(await reader.read(1))
        except TimeoutError:
            return True
        except OSError:
            return False

    are_open = await asyncio.gather(*(is_open(reader) for reader, _ in opened))
    for (_, writer), stays in zip(opened, are_open, strict=True):
        if not stays:
            writer.transport.abort()
    return [writer for (_, writer), stays in zip(opened, are_open, strict=True) if stays]


@pytest.mark.asyncio(loop_scope="module")
class TestBounds:
    """One broker for all of these; each storms from an address of its own."""

    @pytest.mark.long
    async def test_requests_that_never_come_leave_the_others_theirs(self, kafka: EmbeddedKafka) -> None:
        """A connection holds the memory of a request by four bytes: all of one address's do not hold all of it."""
        uz, held = office(kafka, "uz"), []
        try:
            with calling_from("127.0.0.9"):
                for _ in range(OF_ONE):
                    one = await create_conn(
                        LOOPBACK, made_at[0], **uz.security.client_options(), request_timeout_ms=20_000
                    )
                    held.append(one)
                    assert one._writer is not None
                    one._writer.write(struct.pack(">i", REQUEST_BYTES_MAX - 1) + bytes(4))
            async with asyncio.timeout(60):
                await write(office(kafka, "kz"), "in.kz", b"one")
                await write(kafka.cluster, "in.kz", b"two")
        finally:
            for one in held:
                one.close()

    async def test_request_larger_than_hq_sends_is_not_taken(self, kafka: EmbeddedKafka) -> None:
        """The connection is closed, and no memory is held for it."""
        uz = office(kafka, "uz")
        one = await create_conn(LOOPBACK, made_at[0], **uz.security.client_options(), request_timeout_ms=20_000)
        assert one._writer is not None
        one._writer.write(struct.pack(">i", REQUEST_BYTES_MAX + 1) + bytes(4))
        async with asyncio.timeout(20):
            while one.connected():
                await asyncio.sleep(0.05)

    @pytest.mark.long
    async def test_one_address_has_so_many_connections(self, kafka: EmbeddedKafka) -> None:
        """Those over it are closed; others have theirs, and HQ on this machine as many as it likes."""
        of_one, of_another, here = await asyncio.gather(
            open_from("127.0.0.10", OF_ONE + 5), open_from("127.0.0.11", 3), open_from(LOOPBACK, OF_ONE + 20)
        )
        try:
            assert len(of_one) == OF_ONE
            assert len(of_another) == 3
            assert len(here) == OF_ONE + 20
        finally:
            for writer in (*of_one, *of_another, *here):
                writer.transport.abort()

    @pytest.mark.long
    async def test_one_address_begins_so_many_connections_a_second(self, kafka: EmbeddedKafka) -> None:
        """A handshake costs the broker more than whoever asks for it; elsewhere nobody waits for that."""
        context = ssl.create_default_context(cafile=str(kafka.authority))
        shaken = 0

        async def shake(source: str) -> bool:
            try:
                async with asyncio.timeout(10):
                    _, writer = await asyncio.open_connection(LOOPBACK, made_at[0], ssl=context, local_addr=(source, 0))
            except (OSError, TimeoutError):
                return False
            writer.transport.abort()
            return True

        clock = asyncio.get_running_loop().time
        began = clock()
        for _ in range(2 * BURST):
            shaken += await shake("127.0.0.12")
        assert shaken <= BURST + A_SECOND * (clock() - began + 1)
        assert await shake("127.0.0.13")

    async def test_producer_that_rested_for_longer_than_it_is_remembered_goes_on(self, kafka: EmbeddedKafka) -> None:
        """A broker that remembered for a day could be filled with producers that never come back."""
        async with closing(await office(kafka, "kz").producer("test")) as producer:
            before = await producer.send_and_wait("in.kz", b"one", partition=0)
            async with asyncio.timeout(30):
                while await remembered(kafka.cluster, "in.kz"):
                    await asyncio.sleep(0.2)
            after = await producer.send_and_wait("in.kz", b"two", partition=0)
        assert after.offset == before.offset + 1

    async def test_bounds_are_the_brokers_own_and_no_quota_of_a_center(self, kafka: EmbeddedKafka) -> None:
        """What keeps the centers' quotas leaves them alone, and a start sets them once."""
        async with administration(kafka.cluster) as access:
            found = await access.quotas()
        assert found[EVERY_ADDRESS] == {RATE: float(A_SECOND)}
        assert found[THIS_MACHINE][RATE] > 1000
