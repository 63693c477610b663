"""A whole connector over HTTPS: real TLS, real proxies, links that break; HQ's real app over a broker in memory."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from connectors.runtime.daemon import STOP_DEADLINE_S, Connector
from connectors.runtime.settings import Way
from connectors.runtime.way import Ways
from hub.base.kafka import Clients
from hub.protocol.record import position as record_position
from hub.protocol.session import SESSION
from tests.support.answering import AnsweringHq
from tests.support.certificates import Authority
from tests.support.folder import HUB, RECEIPTS, OfficeFolder, until
from tests.support.proxies import ForwardProxy, forward_proxy
from tests.support.web_hq import WebHq, serving

CENTER = "uz"
HEALED_S = 10.0


class Door:
    """Kafka's clients, which get in while the door is open."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self.is_open = False
        self.carries = True  # or whoever writes waits in vain

    def producer(self, **settings: Any) -> Any:
        return self._behind(self._clients.producer(**settings))

    def consumer(self, **settings: Any) -> Any:
        return self._behind(self._clients.consumer(**settings))

    def admin(self, **settings: Any) -> Any:
        return self._clients.admin(**settings)

    def _behind(self, client: Any) -> Any:
        for name in {"start", "send_batch", "send_and_wait"} & set(dir(client)):
            setattr(client, name, self._let_in(getattr(client, name)))
        return client

    def _let_in(self, do: Any) -> Any:
        async def done(*words: Any, **settings: Any) -> Any:
            if not self.is_open:
                raise KafkaConnectionError
            if not self.carries and do.__name__ != "start":
                raise KafkaTimeoutError
            return await do(*words, **settings)

        return done


class Network:
    """An office, HQ, and what is between them. `proxy` is what a test spoils."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "hq").mkdir()
        self.authority = Authority(folder / "hq")
        self.stack = AsyncExitStack()
        self.office: OfficeFolder
        self.proxy: ForwardProxy
        self.hq: WebHq
        self.answering: AnsweringHq
        self.address = ""

    async def start(self, *, opens_tls: bool = False, **settings: Any) -> None:
        (self.folder / "proxy").mkdir()
        ca_file, opening = self.authority.file, {}
        if opens_tls:
            proxys = Authority(self.folder / "proxy")
            trusts = ssl.create_default_context(cafile=str(self.authority.file))
            opening = {"certificate": proxys.leaf("127.0.0.1"), "upstream": trusts}
            ca_file = proxys.file
        self.office = OfficeFolder(self.folder / "office", CENTER, "127.0.0.1:9")
        self.hq = WebHq(HUB, CENTER, self.office.key)
        enter = self.stack.enter_async_context
        self.address = await enter(serving(self.hq, self.authority.leaf("node")))
        self.proxy = await enter(forward_proxy(login="office:word", **opening))
        self.office.add(
            https={"address": self.address, "ca_file": str(ca_file), "proxy": self.proxy.url},
            **{"way": "https", "registry_wait_s": 0.2, "request_timeout_s": 2.0} | settings,
        )
        hq = AnsweringHq("memory:1", HUB, CENTER, self.office.key.verifier, RECEIPTS, self.hq.broker)
        self.answering = await enter(hq)

    def say(self, count: int) -> None:
        self.office.sheet({f"K-{n}": f"Title {n}" for n in range(count)})

    def all_are_accepted(self, connector: Connector, count: int) -> Callable[[], bool]:
        return lambda: connector.outbox.status()["totals"]["accepted"] == count

    def check(self, count: int) -> None:
        """See that HQ has accepted each event once: the rows, and the lane's opening."""
        assert len(self.answering.accepted) == len(set(self.answering.accepted)) == count + 1


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    made = Network(tmp_path)
    async with made.stack:
        yield made


