"""The HTTPS way in as a process of its own, over TLS, beside a worker on real Kafka."""

from __future__ import annotations

import asyncio
import base64
import gzip
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.hq.headquarters import HqEvent
from hub.protocol.limits import KAFKA_BYTES_MAX
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.status import read_said
from hub.protocol.topics import LANE, TRUST
from tests.support.center import Center, filled
from tests.support.certificates import Authority
from tests.support.hostile import zstd
from tests.support.network import Program
from tests.support.ports import free_port
from tests.support.raw import batch, produce_raw, record
from tests.support.web_app import Office, record_batch
from tests.support.worker import Hub, produce

pytestmark = pytest.mark.integration


@dataclass
class WebProcess:
    """`hub web` as a process, and a client that trusts its certificate."""

    hub: Hub
    program: Program
    address: str
    client: httpx2.AsyncClient

    def office(self, center: Center) -> Office:
        return Office(self.client, center, address=self.address)

    async def begun(self, center: Center) -> Office:
        """Return an office whose session has begun; HQ may have registered it just now."""
        office = self.office(center)
        async with asyncio.timeout(20):
            while (await office.begin()).status_code != 201:
                await asyncio.sleep(0.1)
        return office

    async def until_ready(self) -> None:
        async with asyncio.timeout(30):
            while True:
                assert self.program.is_running, self.program.said()
                try:
                    if (await self.client.get("/readyz")).status_code == 200:
                        return
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)


@asynccontextmanager
async def web_process(tmp_path: Path, hub: Hub) -> AsyncIterator[WebProcess]:
    authority, port = Authority(tmp_path), free_port()
    leaf, address = authority.leaf("hub"), f"https://127.0.0.1:{port}"
    arguments = [
        "-m", "hub.cli.main", "--data-dir", str(hub.data_dir), "web", "--listen", f"127.0.0.1:{port}",
        "--public", address, "--certificate", str(leaf), "--key", str(leaf), "--bootstrap", hub.bootstrap,
    ]  # fmt: skip
    program = Program("web", arguments, tmp_path)
    program.start()
    context = ssl.create_default_context(cafile=str(authority.file))
    async with httpx2.AsyncClient(verify=context, base_url=address, timeout=40) as client:
        running = WebProcess(hub, program, address, client)
        try:
            await running.until_ready()
            yield running
        finally:
            if program.is_running:
                assert await program.stop() == 0, program.said()


@pytest.fixture
def hub(tmp_path: Path, kafka: EmbeddedKafka) -> Hub:
    return Hub.make(tmp_path / "hub", kafka.bootstrap)


def values(page: dict[str, Any]) -> Iterable[bytes]:
    return [base64.b64decode(each["value"]) for each in page["records"]]


async def test_lane_goes_in_and_its_receipt_comes_out(tmp_path: Path, hub: Hub, topic_prefix: str) -> None:
    """An office that has nothing but HTTPS: events by both forms, the receipt by long poll, trust, the hq lane."""
    center = Center(topic_prefix)
    await hub.register(center)
    async with hub.running(), web_process(tmp_path, hub) as web:
        office = await web.begun(center)
        waiting = asyncio.create_task(office.get(f"/v1/topics/out.{center.id}/records?offset=0&wait_s=25"))
        records = center.opened(40)
        assert (await office.post(record_batch(records[:20], codec=1))).json()["count"] == 20
        assert (await office.post_events(records[20:])).json()["count"] == 21
        receipts = list[Receipt]()
        async with asyncio.timeout(40):
            page = (await waiting).json()
            while True:
                found = (read_said(Note.from_bytes(value).text) for value in values(page))
                receipts += [answer for answer in found if isinstance(answer, Receipt)]
                if receipts and receipts[-1].last == 41:
                    break
                page = (await office.get(f"/v1/topics/out.{center.id}/records?offset={page['next']}&wait_s=25")).json()
        assert receipts[-1].root == center.edge.root
        assert all(receipt.decisions == () for receipt in receipts)
        trust = (await office.get(f"/v1/topics/{TRUST}/records?offset=0&wait_s=25")).json()
        assert hub.identity.note in values(trust)  # beside notes of other hubs that this broker had
        lane = (await office.get(f"/v1/topics/{LANE}/records?offset=0&wait_s=25")).json()
        assert lane["records"]


@pytest.mark.long
async def test_suspension_is_known_within_seconds_and_stop_ends_waiting(
    tmp_path: Path, hub: Hub, topic_prefix: str
) -> None:
    """Reading goes on; and a process that is to end answers who waits, and is gone."""
    center = Center(topic_prefix)
    await hub.register(center)
    async with web_process(tmp_path, hub) as web:
        office = await web.begun(center)
        body = record_batch(center.opened(1))
        assert (await office.post(body)).status_code == 200
        kind = "net.cohub.center.suspended.v1"
        await hub.say(HqEvent(kind, center.id, filled(kind, {"reason": "annual check"})))
        async with asyncio.timeout(20):
            while (answer := await office.post(body)).status_code == 200:
                await asyncio.sleep(0.1)
        assert (answer.status_code, answer.json()["code"], answer.json()["why"]) == (403, "suspended", "annual check")
        end = (await office.get(f"/v1/topics/out.{center.id}")).json()["end"]
        waiting = asyncio.create_task(office.get(f"/v1/topics/out.{center.id}/records?offset={end}&wait_s=25"))
        async with asyncio.timeout(20):
            while "cohub_web_waiting 1.0" not in (await web.client.get("/metrics")).text:
                await asyncio.sleep(0.05)
        assert await web.program.stop() == 0  # within the time that a program has for it
        assert (await waiting).json()["records"] == []
        log = web.program.log.read_text()
        assert office.session not in log
        assert "offset=" not in log


@pytest.mark.long
async def test_strangers_batches_on_a_topic_are_passed_over(tmp_path: Path, hub: Hub, topic_prefix: str) -> None:
    """What nobody can read keeps no office from what comes behind it."""
    center = Center(topic_prefix)
    await hub.register(center)
    topic = f"out.{center.id}"
    one = record(b"k", b"v")
    for data in (
        batch([record(b"k", b"v", [(b"\xff\xfe", b"1"), (b"ce_\xff", None)])]),
        batch([one], codec=4, payload=zstd(one)),
        batch([one], codec=1, payload=gzip.compress(one) + b"more"),
        batch([b""], codec=1, payload=gzip.compress(record(b"k", bytes(KAFKA_BYTES_MAX))), count=1),
    ):
        await produce_raw(hub.bootstrap, topic, data)
    await produce(hub.bootstrap, topic, center.opened(1))
    async with web_process(tmp_path, hub) as web:
        office = await web.begun(center)
        seen, offset = list[set[str]](), 0
        async with asyncio.timeout(30):
            while not seen or "cohub-seal" not in seen[-1]:
                page = (await office.get(f"/v1/topics/{topic}/records?offset={offset}&wait_s=5")).json()
                seen += [{name for name, _ in each["headers"]} for each in page["records"]]
                offset = page["next"]
        # Of the strangers' batches one can be read: the name of its headers is told by its bytes.
        assert (seen[0], len(seen)) == ({"\\xff\\xfe", "ce_\\xff"}, 3)
