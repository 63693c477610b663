"""A worker whose keys are not in its data directory: it signs by them, and by those that take their place."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.hq.folder import HubFolder
from hub.protocol.receipt import Receipt
from hub.worker.service import WorkerSettings, run_worker
from tests.support.center import Center
from tests.support.peek import is_published
from tests.support.worker import Hub, answers, produce

pytestmark = pytest.mark.integration


async def test_worker_signs_by_keys_of_another_folder(tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str) -> None:
    hub, center = Hub.make(tmp_path / "data", kafka.bootstrap), Center(f"{topic_prefix}-1", seed=os.urandom(32))
    await hub.register(center)
    own, keys = HubFolder(hub.data_dir).keys, tmp_path / "secret"
    own.rename(keys)
    stop, ready = asyncio.Event(), asyncio.Event()
    settings = WorkerSettings(data_dir=hub.data_dir, keys=keys, cluster=hub.cluster)
    hub.task = asyncio.create_task(run_worker(settings, stop, ready.set))
    try:
        await produce(hub.bootstrap, f"in.{center.id}", center.opened(2))
        await hub.until(lambda path: is_published(path) and bool(center.edge.size))
        found: list[Receipt] = []
        async with asyncio.timeout(30):
            while not found:
                found = [one for one in await answers(hub, center.id) if isinstance(one, Receipt)]
    finally:
        stop.set()
        await hub.task
    assert [(receipt.first, receipt.last) for receipt in found] == [(1, 3)]
    assert not own.exists()
