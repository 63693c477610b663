"""What the tests of a whole hub share."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.broker.embedded import EmbeddedKafka
from tests.support.cosigning import Network
from tests.support.worker import Hub


@pytest.fixture
async def network(tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str) -> Network:
    hub = Hub.make(tmp_path / "data", kafka.bootstrap)
    made = Network(hub, tmp_path, topic_prefix)
    await made.register()
    return made
