"""No socket outlives what it was made for: wherever it was broken off, and whoever does not say good-bye."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from hub.base.access import Security
from hub.base.clients import close, close_all, start
from hub.base.connection import make_for
from hub.base.kafka import AIOKAFKA
from hub.base.probe import connected, shown_by
from hub.base.topic_access import ask_access
from hub.kafka.cluster import Cluster, Unreachable
from tests.support.cancelled import Cancelled, cancelled_at
from tests.support.certificates import Authority
from tests.support.kafka_listener import broker_listening, nothing_is_open, opened_to

SOON_S = 5.0
PLACES_MAX = 60
MANY = 3  # places at the least, or it was not tried at all


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Path:
    return authority.leaf("broker")


def cluster_at(port: int, authority: Authority) -> Cluster:
    return Cluster.at(f"127.0.0.1:{port}", Security(protocol="SSL", ca_file=authority.file))


async def use(cluster: Cluster, kind: str) -> None:
    """Make a client, ask it something and close it."""
    made: Any = await getattr(cluster, kind)("test", deadline_s=SOON_S)
    try:
        await (made.topics() if kind == "consumer" else made.describe_cluster())
    finally:
        await close(made)


async def ask(port: int, authority: Authority) -> None:
    """Ask one question by a bare connection."""
    options = Security(protocol="SSL", ca_file=authority.file).client_options()
    async with connected("127.0.0.1", port, SOON_S, **options) as connection:
        await ask_access(connection, ["offers"])


WORKS: dict[str, Callable[[int, Authority], Any]] = {
    "consumer": lambda port, authority: use(cluster_at(port, authority), "consumer"),
    "bare": ask,
    "shown": lambda port, _: shown_by("127.0.0.1", port, SOON_S),
}


@pytest.mark.parametrize("name", WORKS)
async def test_work_that_is_cancelled_anywhere_leaves_no_socket_open(
    name: str, certificate: Path, authority: Authority
) -> None:
    """At each place at which it waits, the first connection to the last good-bye."""
    with broker_listening(certificate) as port:
        for nth in range(1, PLACES_MAX):
            with contextlib.suppress(KafkaError, OSError):
                came = await cancelled_at(WORKS[name](port, authority), nth)
            await nothing_is_open(port)
            if not came:
                break
        else:
            pytest.fail("it never came to its end")
    assert nth > MANY


@pytest.mark.parametrize("kind", ["consumer", "producer", "admin"])
async def test_start_that_is_cut_off_anywhere_leaves_no_socket_open(
    kind: str, certificate: Path, authority: Authority
) -> None:
    """Its time is up, and it is cancelled within: what it was connecting nobody has but the client's close."""
    options = Security(protocol="SSL", ca_file=authority.file).client_options()
    with broker_listening(certificate) as port:
        for nth in range(1, PLACES_MAX):
            made: Any = getattr(AIOKAFKA, kind)(bootstrap_servers=f"127.0.0.1:{port}", **options)
            waiting = Cancelled(made.start(), nth)

            async def whole(work: Cancelled = waiting) -> None:
                await work

            await asyncio.wait([make_for(made, whole())])
            await close(made)
            await nothing_is_open(port)
            if not waiting.came:
                break
        else:
            pytest.fail("it never came to its end")
    assert nth > MANY


@pytest.mark.parametrize("name", ["consumer", "shown"])
async def test_work_leaves_no_socket_open_though_nobody_says_good_bye(
    name: str, certificate: Path, authority: Authority
) -> None:
    """A broker that is overloaded is slow to it, and asyncio would wait for half a minute."""
    with broker_listening(certificate, says_goodbye=False) as port:
        await WORKS[name](port, authority)
        await nothing_is_open(port)


async def test_start_that_ends_by_its_time_leaves_no_socket_open(certificate: Path, authority: Authority) -> None:
    """Connected, and never answered: the first connection is the client's, though that does not know it yet."""
    with broker_listening(certificate, is_silent=True) as port:
        for wait_s in (0.05, 0.3):
            with pytest.raises(Unreachable):
                await cluster_at(port, authority).consumer("test", deadline_s=wait_s)
            await nothing_is_open(port)


async def test_start_that_does_not_end_in_time_is_closed_with_its_client(
    certificate: Path, authority: Authority
) -> None:
    """It is broken off where it waits for an answer, and knows of no connection."""
    options = Security(protocol="SSL", ca_file=authority.file).client_options()
    with broker_listening(certificate, is_silent=True) as port:
        made = AIOKAFKA.consumer(bootstrap_servers=f"127.0.0.1:{port}", **options)
        task = asyncio.create_task(start(made, 0.01))
        while not opened_to(port):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        await close(made, 0.2)
        await nothing_is_open(port)


async def test_bare_connection_that_its_user_breaks_off_is_closed(certificate: Path, authority: Authority) -> None:
    """Whatever the user raises, and also where good-bye is not said."""
    options = Security(protocol="SSL", ca_file=authority.file).client_options()
    with broker_listening(certificate, says_goodbye=False) as port:
        with pytest.raises(ZeroDivisionError):
            async with connected("127.0.0.1", port, SOON_S, **options):
                raise ZeroDivisionError
        await nothing_is_open(port)


class Slow:
    """A client that takes a while to stop."""

    def __init__(self) -> None:
        self.stopped = False

    async def stop(self) -> None:
        await asyncio.sleep(0.02)
        self.stopped = True


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_clients_are_all_closed_though_closing_them_is_cancelled(nth: int) -> None:
    """The one whose turn it is, and those behind it, which nobody has any more; then the cancellation is passed on."""
    clients: list[Any] = [Slow(), None, Slow(), Slow()]
    await cancelled_at(close_all(clients), nth)
    assert [client.stopped for client in clients if client is not None] == [True] * 3
    await close_all([])


@pytest.fixture(autouse=True)
async def _nothing_complains() -> AsyncIterator[None]:
    """What is collected has been closed: a warning would be an error, in this test and not in another one."""
    yield
    gc.collect()
