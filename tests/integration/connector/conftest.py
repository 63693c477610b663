"""An office folder on real topics, and an HQ: a small one that answers it, or a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.kafka.topics import ensure_topics, standard_topics
from tests.support.answering import AnsweringHq
from tests.support.folder import HUB, RECEIPTS, OfficeFolder
from tests.support.worker import Hub


@pytest.fixture
async def office(tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str) -> OfficeFolder:
    """Return an office whose topics are there."""
    await ensure_topics(kafka.cluster, standard_topics([topic_prefix], [])[:2])
    return OfficeFolder(tmp_path / "office", topic_prefix, kafka.bootstrap)


@pytest.fixture
async def hq(kafka: EmbeddedKafka, office: OfficeFolder) -> AsyncIterator[AnsweringHq]:
    """Yield an HQ that answers this office."""
    async with AnsweringHq(kafka.bootstrap, HUB, office.center, office.key.verifier, RECEIPTS) as hq:
        yield hq


@pytest.fixture
async def hub(tmp_path: Path, kafka: EmbeddedKafka) -> AsyncIterator[Hub]:
    """Yield a real HQ without centers, its worker running."""
    (tmp_path / "hub").mkdir()
    hub = Hub.make(tmp_path / "hub", kafka.bootstrap)
    async with hub.running():
        yield hub