async def replayed(network: Network, request: bytes) -> int:
    """Return the status of HQ's answer to bytes that somebody has seen."""
    context = ssl.create_default_context(cafile=str(network.authority.file))
    port = int(network.address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(request)
    await writer.drain()
    status = int((await reader.readline()).split()[1])
    writer.transport.abort()
    return status


def split(seen: bytes) -> list[bytes]:
    """Return the requests of one connection."""
    found = []
    while seen:
        head, _, rest = seen.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        size = int(length[1]) if length else 0
        found.append(head + b"\r\n\r\n" + rest[:size])
        seen = rest[size:]
    return found


async def test_proxy_that_opens_tls_sees_all_and_can_neither_repeat_nor_change_nor_add_anything(
    network: Network,
) -> None:
    """Rows reach HQ, receipts the office; of what the proxy saw nothing is taken again, as it was or changed."""
    await network.start(opens_tls=True)
    network.say(300)
    async with network.office.running() as connector:
        await until(network.all_are_accepted(connector, 300))
    network.check(300)
    requests = [request for seen in network.proxy.seen for request in split(bytes(seen))]
    signed = [request for request in requests if b"signature-input:" in request]
    notes = [request for request in requests if SESSION.encode() in request]
    posts = [request for request in signed if request.startswith(b"POST ")]
    assert len(signed) > 5
    assert notes
    assert posts
    written, sessions = len(network.hq.broker.records(f"in.{CENTER}")), len(network.hq.sessions)
    for request in (*signed, *notes):
        assert await replayed(network, request) == 401
    for request in posts[:3]:
        for old, new in ((b'nonce="', b'nonce="9'), (b"/v1/centers/uz/", b"/v1/centers/kz/"), (b"POST ", b"PUT ")):
            assert old in request
            assert await replayed(network, request.replace(old, new, 1)) in (401, 404, 405)
        assert await replayed(network, request[:-1] + bytes([request[-1] ^ 1])) in (400, 401)
    assert len(network.hq.broker.records(f"in.{CENTER}")) == written
    assert len(network.hq.sessions) == sessions
    assert b"office:word" not in b"".join(requests)
    assert network.office.key.seed not in b"".join(requests)


async def test_rows_get_through_a_link_that_is_cut_again_and_again(network: Network) -> None:
    """Every connection ends in the middle of something, a dozen times: nothing is lost, nothing is taken twice."""
    await network.start()
    async with network.office.running() as connector:
        for count in range(200, 2_600, 200):
            network.say(count)
            await until(lambda: connector.sender.sent > 0)
            await asyncio.sleep(0.05)
            network.proxy.cut()
        await until(network.all_are_accepted(connector, 2_400))
    network.check(2_400)
    assert set(network.proxy.targets) == {network.address.removeprefix("https://")}


@pytest.mark.long
async def test_rows_get_through_a_slow_link(network: Network) -> None:
    """300 ms each way: no request is given up, no session lost."""
    await network.start(request_timeout_s=5.0)
    network.proxy.delay_s = 0.3
    network.say(300)
    async with network.office.running() as connector:
        await until(network.all_are_accepted(connector, 300), 40)
        assert connector.outbox.status()["link"]["state"] == "up"
    network.check(300)
    assert len(network.hq.sessions) == 1


@pytest.mark.parametrize("forgets", [False, True], ids=["remembers", "forgets"])
@pytest.mark.long
async def test_hole_that_swallows_everything_is_gone_on_from_when_it_is_gone(network: Network, forgets: bool) -> None:
    """No end of a connection is told, bytes only stop, for good where a router forgets: all is there soon after."""
    await network.start()
    network.proxy.forgets = forgets
    async with network.office.running() as connector:
        network.say(50)
        await until(network.all_are_accepted(connector, 50))
        network.proxy.is_hole = True
        network.say(500)
        await until(lambda: "no answer in time" in connector.outbox.status()["link"]["reason"], 40)
        network.proxy.is_hole = False
        await until(network.all_are_accepted(connector, 500), HEALED_S * 3)  # others measure here, too
    network.check(500)


async def test_stop_is_not_held_up_by_long_polls_nor_by_a_hole(network: Network) -> None:
    """What waits for HQ is broken off; the outbox has what was not sent."""
    await network.start(request_timeout_s=15.0)
    network.say(5)
    async with network.office.running() as connector:
        await until(network.all_are_accepted(connector, 5))
        network.proxy.is_hole = True
        network.say(50)
        await until(lambda: connector.outbox.backlog() > 0)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < STOP_DEADLINE_S * 2
    network.proxy.is_hole = False
    async with network.office.running() as connector:
        await until(network.all_are_accepted(connector, 50))
    network.check(50)


async def test_hq_that_is_started_again_costs_no_event(network: Network) -> None:
    """Its sessions are gone, its limits are new: the connector begins another one."""
    await network.start()
    async with network.office.running() as connector:
        for count in (100, 200, 300):
            network.say(count)
            await until(network.all_are_accepted(connector, count))
            network.hq.start(network.address)
    network.check(300)


async def test_office_finds_out_by_itself_that_https_is_the_way_and_says_why(network: Network) -> None:
    """With both named, nobody has to choose; `status` has the way, and what keeps us out of Kafka."""
    await network.start(way="auto")
    network.say(20)
    async with network.office.running() as connector:
        await until(network.all_are_accepted(connector, 20), 40)
        link = connector.outbox.status()["link"]
    assert (link["state"], link["way"]) == ("up", "https")
    assert "nobody_listens" in str(link["because"])
    network.check(20)


async def test_kafka_that_lets_us_in_and_carries_nothing_is_none(network: Network) -> None:
    """The address that is named answers, and those that it names do not: the other way is taken after a few tries."""
    await network.start(way="auto")
    door = network.office.clients = Door(network.hq.broker)
    door.is_open, door.carries = True, False
    network.say(20)
    async with network.office.running() as connector:
        await until(network.all_are_accepted(connector, 20), 40)
        assert connector.outbox.status()["link"]["way"] == "https"
    network.check(20)


def sequences(network: Network) -> list[tuple[str, int]]:
    """Return epoch and sequence of each event on HQ's topic, in its order."""
    found = [record_position(dict(record.headers)) for record in network.hq.broker.records(f"in.{CENTER}")]
    return [place for place in found if place is not None]


async def test_kafka_is_taken_again_without_losing_or_repeating_anything(network: Network) -> None:
    """What is under way over HTTPS lands before the next batch goes out by Kafka."""
    await network.start(way="auto")
    door = network.office.clients = Door(network.hq.broker)
    ways = Ways((Way.KAFKA, Way.HTTPS), look_min_s=0.3)
    count = 0
    async with network.office.running(ways=ways) as connector:
        for door.is_open, way in ((False, Way.HTTPS), (True, Way.KAFKA)):
            async with asyncio.timeout(60):
                while ways.now is not way:
                    count += 25
                    network.say(count)
                    await asyncio.sleep(0.05)
            await until(network.all_are_accepted(connector, count))
            assert len(set(sequences(network))) == len(sequences(network)) == count + 1
        network.say(count + 100)
        await until(network.all_are_accepted(connector, count + 100))
        # A door that is shut in the middle of it: what was not acknowledged is sent again, and accepted once.
        door.is_open = False
        network.say(count + 200)
        await until(network.all_are_accepted(connector, count + 200), 40)
        assert ways.now is Way.HTTPS
    network.check(count + 200)


async def test_suspended_office_is_told_since_when_and_why_and_goes_on_when_it_is_resumed(network: Network) -> None:
    """Over HTTPS HQ says so itself, at once."""
    await network.start()
    async with network.office.running() as connector:
        network.say(5)
        await until(network.all_are_accepted(connector, 5))
        network.hq.standing.change(CENTER, status="suspended", status_reason="an audit")
        network.say(10)
        await until(lambda: "suspended this center" in connector.outbox.status()["link"]["reason"])
        assert "an audit" in connector.outbox.status()["link"]["reason"]
        network.hq.standing.change(CENTER, status="active")
        await until(network.all_are_accepted(connector, 10))
    network.check(10)
