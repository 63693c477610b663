"""A broker's topics, and two centers of this test's own."""

from __future__ import annotations

import pytest

from hub.broker.embedded import EmbeddedKafka
from tests.support.transport import Site


@pytest.fixture
def site(kafka: EmbeddedKafka, topic_prefix: str) -> Site:
    return Site(kafka, topic_prefix)


@pytest.fixture
def uz(topic_prefix: str) -> str:
    return f"{topic_prefix}-uz"


@pytest.fixture
def kz(topic_prefix: str) -> str:
    return f"{topic_prefix}-kz"
