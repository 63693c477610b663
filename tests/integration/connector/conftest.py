"""An office folder on real topics, and a small HQ that answers it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.kafka.topics import ensure_topics, standard_topics
from tests.support.answering import AnsweringHq
from tests.support.folder import HUB, RECEIPTS, OfficeFolder


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
